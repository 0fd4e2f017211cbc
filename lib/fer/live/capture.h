// Frames of a camera, stream, video file or folder from a thread of their own, whatever happens to
// the source: a lost camera is opened again with growing pauses, a file ends.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "fer/live/newest_slot.h"
#include "fer/vision/frame_source.h"

namespace fer {

struct CaptureOptions {
  FrameSourceOptions source;
  // Files and folders: every frame, as fast as they are taken. Otherwise they come in real time,
  // and what nobody takes in time is dropped, as with a camera.
  bool full_speed = false;
  bool loop = false;  // a file or folder begins again at its end; times go on
  // Seconds before a lost source is opened again, doubled each time until frames came for a second.
  double first_pause = 0.5;
  double longest_pause = 30;
};

struct CapturedFrame {
  // Index and time go on over reconnections; the time of a camera or stream is that of the clock,
  // outages included.
  Frame frame;
  std::chrono::steady_clock::time_point at;  // when it was there
};

class Capture {
 public:
  // Opens the source here, so that one that does not exist is an error at once (kInput). paused:
  // while it is true a file waits; a camera goes on and its frames are thrown away.
  Capture(const CaptureOptions& options, const std::atomic<bool>& paused);
  ~Capture();  // stops
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // The newest frame, waiting for it; nothing when the source ended or stop() was called. Throws
  // kInput when the source came to its end without a single frame.
  std::optional<CapturedFrame> next();
  // Ends the thread, at the latest after the source's timeout; no frame comes after it.
  void stop();

  // Closes the source and opens this one, as after a loss.
  void switch_to(const std::string& source);

  std::string source() const;  // as it was asked for, by switch_to() last
  std::string name() const;
  // What a viewer should know: "" while frames come, else "camera 0 is lost, next try in 4 s".
  std::string notice() const;
  bool live() const { return live_; }
  double fps() const { return fps_; }  // of the source; 0: unknown
  std::int64_t dropped() const { return slot_.dropped(); }
  std::int64_t reconnections() const { return reconnections_; }

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  void read_frames();
  bool reopen(std::string why);
  void deliver(Frame frame);
  // False when there is something else to do: stop, or another source.
  bool sleep_until(Clock::time_point time);
  void set_notice(const std::string& notice);

  CaptureOptions options_;
  const std::atomic<bool>& paused_;
  // Before the source, whose times begin with its opening.
  Clock::time_point begin_ = Clock::now();
  std::unique_ptr<FrameSource> source_;
  NewestSlot<CapturedFrame> slot_;
  std::atomic<bool> live_{false};
  std::atomic<double> fps_{0};
  std::atomic<std::int64_t> reconnections_{0};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::string wanted_;  // another source to open
  std::string name_, notice_;
  std::string failure_;  // what next() throws at the end

  bool any_ = false;  // there was a frame since the source was opened
  std::int64_t index_ = 0;
  double base_ = 0;  // seconds added to the source's own times
  double last_time_ = 0;
  double pause_ = 0;            // before the next try
  Clock::time_point opened_;    // the source as it is, when that was done
  Clock::time_point due_base_;  // when a frame of time 0 is due
  std::thread thread_;
};

}  // namespace fer
