#include "fer/batch/timeline.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/vision/image_io.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

std::size_t best_of(const std::vector<float>& p) {
  return static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

std::string clock(double seconds) {
  const long long ms = std::llround(seconds * 1000);
  return format("%02lld:%02lld:%02lld,%03lld", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60,
                ms % 1000);
}

}  // namespace

void Timeline::add(const Prediction& prediction) {
  Point point{prediction.frame, prediction.time, prediction.faces.size(), {}};
  for (std::size_t i = 0; i < prediction.faces.size(); ++i) {
    const FaceResult& face = prediction.faces[i];
    if (face.label.empty()) continue;
    const int id = prediction.ids.empty() ? 0 : prediction.ids[i];
    point.answers.emplace_back(id, face.probabilities.at(head_));
    ++answers_[id];
    if (prediction.ids.empty()) break;
  }
  points_.push_back(std::move(point));
}

const std::vector<float>* Timeline::answer(const Point& point) const {
  const std::vector<float>* found = nullptr;
  std::int64_t most = 0;
  for (const auto& [id, probabilities] : point.answers) {
    if (const std::int64_t count = answers_.at(id); count > most) {
      most = count;
      found = &probabilities;
    }
  }
  return found;
}

double Timeline::spacing() const {
  return points_.size() > 1 ? points_.back().time / static_cast<double>(points_.size() - 1) : 0.04;
}

double Timeline::duration() const {
  // The last frame lasts as long as the others.
  return points_.empty() ? 0 : points_.back().time + spacing();
}

std::optional<std::vector<float>> Timeline::mean(double begin, double end) const {
  const auto earlier = [](const Point& p, double time) { return p.time < time; };
  const auto first = std::lower_bound(points_.begin(), points_.end(), begin, earlier);
  std::vector<float> sum(labels_.size());
  int answers = 0;
  for (auto p = first; p != points_.end() && p->time < end; ++p) {
    const std::vector<float>* probabilities = answer(*p);
    if (probabilities == nullptr) continue;
    ++answers;
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += (*probabilities)[c];
  }
  if (answers == 0) return std::nullopt;
  for (float& p : sum) p /= static_cast<float>(answers);
  return sum;
}

std::string Timeline::csv() const {
  std::string text = "frame,time,faces,label,confidence,uncertain";
  for (const std::string& label : labels_) text += ',' + csv_field("p_" + label);
  text += '\n';
  for (const Point& point : points_) {
    text += format("%lld,%.3f,%zu,", static_cast<long long>(point.frame), point.time, point.faces);
    const std::vector<float>* probabilities = answer(point);
    if (probabilities == nullptr) {
      text += ",," + std::string(labels_.size(), ',') + '\n';
      continue;
    }
    const std::size_t best = best_of(*probabilities);
    const float confidence = (*probabilities)[best];
    text += csv_field(labels_[best]) + format(",%.6f", confidence) +
            (confidence < uncertain_below_ ? ",true" : ",false");
    for (const float p : *probabilities) text += format(",%.6f", p);
    text += '\n';
  }
  return text;
}

std::string Timeline::srt() const {
  struct Caption {
    double begin, end;
    std::string label;
    double confidence;  // sum over the steps
    int steps;
  };
  std::vector<Caption> captions;
  const double step = std::max(0.5, spacing());
  for (int i = 0; i * step < duration(); ++i) {
    const double begin = i * step, end = std::min((i + 1) * step, duration());
    // A frame counts where most of its time lies: frames a step apart may be a little early or
    // late.
    const auto p = mean(begin - spacing() / 2, begin + step - spacing() / 2);
    if (!p) continue;
    const float confidence = (*p)[best_of(*p)];
    const std::string label = confidence < uncertain_below_ ? "uncertain" : labels_[best_of(*p)];
    if (!captions.empty() && captions.back().label == label && captions.back().end == begin) {
      captions.back().end = end;
      captions.back().confidence += confidence;
      ++captions.back().steps;
    } else {
      captions.push_back({begin, end, label, confidence, 1});
    }
  }
  std::string text;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    const Caption& c = captions[i];
    text += format("%zu\n%s --> %s\n%s %.0f %%\n\n", i + 1, clock(c.begin).c_str(),
                   clock(c.end).c_str(), c.label.c_str(), 100 * c.confidence / c.steps);
  }
  return text;
}

