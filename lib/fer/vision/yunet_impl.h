// YuNet (Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research
// 2023), its version of March 2022, as OpenCV's model zoo publishes it: a picture in, candidates
// for faces out. Internal to this room.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "fer/model/network.h"
#include "fer/vision/face_detector.h"

namespace cv {
class Mat;
}

namespace fer {

struct FaceCandidate {
  Box box;
  Landmarks landmarks;
  float score;  // 0 .. 1
};

class Yunet {
 public:
  virtual ~Yunet() = default;
  // Those whose score is at least `least`, several a face, in pixels of the picture (gray or RGB).
  virtual std::vector<FaceCandidate> candidates(const cv::Mat& picture, float least) = 0;
};

// On make_network's engine or, without one and for files of another structure, on cv::dnn through
// cv::FaceDetectorYN; the candidates are the same up to rounding. Throws kInput when the file is no
// YuNet.
std::unique_ptr<Yunet> open_yunet(const std::filesystem::path& model,
                                  const MakeNetwork& make_network);

}  // namespace fer
