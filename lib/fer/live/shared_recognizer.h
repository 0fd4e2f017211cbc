// One recognizer for several cameras and clients: faces that wait at the same time are classified
// in one batch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "fer/vision/recognizer.h"

namespace fer {

class SharedRecognizer {
 public:
  explicit SharedRecognizer(Recognizer recognizer) : recognizer_(std::move(recognizer)) {}

  // Detection and cropping, in any thread with a detector of its own.
  const Recognizer& recognizer() const { return recognizer_; }

  // As Recognizer::answer, from any thread. While one caller runs a batch the others gather behind
  // it; the next runs one batch for all of them.
  void answer(std::span<FaceCrop* const> faces);

  struct Counts {
    std::int64_t batches = 0;
    std::int64_t faces = 0;
    std::int64_t shared = 0;  // batches with the faces of more than one caller
  };
  Counts counts() const;

 private:
  struct Request {
    std::span<FaceCrop* const> faces;
    bool done = false;
    std::exception_ptr error;
  };
  Recognizer recognizer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request*> waiting_;
  bool running_ = false;
  Counts counts_;
};

}  // namespace fer
