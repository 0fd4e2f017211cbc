#include "fer/vision/face_detector.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

#include "fer/core/data_file.h"
#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/vision/mat.h"
#include "fer/vision/yunet_impl.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

constexpr const char* kYunetFile = "face_detection_yunet_2022mar.onnx";
constexpr const char* kCascadeFile = "haarcascade_frontalface_alt.xml";

// How a detector's raw box becomes the canonical one: fitted to the frames of FER2013 training
// images (tests/vision/face_crop_test.cpp measures what is left).
struct Calibration {
  float height;   // canonical height / geometric mean of the raw sides
  float shift_y;  // downwards, in canonical heights
};
constexpr Calibration kCascadeCalibration = {1.02f, 0.006f};

Box box_around(const Point& centre, float height) {
  const float width = 0.8f * height;
  return {centre.x - width / 2, centre.y - height / 2, width, height};
}

Box canonical_box(const Box& raw, const Calibration& calibration) {
  const float height = std::sqrt(raw.width * raw.height) * calibration.height;
  return box_around({raw.x + raw.width / 2, raw.y + raw.height / 2 + height * calibration.shift_y},
                    height);
}

// YuNet's box is drawn to the sizes of its anchors; where eyes, nose and mouth lie in it corrects
// its size and its centre. Least absolute deviations on 2,390 training images.
Box canonical_box(const Box& raw, const Landmarks& landmarks, float roll) {
  const float size = std::sqrt(raw.width * raw.height);
  const float c = std::cos(roll), s = std::sin(roll);
  const Point middle{raw.x + raw.width / 2, raw.y + raw.height / 2};
  // Upright, from the middle of the box, in its sizes.
  std::array<Point, 5> at;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const float x = (landmarks[i].x - middle.x) / size, y = (landmarks[i].y - middle.y) / size;
    at[i] = {c * x + s * y, c * y - s * x};
  }
  const Point eyes{(at[0].x + at[1].x) / 2, (at[0].y + at[1].y) / 2},
      nose = at[2], mouth{(at[3].x + at[4].x) / 2, (at[3].y + at[4].y) / 2};
  const float mouth_width = std::hypot(at[4].x - at[3].x, at[4].y - at[3].y);
  const float scale = 2.72f - 2.19f * (mouth.y - eyes.y) + 0.96f * (nose.y - eyes.y) -
                      1.59f * mouth_width - 1.91f * mouth.y;
  const float dx = 2.83f * eyes.x - 1.94f * nose.x + 0.69f * mouth.x, dy = -0.009f;
  return box_around({middle.x + size * (c * dx - s * dy), middle.y + size * (s * dx + c * dy)},
                    size * std::clamp(scale, 0.95f, 1.35f));
}

void largest_first(std::vector<Face>& faces) {
  std::stable_sort(faces.begin(), faces.end(),
                   [](const Face& a, const Face& b) { return a.box.height > b.box.height; });
}

// The picture so that its longer side has `side` pixels; `scale` = pixels of it a pixel
// of the original.
cv::Mat scaled(const Image& image, int side, double& scale) {
  if (image.empty()) fail_input("a picture without pixels");
  scale = static_cast<double>(side) / std::max(image.width, image.height);
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.width * scale))),
                      std::max(1, static_cast<int>(std::lround(image.height * scale))));
  cv::Mat small;
  cv::resize(as_mat(image), small, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  return small;
}

class YunetDetector : public FaceDetector {
 public:
  explicit YunetDetector(const FaceDetectorOptions& options)
      : options_(options), net_(open_yunet(options.model, options.make_network)) {}

  std::string name() const override { return "YuNet (" + options_.model.filename().string() + ")"; }

  std::vector<Face> detect(const Image& image) override {
    double scale = 1;
    std::vector<Face> faces;
    for (const FaceCandidate& found : look(scaled(image, options_.input_size, scale))) {
      const float score = found.score < kSure ? look_again(image, found, scale) : found.score;
      if (score < options_.score_threshold) continue;
      Face face;
      const auto back = [&](float pixels) { return static_cast<float>(pixels / scale); };
      Landmarks points = found.landmarks;
      for (Point& p : points) p = {back(p.x), back(p.y)};
      face.roll = std::atan2(points[1].y - points[0].y, points[1].x - points[0].x);
      face.box = canonical_box(
          {back(found.box.x), back(found.box.y), back(found.box.width), back(found.box.height)},
          points, face.roll);
      face.score = score;
      face.landmarks = points;
      faces.push_back(face);
    }
    largest_first(faces);
    return faces;
  }

