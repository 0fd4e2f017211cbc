// One place between two threads: the newest value waits there, an older one that nobody took is
// dropped and counted. So memory is bounded and a slow reader sees the present, not the past.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace fer {

template <typename Value>
class NewestSlot {
 public:
  // Replaces what was not taken.
  void put(Value value) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (value_) ++dropped_;
    value_ = std::move(value);
    changed_.notify_all();
  }
  // Waits until the slot is free, so that nothing is dropped; gives up when it is closed.
  void put_when_free(Value value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !value_; });
    if (closed_) return;
    value_ = std::move(value);
    changed_.notify_all();
  }
  // Waits for a value; nothing once the slot is closed and empty.
  std::optional<Value> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || value_; });
    return take_locked();
  }
  // The same, but waits no longer than that.
  std::optional<Value> take_within(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [&] { return closed_ || value_; });
    return take_locked();
  }
  // A value that is there can still be taken.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  // Nothing more comes out.
  void cancel() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    value_.reset();
    changed_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  std::int64_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  std::optional<Value> take_locked() {
    std::optional<Value> taken = std::exchange(value_, std::nullopt);
    changed_.notify_all();
    return taken;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Value> value_;
  std::int64_t dropped_ = 0;
  bool closed_ = false;
};

}  // namespace fer
