#include "fer/vision/face_quality.h"

#include <algorithm>
#include <cmath>

namespace fer {

std::string to_string(QualityIssue issue) {
  switch (issue) {
    case QualityIssue::kTooSmall:
      return "too small";
    case QualityIssue::kBlurred:
      return "blurred";
    case QualityIssue::kTurned:
      break;
  }
  return "turned away";
}

float sharpness(const Image& image, const Box& face) {
  constexpr int kSide = 48;
  const Image small = to_gray(crop(image, face_crop_box(face, 0), kSide, kSide));
  double brightness = 0, brightness_2 = 0, edges = 0, edges_2 = 0;
  for (int y = 1; y < kSide - 1; ++y) {
    for (int x = 1; x < kSide - 1; ++x) {
      const double value = small.at(x, y);
      const double laplacian = small.at(x - 1, y) + small.at(x + 1, y) + small.at(x, y - 1) +
                               small.at(x, y + 1) - 4 * value;
      brightness += value;
      brightness_2 += value * value;
      edges += laplacian;
      edges_2 += laplacian * laplacian;
    }
  }
  constexpr double kCount = (kSide - 2) * (kSide - 2);
  const auto variance = [](double sum, double sum_2) {
    return sum_2 / kCount - sum * sum / (kCount * kCount);
  };
  // A grey level of noise keeps a flat patch from looking sharp.
  return static_cast<float>(variance(edges, edges_2) / (variance(brightness, brightness_2) + 1));
}

float turn(const Landmarks& landmarks) {
  const auto& [left, right, nose, mouth_left, mouth_right] = landmarks;
  const float dx = right.x - left.x, dy = right.y - left.y;
  const float length_2 = dx * dx + dy * dy;
  if (length_2 <= 0) return 1;
  return std::abs(((nose.x - left.x) * dx + (nose.y - left.y) * dy) / length_2 - 0.5f);
}

std::vector<QualityIssue> check_quality(const Image& image, const Face& face,
                                        const QualityLimits& limits) {
  std::vector<QualityIssue> issues;
  if (face.box.height < limits.min_face) issues.push_back(QualityIssue::kTooSmall);
  if (sharpness(image, face.box) < limits.min_sharpness) issues.push_back(QualityIssue::kBlurred);
  if (face.landmarks && turn(*face.landmarks) > limits.max_turn) {
    issues.push_back(QualityIssue::kTurned);
  }
  return issues;
}

}  // namespace fer
