#include "fer/live/shared_recognizer.h"

#include <utility>

namespace fer {

void SharedRecognizer::answer(std::span<FaceCrop* const> faces) {
  if (faces.empty()) return;
  Request mine{faces, false, nullptr};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  changed_.wait(lock, [&] { return mine.done || !running_; });
  if (!mine.done) {
    running_ = true;
    const std::vector<Request*> batch = std::exchange(waiting_, {});
    ++counts_.batches;
    counts_.shared += batch.size() > 1;
    for (const Request* request : batch) {
      counts_.faces += static_cast<std::int64_t>(request->faces.size());
    }
    lock.unlock();
    std::exception_ptr error;
    try {
      std::vector<FaceCrop*> all;
      for (const Request* request : batch) {
        all.insert(all.end(), request->faces.begin(), request->faces.end());
      }
      recognizer_.answer(all);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    for (Request* request : batch) {
      request->done = true;
      request->error = error;
    }
    running_ = false;
    changed_.notify_all();
  }
  if (mine.error) std::rethrow_exception(mine.error);
}

SharedRecognizer::Counts SharedRecognizer::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace fer
