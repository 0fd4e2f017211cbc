#include "fer/core/profile.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string_view>
#include <vector>

#include "fer/core/text.h"

namespace fer {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Stage {
  std::string_view name;
  long long calls = 0;
  double seconds = 0;
};

std::atomic<bool> profiling = false;
std::mutex mutex;
std::vector<Stage> stages;
Clock::time_point started;

}  // namespace

void start_profile() {
  const std::lock_guard lock(mutex);
  stages.clear();
  started = Clock::now();
  profiling = true;
}

ProfileScope::ProfileScope(const char* stage) : stage_(profiling ? stage : nullptr) {
  if (stage_ != nullptr) begin_ = Clock::now();
}

ProfileScope::~ProfileScope() {
  if (stage_ == nullptr) return;
  const double seconds = seconds_since(begin_);
  const std::lock_guard lock(mutex);
  for (Stage& stage : stages) {
    if (stage.name != stage_) continue;
    ++stage.calls;
    stage.seconds += seconds;
    return;
  }
  stages.push_back({stage_, 1, seconds});
}

std::string profile_table() {
  const std::lock_guard lock(mutex);
  const double wall = seconds_since(started);
  std::string table =
      format("%-12s %8s %10s %9s %7s\n", "stage", "calls", "ms a call", "seconds", "share");
  for (const Stage& stage : stages) {
    table += format("%-12s %8lld %10.3f %9.3f %5.1f %%\n", std::string(stage.name).c_str(),
                    stage.calls, stage.seconds * 1e3 / static_cast<double>(stage.calls),
                    stage.seconds, 100 * stage.seconds / wall);
  }
  table += format("%-12s %8s %10s %9.3f\n", "wall", "", "", wall);
  // Of this program alone: getrusage() would count what its parent held before it began.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    double kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %lf", &kilobytes) != 1) continue;
    table += format("%-12s %8s %10s %9.1f MB\n", "peak memory", "", "", kilobytes / 1024);
  }
  return table;
}

}  // namespace fer
