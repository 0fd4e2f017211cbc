// Says of a face that it shows too little for an answer, so that callers can say so instead of
// guessing.
#pragma once

#include <string>
#include <vector>

#include "fer/vision/face_detector.h"

namespace fer {

enum class QualityIssue { kTooSmall, kBlurred, kTurned };
std::string to_string(QualityIssue issue);  // too small, blurred, turned away

struct QualityLimits {
  // Pixels of the canonical box's height. FER2013 itself was collected at 48; below half of that
  // the mouth has three rows.
  float min_face = 24;
  // sharpness() below this is blurred: 1 % of FER2013's training images are, and half of them once
  // a Gaussian of three of their 48 pixels has smoothed them.
  float min_sharpness = 0.02f;
  // turn() above this is turned away: the tip of the nose is beyond one of the eyes.
  float max_turn = 0.5f;
};

// What is wrong with the face, in the order of the enum; empty when nothing is.
std::vector<QualityIssue> check_quality(const Image& image, const Face& face,
                                        const QualityLimits& limits = {});

// Variance of the Laplacian of the face at 48 x 48 pixels over the variance of its brightness: what
// detail there is at the scale of an expression, whatever the size, light and contrast. Far out of
// focus 0, a clear photo about 0.3.
float sharpness(const Image& image, const Box& face);

// How far the tip of the nose is from the middle between the eyes, along the line through the eyes,
// in distances of the eyes: 0 seen from the front.
float turn(const Landmarks& landmarks);

}  // namespace fer
