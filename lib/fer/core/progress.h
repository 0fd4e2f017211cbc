// How far a long job is: a bar with rate and time left where the log is on a terminal, else a plain
// line of information in the log now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fer {

class Progress {
 public:
  // `unit` in the plural ("images"). total 0: unknown, no bar and no time left.
  // plain_every: seconds between lines where there is no terminal; 0: only the last line.
  Progress(std::string title, std::int64_t total, std::string unit, double plain_every = 10.0);
  ~Progress();  // finishes
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` stands at the end of the line ("loss 1.234"). Cheap: draws at most ten times a second.
  // Not thread-safe: one thread reports.
  void update(std::int64_t done, const std::string& note = "");
  void finish(const std::string& note = "");  // the bar goes, the last line stays
  void clear();  // takes the bar away, so that a log line can be written

 private:
  std::string line(const std::string& note, bool with_bar) const;
  using Clock = std::chrono::steady_clock;
  std::string title_;
  std::int64_t total_;
  std::string unit_;
  double plain_every_;
  std::int64_t done_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_drawn_{};
  bool terminal_;
  bool drawn_ = false;
  bool finished_ = false;
};

}  // namespace fer
