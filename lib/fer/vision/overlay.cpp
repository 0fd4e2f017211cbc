#include "fer/vision/overlay.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>

#include "fer/vision/mat.h"

namespace fer {

namespace {

float overlap(const Box& a, const Box& b) {
  const float width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const float height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

float overlap(const Box& box, std::span<const Box> others) {
  float area = 0;
  for (const Box& other : others) area += overlap(box, other);
  return area;
}

float distance(const Box& a, const Box& b) {
  const float dx = std::max({a.x - (b.x + b.width), b.x - (a.x + a.width), 0.0f});
  const float dy = std::max({a.y - (b.y + b.height), b.y - (a.y + a.height), 0.0f});
  return std::hypot(dx, dy);
}

}  // namespace

std::vector<Box> place_labels(int image_width, int image_height, std::span<const Box> faces,
                              std::span<const LabelSize> labels, std::span<const Box> taken,
                              bool beside_only) {
  const auto w = static_cast<float>(image_width), h = static_cast<float>(image_height);
  std::vector<Box> used(taken.begin(), taken.end());
  std::vector<Box> places(faces.size());
  for (std::size_t i = 0; i < faces.size(); ++i) {
    const Box& face = faces[i];
    const auto width = static_cast<float>(labels[i].width);
    const auto height = static_cast<float>(labels[i].height);
    if (width <= 0 || width > w || height > h) continue;

    std::optional<Box> best;
    float best_cost = 0;
    const auto consider = [&](float x, float y, float penalty) {
      const Box place{std::clamp(std::round(x), 0.0f, w - width),
                      std::clamp(std::round(y), 0.0f, h - height), width, height};
      if (overlap(place, used) > 0) return;
      const float covered = overlap(place, faces);
      if (beside_only && covered > 0) return;
      const float cost = covered / (width * height) + penalty;
      if (!best || cost < best_cost) {
        best = place;
        best_cost = cost;
      }
    };
    const float right = face.x + face.width, below = face.y + face.height;
    consider(face.x, face.y - height, 0.00f);
    consider(face.x, below, 0.01f);
    consider(right, face.y, 0.02f);
    consider(face.x - width, face.y, 0.03f);
    consider(right - width, face.y - height, 0.04f);
    consider(right - width, below, 0.05f);
    consider(right, below - height, 0.06f);
    consider(face.x - width, below - height, 0.07f);
    if (!best && !beside_only) {
      // Anywhere, the nearer the better.
      const float step = std::max(4.0f, height / 2);
      for (float y = 0; y <= h - height; y += step) {
        for (float x = 0; x <= w - width; x += step) {
          consider(x, y, 1 + distance({x, y, width, height}, face) / (w + h));
        }
      }
    }
    if (best) {
      places[i] = *best;
      used.push_back(*best);
    }
  }
  return places;
}

namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

cv::Scalar scalar(const Colour& colour) {
  return {double(colour[0]), double(colour[1]), double(colour[2])};
}

// Black or white, whichever stands out more.
cv::Scalar text_on(const Colour& colour) {
  const double luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
  return luma > 140 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

cv::Rect rect(const Box& box) {
  return {static_cast<int>(std::lround(box.x)), static_cast<int>(std::lround(box.y)),
          static_cast<int>(std::lround(box.width)), static_cast<int>(std::lround(box.height))};
}

// All lengths that follow from the size of the text.
class Style {
 public:
  explicit Style(const Image& image) {
    const float side = static_cast<float>(std::max(image.width, image.height));
    const float pixels = std::max(11.0f, 0.016f * side);
    scale_ = pixels / 21.0;  // Hershey's capitals have 21 pixels
    stroke_ = std::max(1, static_cast<int>(std::lround(pixels / 11)));
    padding_ = std::max(2, static_cast<int>(std::lround(pixels / 4)));
    int base = 0;
    cv::getTextSize("Ag", kFont, scale_, stroke_, &base);
    baseline_ = base;
    line_ = static_cast<int>(std::lround(pixels)) + base + padding_;
  }
  int text_width(const std::string& text) const {
    int base = 0;
    return cv::getTextSize(text, kFont, scale_, stroke_, &base).width;
  }
  // `line`: the line's top left corner.
  void text(cv::Mat& mat, const std::string& text, cv::Point line, const cv::Scalar& colour) const {
    cv::putText(mat, text, {line.x, line.y + line_ - baseline_}, kFont, scale_, colour, stroke_,
                cv::LINE_AA);
  }
  int line() const { return line_; }
  int padding() const { return padding_; }
  int stroke() const { return stroke_; }

 private:
  double scale_;
  int stroke_, padding_, baseline_, line_;
};

std::string ascii(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) plain += c;
    if (byte >= 0xC0) plain += '?';  // the first byte of a letter beyond ASCII
  }
  return plain;
}

void darken(cv::Mat& mat, const cv::Rect& area) {
  cv::Mat part = mat(area & cv::Rect(0, 0, mat.cols, mat.rows));
  part.convertTo(part, -1, 0.25);
}

int bar_label_width(const Annotation& annotation, const Style& style) {
  int widest = 0;
  for (const Bar& bar : annotation.bars)
    widest = std::max(widest, style.text_width(ascii(bar.label)));
  return widest;
}

LabelSize title_size(const Annotation& annotation, const Style& style) {
  if (annotation.title.empty()) return {};
  return {style.text_width(ascii(annotation.title)) + 2 * style.padding(),
          style.line() + style.padding()};
}

LabelSize panel_size(const Annotation& annotation, const Style& style) {
  const LabelSize title = title_size(annotation, style);
  if (annotation.bars.empty()) return {};
  const int bars = bar_label_width(annotation, style) + 3 * style.padding() + 4 * style.line();
  return {std::max(title.width, bars),
          title.height + style.line() * static_cast<int>(annotation.bars.size()) + style.padding()};
}

void draw_label(cv::Mat& mat, const Annotation& annotation, const Box& place, bool with_bars,
                const Style& style) {
  const cv::Rect area = rect(place);
  const int pad = style.padding();
  cv::Rect title = area;
  title.height = title_size(annotation, style).height;
  if (with_bars) darken(mat, area);
  cv::rectangle(mat, title, scalar(annotation.colour), cv::FILLED);
  style.text(mat, ascii(annotation.title), {title.x + pad, title.y + pad / 2},
             text_on(annotation.colour));
  if (!with_bars) return;
  const int bars_x = area.x + 2 * pad + bar_label_width(annotation, style);
  int y = title.y + title.height;
  for (const Bar& bar : annotation.bars) {
    style.text(mat, ascii(bar.label), {area.x + pad, y}, {255, 255, 255});
    const cv::Rect track(bars_x, y + pad / 2, area.x + area.width - pad - bars_x,
                         style.line() * 3 / 4);
    cv::rectangle(mat, track, {70, 70, 70}, cv::FILLED);
    cv::Rect filled = track;
    filled.width = static_cast<int>(
        std::lround(static_cast<float>(track.width) * std::clamp(bar.value, 0.0f, 1.0f)));
    if (filled.width > 0) cv::rectangle(mat, filled, scalar(bar.colour), cv::FILLED);
    y += style.line();
  }
}

}  // namespace