 private:
  static constexpr int kLookSize = 160;
  static constexpr float kCandidateScore = 0.3f;  // counts in the mean
  static constexpr float kWorthALook = 0.5f;
  static constexpr float kSure = 0.98f;  // without another look

  std::vector<FaceCandidate> look(const cv::Mat& picture) {
    return merged(net_->candidates(picture, std::min(kCandidateScore, options_.score_threshold)),
                  std::min(kWorthALook, options_.score_threshold));
  }

  // Instead of the best candidate alone, the mean of those around it: a single one is drawn to the
  // sizes of the network's anchors and jumps by a quarter from frame to frame where two of them
  // compete.
  static std::vector<FaceCandidate> merged(std::vector<FaceCandidate> candidates, float least) {
    std::stable_sort(
        candidates.begin(), candidates.end(),
        [](const FaceCandidate& a, const FaceCandidate& b) { return a.score > b.score; });
    std::vector<FaceCandidate> found;
    for (const FaceCandidate& best : candidates) {
      if (best.score < least) break;
      const auto taken = [&](const FaceCandidate& f) {
        return intersection_over_union(f.box, best.box) > 0.3f;
      };
      if (std::any_of(found.begin(), found.end(), taken)) continue;
      FaceCandidate mean{{}, {}, best.score};
      float total = 0;
      for (const FaceCandidate& c : candidates) {
        if (intersection_over_union(c.box, best.box) < 0.5f) continue;
        total += c.score;
        mean.box.x += c.score * c.box.x;
        mean.box.y += c.score * c.box.y;
        mean.box.width += c.score * c.box.width;
        mean.box.height += c.score * c.box.height;
        for (int k = 0; k < 5; ++k) {
          mean.landmarks[k].x += c.score * c.landmarks[k].x;
          mean.landmarks[k].y += c.score * c.landmarks[k].y;
        }
      }
      mean.box = {mean.box.x / total, mean.box.y / total, mean.box.width / total,
                  mean.box.height / total};
      for (Point& p : mean.landmarks) p = {p.x / total, p.y / total};
      found.push_back(mean);
    }
    return found;
  }

  // A face is one at any scale; what only looks like one at a certain scale is not, and between two
  // anchors a face may score low. So the doubtful are looked at again, larger or smaller, and that
  // score counts.
  float look_again(const Image& image, const FaceCandidate& found, double scale) {
    const float face = found.box.height < 80 ? 100.0f : 64.0f;  // pixels of it in the second look
    const float side = kLookSize * found.box.height / face;
    const Box around{found.box.x + (found.box.width - side) / 2,
                     found.box.y + (found.box.height - side) / 2, side, side};
    const auto back = [&](float pixels) { return static_cast<float>(pixels / scale); };
    const Image patch =
        crop(image, {back(around.x), back(around.y), back(side), back(side)}, kLookSize, kLookSize);
    const float zoom = kLookSize / side;
    const Box expected{(found.box.x - around.x) * zoom, (found.box.y - around.y) * zoom,
                       found.box.width * zoom, found.box.height * zoom};
    float score = 0;
    for (const FaceCandidate& c : look(as_mat(patch))) {
      if (intersection_over_union(c.box, expected) > 0.4f) score = std::max(score, c.score);
    }
    return score;
  }

  FaceDetectorOptions options_;
  std::unique_ptr<Yunet> net_;
};

// Viola and Jones' cascade as OpenCV ships it.
class CascadeDetector : public FaceDetector {
 public:
  explicit CascadeDetector(const FaceDetectorOptions& options) : options_(options) {
    bool loaded = false;
    try {
      loaded = cascade_.load(options.model.string());
    } catch (const cv::Exception&) {
    }
    if (!loaded) fail_input(options.model.string() + ": not a cascade that OpenCV can read");
  }

  std::string name() const override {
    return "Haar cascade (" + options_.model.filename().string() + ")";
  }

