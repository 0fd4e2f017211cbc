// The live path: capture -> newest frame -> detector -> crop -> classifier -> tracker -> smoother
// -> sinks, with bounded memory and a clean end.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fer/live/capture.h"
#include "fer/live/following_detector.h"
#include "fer/live/latency.h"
#include "fer/live/live_frame.h"
#include "fer/live/shared_recognizer.h"
#include "fer/vision/opencv_threads.h"

namespace fer {

struct PipelineOptions {
  CaptureOptions capture;
  // Detect in each n-th frame and follow in between; 0: to hold the rate. While controls.blur is
  // set it is each frame.
  int detect_every = 0;
  TrackerOptions tracker;
  SmootherOptions smoother;
};

class Pipeline {
 public:
  struct Statistics {
    std::int64_t frames = 0;
    std::int64_t faces = 0;
    std::int64_t dropped = 0;
    std::int64_t reconnections = 0;
    double fps = 0;
    Latencies latency, detect, answer;
  };

  // Opens the source (kInput when it cannot be opened) and starts. Recognizer, controls and sinks
  // must outlive it. While it lives OpenCV uses one thread in the whole process: a
  // thread a camera and a thread a client are what fills the cores, not parts of one picture.
  Pipeline(SharedRecognizer& recognizer, const PipelineOptions& options, Controls& controls,
           std::vector<Sink*> sinks);
  ~Pipeline();  // stops
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // True when the source ended, stop() was called or a sink failed.
  bool finished() const { return finished_; }
  // Ends capture and work, waits for both, and throws what went wrong in them.
  void stop();

  Capture& capture() { return capture_; }
  const Capture& capture() const { return capture_; }
  Statistics statistics() const;

 private:
  void run();
  void process(CapturedFrame captured);
  double rate(std::chrono::steady_clock::time_point now) const;  // with mutex_ held

  const OpencvThreads threads_{1};
  SharedRecognizer& recognizer_;
  Controls& controls_;
  std::vector<Sink*> sinks_;
  Capture capture_;
  std::unique_ptr<FaceDetector> detector_;
  FaceMemory memory_;
  bool wants_overlay_ = false;

  mutable std::mutex mutex_;
  std::deque<std::chrono::steady_clock::time_point> recent_;  // frames of the last second
  Statistics statistics_;
  std::exception_ptr error_;
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace fer