void draw_annotations(Image& image, std::span<const Annotation> annotations) {
  if (image.empty()) return;
  image = to_rgb(image);
  cv::Mat mat = as_mat(image);
  const Style style(image);
  std::vector<Box> faces;
  std::vector<LabelSize> panels, titles;
  for (const Annotation& annotation : annotations) {
    faces.push_back(annotation.box);
    panels.push_back(panel_size(annotation, style));
    titles.push_back(title_size(annotation, style));
  }
  const std::vector<Box> with_bars =
      place_labels(image.width, image.height, faces, panels, {}, true);
  std::vector<Box> taken;
  for (std::size_t i = 0; i < faces.size(); ++i) {
    if (with_bars[i].width > 0) {
      taken.push_back(with_bars[i]);
      titles[i] = {};
    }
  }
  const std::vector<Box> title_only = place_labels(image.width, image.height, faces, titles, taken);

  // A dark line below each coloured one, so that it shows on any picture. Labels come last, above
  // all boxes.
  for (const Annotation& annotation : annotations) {
    cv::rectangle(mat, rect(annotation.box), {0, 0, 0}, 3 * style.stroke(), cv::LINE_AA);
  }
  for (std::size_t i = 0; i < faces.size(); ++i) {
    const Annotation& annotation = annotations[i];
    cv::rectangle(mat, rect(annotation.box), scalar(annotation.colour), 2 * style.stroke(),
                  cv::LINE_AA);
    const Box& place = with_bars[i].width > 0 ? with_bars[i] : title_only[i];
    if (place.width > 0 && distance(place, annotation.box) > 2) {
      const auto centre = [](const Box& b) {
        return cv::Point(cv::Point2f(b.x + b.width / 2, b.y + b.height / 2));
      };
      cv::line(mat, centre(place), centre(annotation.box), scalar(annotation.colour),
               style.stroke(), cv::LINE_AA);
    }
  }
  for (std::size_t i = 0; i < faces.size(); ++i) {
    const bool bars = with_bars[i].width > 0;
    const Box& place = bars ? with_bars[i] : title_only[i];
    if (place.width > 0) draw_label(mat, annotations[i], place, bars, style);
  }
}

void draw_status(Image& image, const std::string& text) {
  if (image.empty()) return;
  image = to_rgb(image);
  cv::Mat mat = as_mat(image);
  const Style style(image);
  std::string line = ascii(text);
  while (!line.empty() && style.text_width(line) + 2 * style.padding() > image.width)
    line.pop_back();
  if (line.empty()) return;
  darken(mat, {0, 0, style.text_width(line) + 2 * style.padding(), style.line() + style.padding()});
  style.text(mat, line, {style.padding(), 0}, {255, 255, 255});
}

void pixelate(Image& image, const Box& box) {
  cv::Mat mat = as_mat(image);
  const cv::Rect area = rect(box) & cv::Rect(0, 0, mat.cols, mat.rows);
  if (area.empty()) return;
  // An eighth of the whole box, however much of it is in the picture.
  const cv::Rect whole = rect(box);
  const cv::Size count(std::max(1, cvRound(8.0 * area.width / whole.width)),
                       std::max(1, cvRound(8.0 * area.height / whole.height)));
  cv::Mat part = mat(area), blocks;
  cv::resize(part, blocks, count, 0, 0, cv::INTER_AREA);
  cv::resize(blocks, part, part.size(), 0, 0, cv::INTER_NEAREST);
}

}  // namespace fer
