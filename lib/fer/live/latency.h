// How long things took: counts by time, so that memory is bounded and quantiles are at hand.
#pragma once

#include <array>
#include <cstdint>

namespace fer {

// Not thread-safe.
class Latencies {
 public:
  void add(double ms);
  std::int64_t count() const { return count_; }
  double sum() const { return sum_; }
  double max() const { return max_; }
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }
  // The upper edge of the step (an eighth of a millisecond) that holds the q-quantile, at most
  // max(); 0 without any.
  double quantile(double q) const;
  // How many took no longer.
  std::int64_t below(double ms) const;

 private:
  static constexpr double kStepMs = 0.125;
  std::array<std::uint32_t, 8001> steps_{};  // up to a second; the last: longer
  std::int64_t count_ = 0;
  double sum_ = 0, max_ = 0;
};

}  // namespace fer
