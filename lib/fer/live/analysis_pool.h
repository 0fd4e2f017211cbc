// Pictures that clients send: decoded and searched by several threads, answered together.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "fer/live/shared_recognizer.h"
#include "fer/vision/image_io.h"

namespace fer {

struct Analysis {
  Image image;                    // empty with an error
  std::vector<FaceResult> faces;  // largest first
  std::string error;
};

class AnalysisPool {
 public:
  // threads: 0 for hardware_threads(); each has a detector of its own. The recognizer must outlive
  // the pool. Throws what make_detector() throws, and kRuntime when no thread can be started.
  AnalysisPool(SharedRecognizer& recognizer, int threads = 0);
  ~AnalysisPool();  // jobs that did not begin are thrown away

  // Calls done from one of the threads. What is wrong with the picture is Analysis::error.
  void submit(std::vector<std::uint8_t> bytes, const ImageLimits& limits,
              std::function<void(Analysis)> done);

 private:
  void work(FaceDetector& detector);
  SharedRecognizer& recognizer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(FaceDetector&)>> jobs_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace fer
