#include "fer/live/following_detector.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/vision/mat.h"

namespace fer {

namespace {

constexpr int kLongerSide = 320;     // of the picture in which faces are followed
constexpr double kLikeEnough = 0.6;  // correlation; below it the face is lost
constexpr int kAtMostEvery = 10;     // a new face waits no longer

cv::Mat small_gray(const Image& image, double& scale) {
  scale = std::min(1.0, static_cast<double>(kLongerSide) / std::max(image.width, image.height));
  cv::Mat small, gray;
  // Nearest: all pictures are scaled alike, and it costs nothing.
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.width * scale))),
                      std::max(1, static_cast<int>(std::lround(image.height * scale))));
  cv::resize(as_mat(image), small, size, 0, 0, cv::INTER_NEAREST);
  if (image.channels == 1) return small;
  cv::cvtColor(small, gray, cv::COLOR_RGB2GRAY);
  return gray;
}

cv::Rect scaled_box(const Box& box, double scale, double margin) {
  const double grow_x = box.width * margin, grow_y = box.height * margin;
  return {static_cast<int>(std::lround((box.x - grow_x) * scale)),
          static_cast<int>(std::lround((box.y - grow_y) * scale)),
          static_cast<int>(std::lround((box.width + 2 * grow_x) * scale)),
          static_cast<int>(std::lround((box.height + 2 * grow_y) * scale))};
}

class FollowingDetector : public FaceDetector {
 public:
  FollowingDetector(std::unique_ptr<FaceDetector> detector, const FollowOptions& options)
      : detector_(std::move(detector)), options_(options) {}

  std::string name() const override { return detector_->name(); }

  std::vector<Face> detect(const Image& image) override {
    const bool always = options_.always != nullptr && *options_.always;
    if (always || ++since_look_ >= every() || !follow(image)) look(image);
    return faces_;
  }

 private:
  int every() const {
    if (options_.every > 0) return options_.every;
    const double affordable = options_.frame_time / 2;
    return std::clamp(static_cast<int>(std::ceil(look_time_ / affordable)), 1, kAtMostEvery);
  }

  void look(const Image& image) {
    const auto begin = std::chrono::steady_clock::now();
    faces_ = detector_->detect(image);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    look_time_ = look_time_ > 0 ? look_time_ + 0.1 * (took - look_time_) : took;
    since_look_ = 0;
    templates_.clear();
    if (every() == 1) return;
    const cv::Mat gray = small_gray(image, scale_);
    const cv::Rect whole(0, 0, gray.cols, gray.rows);
    size_ = gray.size();
    for (const Face& face : faces_) {
      const cv::Rect box = scaled_box(face.box, scale_, 0), inside = box & whole;
      templates_.push_back({gray(inside).clone(), inside.tl() - box.tl()});
    }
  }

  // False when the picture has another size or a face is lost.
  bool follow(const Image& image) {
    if (faces_.empty()) return true;
    double scale = 1;
    const cv::Mat gray = small_gray(image, scale);
    if (gray.size() != size_ || templates_.size() != faces_.size()) return false;
    const cv::Rect whole(0, 0, gray.cols, gray.rows);
    for (std::size_t i = 0; i < faces_.size(); ++i) {
      Face& face = faces_[i];
      const cv::Mat& wanted = templates_[i].pixels;
      const cv::Point corner = scaled_box(face.box, scale_, 0).tl();
      const cv::Rect around = scaled_box(face.box, scale_, 0.35) & whole;
      if (wanted.cols < 6 || wanted.rows < 6 || around.width < wanted.cols ||
          around.height < wanted.rows) {
        return false;
      }
      cv::Mat likeness;
      cv::matchTemplate(gray(around), wanted, likeness, cv::TM_CCOEFF_NORMED);
      double best = 0;
      cv::Point at;
      cv::minMaxLoc(likeness, nullptr, &best, nullptr, &at);
      if (!(best >= kLikeEnough)) return false;
      const cv::Point moved = around.tl() + at - templates_[i].offset - corner;
      move(face, moved.x / scale_, moved.y / scale_);
    }
    return true;
  }

  static void move(Face& face, double dx, double dy) {
    face.box.x += static_cast<float>(dx);
    face.box.y += static_cast<float>(dy);
    if (!face.landmarks) return;
    for (Point& point : *face.landmarks) {
      point.x += static_cast<float>(dx);
      point.y += static_cast<float>(dy);
    }
  }

  std::unique_ptr<FaceDetector> detector_;
  FollowOptions options_;
  std::vector<Face> faces_;
  struct Template {
    cv::Mat pixels;    // what of the face was in the picture at the last look
    cv::Point offset;  // of these from the corner of its box
  };
  std::vector<Template> templates_;
  cv::Size size_;
  double scale_ = 1;
  double look_time_ = 0;  // seconds, moving average
  int since_look_ = 1 << 20;
};

}  // namespace

std::unique_ptr<FaceDetector> make_following_detector(std::unique_ptr<FaceDetector> detector,
                                                      const FollowOptions& options) {
  if (options.every == 1) return detector;
  return std::make_unique<FollowingDetector>(std::move(detector), options);
}

}  // namespace fer
