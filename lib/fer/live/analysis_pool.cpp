#include "fer/live/analysis_pool.h"

#include <memory>
#include <system_error>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/parallel.h"

namespace fer {

namespace {

Analysis analyze(SharedRecognizer& recognizer, FaceDetector& detector,
                 std::span<const std::uint8_t> bytes, const ImageLimits& limits) {
  Analysis analysis;
  try {
    analysis.image = to_rgb(decode_image(bytes, "the picture", limits));
    std::vector<FaceCrop> crops = recognizer.recognizer().find_faces(analysis.image, detector);
    std::vector<FaceCrop*> pending;
    for (FaceCrop& crop : crops) pending.push_back(&crop);
    recognizer.answer(pending);
    for (FaceCrop& crop : crops) analysis.faces.push_back(std::move(crop.result));
  } catch (const std::exception& error) {
    analysis = {};
    analysis.error = error.what();
  }
  return analysis;
}

}  // namespace

AnalysisPool::AnalysisPool(SharedRecognizer& recognizer, int threads) : recognizer_(recognizer) {
  if (threads <= 0) threads = hardware_threads();
  // First, as they may throw: no thread waits yet.
  std::vector<std::shared_ptr<FaceDetector>> detectors;
  for (int i = 0; i < threads; ++i) detectors.push_back(recognizer_.recognizer().make_detector());
  threads_.reserve(detectors.size());
  for (const auto& detector : detectors) {
    try {
      threads_.emplace_back([this, detector] { work(*detector); });
    } catch (const std::system_error&) {
      if (threads_.empty()) fail_runtime("no thread can be started for clients' pictures");
      break;  // those that started do the work
    }
  }
}

AnalysisPool::~AnalysisPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

void AnalysisPool::submit(std::vector<std::uint8_t> bytes, const ImageLimits& limits,
                          std::function<void(Analysis)> done) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(
      [this, bytes = std::move(bytes), limits, done = std::move(done)](FaceDetector& detector) {
        done(analyze(recognizer_, detector, bytes, limits));
      });
  changed_.notify_one();
}

void AnalysisPool::work(FaceDetector& detector) {
  for (;;) {
    std::function<void(FaceDetector&)> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(detector);
  }
}

}  // namespace fer
