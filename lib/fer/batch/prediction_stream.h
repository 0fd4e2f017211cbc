// Answers for any number of images and videos: decoded and searched on all cores, classified in
// batches across images, handed out in the order of the input, with memory for a few of them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fer/batch/input_list.h"
#include "fer/vision/image_io.h"
#include "fer/vision/prediction.h"
#include "fer/vision/recognizer.h"

namespace fer {

struct PredictionOptions {
  bool crops = false;        // each image is a face already
  int every = 1;             // of a video: each n-th frame
  bool keep_images = false;  // to draw on them or to cut faces out
  int threads = 0;           // for decoding and searching; 0: hardware_threads()
  ImageLimits limits;
};

class PredictionStream {
 public:
  // The recognizer is used by next() alone and must outlive the stream.
  PredictionStream(Recognizer& recognizer, InputList inputs, const PredictionOptions& options = {});
  ~PredictionStream();

  // A file that cannot be read is a Prediction with an error. Nothing at the end.
  std::optional<Prediction> next();

 private:
  struct Pipeline;
  Recognizer& recognizer_;
  std::unique_ptr<Pipeline> pipeline_;
  std::deque<Prediction> answered_;
};

}  // namespace fer