Image Timeline::picture() const {
  constexpr int kWidth = 1200, kHeight = 360, kLeft = 60, kRight = 190, kTop = 20, kBottom = 45;
  constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
  const int columns = kWidth - kLeft - kRight, rows = kHeight - kTop - kBottom;
  const double seconds = std::max(duration(), 1e-3);
  const auto colour = [&](std::size_t c) {
    const auto [r, g, b] = label_colour(labels_[c], c);
    return cv::Scalar(r, g, b);
  };
  const cv::Scalar ink(60, 60, 60);

  Image image(kWidth, kHeight, 3, 255);
  cv::Mat mat = as_mat(image);
  // A column shows its own stretch of time, or the frame before it where the video has fewer
  // frames.
  const double step = std::max(seconds / columns, points_.size() > 1 ? spacing() : seconds);
  for (int x = 0; x < columns; ++x) {
    const double time = seconds * x / columns;
    const auto p = mean(time - step / 2, time + step / 2);
    if (!p) continue;
    float below = 0;
    for (std::size_t c = 0; c < labels_.size(); ++c) {
      const auto row = [&](float share) {
        return kTop + rows - static_cast<int>(std::lround(share * static_cast<float>(rows)));
      };
      const cv::Rect bar(kLeft + x, row(below + (*p)[c]), 1, row(below) - row(below + (*p)[c]));
      if (bar.height > 0) cv::rectangle(mat, bar, colour(c), cv::FILLED);
      below += (*p)[c];
    }
  }
  cv::rectangle(mat, cv::Rect(kLeft, kTop, columns, rows), ink, 1);

  double tick = 1;
  for (const double choice : {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600}) {
    tick = choice;
    if (seconds / tick <= 12) break;
  }
  for (double time = 0; time <= seconds; time += tick) {
    const int x = kLeft + static_cast<int>(columns * time / seconds);
    cv::line(mat, {x, kTop + rows}, {x, kTop + rows + 5}, ink);
    const auto whole = static_cast<long long>(time);
    const std::string text = format("%lld:%02lld", whole / 60, whole % 60);
    cv::putText(mat, text, {x - 14, kTop + rows + 22}, kFont, 0.45, ink, 1, cv::LINE_AA);
  }
  for (const int percent : {0, 50, 100}) {
    const int y = kTop + rows - rows * percent / 100;
    cv::putText(mat, format("%3d %%", percent), {6, y + 5}, kFont, 0.45, ink, 1, cv::LINE_AA);
  }
  for (std::size_t c = 0; c < labels_.size(); ++c) {
    // The last label lies on top in the stack, so it stands on top here.
    const int y = kTop + 10 + 24 * static_cast<int>(labels_.size() - 1 - c);
    cv::rectangle(mat, cv::Rect(kWidth - kRight + 20, y, 16, 16), colour(c), cv::FILLED);
    cv::putText(mat, labels_[c], {kWidth - kRight + 44, y + 13}, kFont, 0.5, ink, 1, cv::LINE_AA);
  }
  return image;
}

void check_timeline_path(const std::filesystem::path& path) {
  const std::string extension = to_lower(path.extension().string());
  if (extension != ".csv" && extension != ".srt" && extension != ".png") {
    fail_input(path.string() + ": a timeline is written as .csv, .srt or .png");
  }
}

void Timeline::write(const std::filesystem::path& path) const {
  check_timeline_path(path);
  const std::string extension = to_lower(path.extension().string());
  if (extension == ".csv") {
    write_file_atomically(path, csv());
  } else if (extension == ".srt") {
    write_file_atomically(path, srt());
  } else {
    write_image(path, picture());
  }
}

}  // namespace fer
