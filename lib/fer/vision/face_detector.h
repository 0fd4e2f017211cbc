// Finds faces in a picture. Whatever looks, the answer is one kind of box.
//
// The canonical box: from the hairline to the chin and from ear to ear, four wide to five high,
// around the centre of the face. Its height is the side of the frame that FER2013 has around such a
// face, so face_crop_box(box, kFer2013CropMargin) is the crop that networks trained on FER2013
// know.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fer/core/image.h"
#include "fer/model/network.h"

namespace fer {

// The crop margin (ModelSpec::crop_margin) of a network trained on FER2013's frames.
inline constexpr float kFer2013CropMargin = 0.0f;

struct Point {
  float x = 0;
  float y = 0;
};

// As seen in the picture: the eye on the left, the eye on the right, the tip of the nose, the
// corner of the mouth on the left, the one on the right.
using Landmarks = std::array<Point, 5>;

struct Face {
  Box box;                             // canonical, in pixels of the picture; may reach outside it
  float score = 0;                     // 0 .. 1, the detector's own confidence
  std::optional<Landmarks> landmarks;  // only where the detector has them
  float roll = 0;                      // radians, as crop() takes it; 0 without landmarks
};

struct FaceDetectorOptions {
  std::string kind = "auto";    // auto, yunet or haar
  std::filesystem::path model;  // YuNet's .onnx or a cascade's .xml; empty: looked for
  // Pixels of the longer side of what YuNet sees; the cascade sees twice as many.
  int input_size = 320;
  float score_threshold = 0.8f;  // of YuNet: below it a box is no face
  bool found = false;            // nobody named the model: where it does not run the cascade does
  MakeNetwork make_network;      // what runs YuNet's network; none: OpenCV does
};

class FaceDetector {
 public:
  virtual ~FaceDetector() = default;
  virtual std::string name() const = 0;  // "YuNet (face_detection_yunet_2022mar.onnx)"
  // Gray or RGB, any size; largest face first. Not thread-safe: one detector a thread.
  virtual std::vector<Face> detect(const Image& image) = 0;
};

// auto: YuNet when its file is given, named by the environment variable FER_YUNET or in a data
// folder (core/data_file.h), where it runs; else OpenCV's Haar cascade, with one line on the log.
// Throws kInput naming what was looked for when nothing is there, or a named file is missing or no
// model.
std::unique_ptr<FaceDetector> create_face_detector(const FaceDetectorOptions& options = {});

// The same options with kind and model as "auto" finds them, for one detector a thread without
// searching and saying so again.
FaceDetectorOptions resolve_face_detector(const FaceDetectorOptions& options);

}  // namespace fer