  std::vector<Face> detect(const Image& image) override {
    const Image gray = to_gray(image);
    double scale = 1;
    cv::Mat small = scaled(gray, 2 * options_.input_size, scale);
    std::vector<cv::Rect> boxes;
    std::vector<int> levels;
    std::vector<double> weights;
    // Smaller faces than a twentieth of the picture cost as much as all others together.
    const cv::Size least(options_.input_size / 10, options_.input_size / 10);
    try {
      cascade_.detectMultiScale(small, boxes, levels, weights, 1.1, 4, 0, least, {}, true);
    } catch (const cv::Exception& error) {
      fail_runtime(name() + ": " + trim(error.err));
    }
    std::vector<Face> faces;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const auto back = [&](int pixels) { return static_cast<float>(pixels / scale); };
      Face face;
      face.box = canonical_box(
          {back(boxes[i].x), back(boxes[i].y), back(boxes[i].width), back(boxes[i].height)},
          kCascadeCalibration);
      face.score = static_cast<float>(1 / (1 + std::exp(-weights[i])));
      faces.push_back(face);
    }
    largest_first(faces);
    return faces;
  }

 private:
  FaceDetectorOptions options_;
  cv::CascadeClassifier cascade_;
};

fs::path find_yunet() {
  const fs::path named = file_from_environment("FER_YUNET");
  return named.empty() ? find_data_file(kYunetFile) : named;
}

fs::path find_cascade() {
  for (const char* root : {"/usr/share", "/usr/local/share"}) {
    for (const char* folder : {"opencv4", "opencv", "OpenCV"}) {
      const fs::path file = fs::path(root) / folder / "haarcascades" / kCascadeFile;
      if (fs::is_regular_file(file)) return file;
    }
  }
  return find_data_file(kCascadeFile);
}

}  // namespace

FaceDetectorOptions resolve_face_detector(const FaceDetectorOptions& options) {
  const std::vector<std::string> kinds = {"auto", "yunet", "haar"};
  if (std::find(kinds.begin(), kinds.end(), options.kind) == kinds.end()) {
    fail_input("no face detector is called '" + options.kind + "': " + join(kinds, ", ") +
               did_you_mean(options.kind, kinds));
  }
  if (options.input_size < 64 || options.input_size > 4096) {
    fail_input(
        format("a detector input of %d pixels: 64 to 4096 are possible", options.input_size));
  }
  FaceDetectorOptions found = options;
  if (!found.model.empty()) {
    if (!fs::is_regular_file(found.model))
      fail_input(found.model.string() + ": no such face detector model");
    const bool cascade = to_lower(found.model.extension().string()) == ".xml";
    if (found.kind == "auto") found.kind = cascade ? "haar" : "yunet";
    return found;
  }
  if (options.kind != "haar") {
    found.kind = "yunet";
    found.model = find_yunet();
    found.found = options.kind == "auto" && file_from_environment("FER_YUNET").empty();
    if (!found.model.empty()) return found;
    if (options.kind == "yunet") {
      fail_input(std::string("YuNet's model ") + kYunetFile +
                 " was not found; name the file, or set FER_YUNET");
    }
  }
  found.kind = "haar";
  found.model = find_cascade();
  if (found.model.empty()) {
    fail_input(std::string("no face detector: neither ") + kYunetFile + " nor " + kCascadeFile +
               " (Debian package opencv-data) was found; name the file of either");
  }
  if (options.kind == "auto") {
    log_warning("YuNet's model was not found, so faces are looked for by the weaker " +
                found.model.filename().string());
  }
  return found;
}

std::unique_ptr<FaceDetector> create_face_detector(const FaceDetectorOptions& options) {
  quiet_opencv();
  const FaceDetectorOptions found = resolve_face_detector(options);
  if (found.kind == "haar") return std::make_unique<CascadeDetector>(found);
  try {
    return std::make_unique<YunetDetector>(found);
  } catch (const Error& error) {
    FaceDetectorOptions haar = found;
    haar.kind = "haar";
    haar.model = find_cascade();
    if (!found.found || haar.model.empty() || error.fault() != Fault::kInput) throw;
    static std::atomic_flag said;  // by the first of several detectors
    if (!said.test_and_set()) {
      log_warning(std::string(error.what()) + "; faces are looked for by the weaker " +
                  haar.model.filename().string());
    }
    return std::make_unique<CascadeDetector>(haar);
  }
}

}  // namespace fer
