// Work on many items on several threads with the results in the items' order and bounded memory.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "fer/core/error.h"

namespace fer {

// Items are pulled from `source` (by one thread at a time) when a worker is free and fewer than
// `window` results wait. `make_worker` runs once in each thread, so that what it makes is that
// thread's own. The first exception of either is thrown by next() in its place in the order.
// Leaving early is clean: the destructor waits only for the items that are being worked on. Where
// the system has no more threads to give those that it gave do the work; kRuntime without any.
// threads, window: at least 1 is taken.
template <typename Item, typename Result>
class OrderedParallelMap {
 public:
  using Source = std::function<std::optional<Item>()>;
  using Worker = std::function<Result(Item)>;

  OrderedParallelMap(Source source, std::function<Worker()> make_worker, int threads, int window)
      : source_(std::move(source)), window_(std::max(window, 1)) {
    try {
      for (int i = 0; i < std::max(threads, 1); ++i)
        threads_.emplace_back([this, make_worker] { run(make_worker); });
    } catch (const std::system_error& error) {
      if (threads_.empty()) fail_runtime(std::string("no thread can be started: ") + error.what());
    } catch (...) {
      stop();
      throw;
    }
  }
  ~OrderedParallelMap() { stop(); }
  OrderedParallelMap(const OrderedParallelMap&) = delete;
  OrderedParallelMap& operator=(const OrderedParallelMap&) = delete;

  // The next result, waiting for it; nothing at the end.
  std::optional<Result> next() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return done_.contains(taken_) || (ended_ && taken_ == pulled_); });
    return take(lock);
  }

  // The next result if it is there already. Nothing says nothing about the end.
  std::optional<Result> next_if_ready() {
    std::unique_lock lock(mutex_);
    return done_.contains(taken_) ? take(lock) : std::nullopt;
  }

 private:
  struct Outcome {
    std::optional<Result> result;
    std::exception_ptr error;
  };

  std::optional<Result> take(std::unique_lock<std::mutex>& lock) {
    auto node = done_.extract(taken_);
    if (node.empty()) return std::nullopt;
    ++taken_;
    lock.unlock();
    space_.notify_one();
    if (node.mapped().error) std::rethrow_exception(node.mapped().error);
    return std::move(node.mapped().result);
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    space_.notify_all();
  }

  void run(const std::function<Worker()>& make_worker) {
    Worker worker;
    for (;;) {
      std::optional<Item> item;
      Outcome outcome;
      std::int64_t index = 0;
      {
        // In the order of the pulls: the source is asked under its own lock, so that results can be
        // handed over meanwhile.
        const std::lock_guard pulling(source_mutex_);
        {
          std::unique_lock lock(mutex_);
          space_.wait(lock, [this] { return stop_ || ended_ || pulled_ - taken_ < window_; });
          if (stop_ || ended_) return;
        }
        try {
          item = source_();
        } catch (...) {
          outcome.error = std::current_exception();
        }
        const std::lock_guard lock(mutex_);
        if (!item) ended_ = true;
        if (item || outcome.error) index = pulled_++;
        if (!item && !outcome.error) {
          ready_.notify_all();
          space_.notify_all();
          return;
        }
      }
      try {
        if (item) {
          if (!worker) worker = make_worker();
          outcome.result = worker(std::move(*item));
        }
      } catch (...) {
        outcome.error = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      done_.emplace(index, std::move(outcome));
      ready_.notify_all();
    }
  }

  Source source_;
  std::int64_t window_;
  std::mutex source_mutex_;
  std::mutex mutex_;
  std::condition_variable ready_, space_;
  std::map<std::int64_t, Outcome> done_;  // by index, those not taken yet
  std::int64_t pulled_ = 0;
  std::int64_t taken_ = 0;
  bool ended_ = false;
  bool stop_ = false;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace fer
