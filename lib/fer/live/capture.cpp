#include "fer/live/capture.h"

#include <algorithm>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"

namespace fer {

namespace {

std::chrono::steady_clock::duration seconds(double value) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(value));
}

}  // namespace

Capture::Capture(const CaptureOptions& options, const std::atomic<bool>& paused)
    : options_(options), paused_(paused), source_(open_frame_source(options.source)) {
  name_ = source_->name();
  live_ = source_->live();
  fps_ = source_->fps();
  due_base_ = Clock::now();
  opened_ = due_base_;
  pause_ = options_.first_pause;
  thread_ = std::thread([this] { run(); });
}

Capture::~Capture() { stop(); }

void Capture::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  slot_.cancel();
  if (thread_.joinable()) thread_.join();
}

std::optional<CapturedFrame> Capture::next() {
  auto captured = slot_.take();
  if (captured) return captured;
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) fail_input(failure_);
  return std::nullopt;
}

void Capture::switch_to(const std::string& source) {
  const std::lock_guard lock(mutex_);
  wanted_ = source;
  changed_.notify_all();
}

std::string Capture::source() const {
  const std::lock_guard lock(mutex_);
  return wanted_.empty() ? options_.source.source : wanted_;
}

std::string Capture::name() const {
  const std::lock_guard lock(mutex_);
  return name_;
}

std::string Capture::notice() const {
  const std::lock_guard lock(mutex_);
  return notice_;
}

void Capture::set_notice(const std::string& notice) {
  const std::lock_guard lock(mutex_);
  notice_ = notice;
}

bool Capture::sleep_until(Clock::time_point time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, time, [&] { return stopping_ || !wanted_.empty(); });
}

// Tries until it succeeds; false when the capture is stopped. why: of a source that was lost, which
// is given time; "" where the next one is due at once.
bool Capture::reopen(std::string why) {
  source_.reset();
  const double next_time = index_ == 0 ? 0 : last_time_ + (fps_ > 0 ? 1 / fps_ : 0.04);
  for (;;) {
    if (!why.empty()) {
      const std::string notice = format("%s; next try in %.3g s", why.c_str(), pause_);
      log_warning(notice);
      set_notice(notice);
      sleep_until(Clock::now() + seconds(pause_));
      pause_ = std::min(2 * pause_, options_.longest_pause);
    }
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      if (!wanted_.empty()) {
        options_.source.source = std::exchange(wanted_, {});
        pause_ = options_.first_pause;
      }
    }
    try {
      const auto before = Clock::now();
      source_ = open_frame_source(options_.source);
      opened_ = Clock::now();
      fps_ = source_->fps();
      live_ = source_->live();
      const double by_clock = std::chrono::duration<double>(before - begin_).count();
      base_ = live_ ? std::max(by_clock, next_time) : next_time;
      due_base_ = Clock::now() - seconds(base_);
      any_ = false;
      const std::lock_guard lock(mutex_);
      name_ = source_->name();
      return true;
    } catch (const std::exception& error) {  // too little memory, too
      why = error.what();
    }
  }
}

void Capture::deliver(Frame frame) {
  frame.index = index_++;
  frame.time += base_;
  last_time_ = frame.time;
  if (!live_ && options_.full_speed) {
    slot_.put_when_free({std::move(frame), Clock::now()});
    return;
  }
  if (!live_ && !sleep_until(due_base_ + seconds(frame.time))) return;
  slot_.put({std::move(frame), Clock::now()});
}

void Capture::run() {
  try {
    read_frames();
    const std::lock_guard lock(mutex_);
    if (!any_ && !stopping_) failure_ = name_ + ": holds no frame that can be read";
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    failure_ = name_ + ": " + error.what();
  }
  slot_.close();
}

void Capture::read_frames() {
  for (;;) {
    if (paused_ && !live_) {
      const auto begin = Clock::now();
      while (paused_ && sleep_until(Clock::now() + std::chrono::milliseconds(20))) {
      }
      due_base_ += Clock::now() - begin;
    }
    bool another = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
      another = !wanted_.empty();
    }
    if (another && !reopen("")) break;
    std::optional<Frame> frame;
    try {
      const ProfileScope scope(live_ ? "wait, decode" : "decode");
      frame = source_->next();
    } catch (const Error& error) {
      // An image of a folder that cannot be read is passed over, a lost camera opened again.
      if (error.fault() == Fault::kInput || !live_) log_warning(error.what());
      if (error.fault() == Fault::kInput) continue;
      if (!live_) break;
      if (any_ && Clock::now() - opened_ >= std::chrono::seconds(1)) pause_ = options_.first_pause;
      if (!reopen(error.what())) break;
      ++reconnections_;
      log_info(name() + " is back");
      continue;
    } catch (const std::bad_alloc&) {
      log_warning(name() + ": not enough memory for a frame, which is passed over");
      continue;
    }
    if (frame) {
      any_ = true;
      set_notice("");
      if (!live_ || !paused_) deliver(std::move(*frame));
      continue;
    }
    // After a round without a frame the next would be the same.
    if (!any_ || !options_.loop || !reopen("")) break;
  }
}

}  // namespace fer
