// fer-bench pipeline: fer-predict as a whole, in figures that compare with its parts.
#pragma once

#include <string>
#include <vector>

#include "fer/vision/face_detector.h"

namespace fer::tools {

struct PipelineBench {
  std::string model;                // empty: as find_model() does
  std::vector<std::string> photos;  // decoded again and again
  FaceDetectorOptions detector;
  int rounds = 5;
  int images = 1000;  // photos a run; ten times as many crops
};

// On stdout: the start of fer-predict, many photos against decoding and detecting alone, many crops
// against decoding alone, the detector at 320 and 640 pixels, time and memory as the number of
// images and of faces at once grow. One thread; seconds are CPU time but where they say wall.
int bench_pipeline(const PipelineBench& options);

}  // namespace fer::tools
