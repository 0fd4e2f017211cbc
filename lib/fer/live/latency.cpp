#include "fer/live/latency.h"

#include <algorithm>
#include <cmath>

namespace fer {

void Latencies::add(double ms) {
  const auto step = static_cast<std::size_t>(std::clamp(ms / kStepMs, 0.0, 8000.0));
  ++steps_[step];
  ++count_;
  sum_ += ms;
  max_ = std::max(max_, ms);
}

double Latencies::quantile(double q) const {
  const auto wanted = static_cast<std::int64_t>(std::ceil(q * static_cast<double>(count_)));
  std::int64_t below = 0;
  for (std::size_t step = 0; step + 1 < steps_.size(); ++step) {
    below += steps_[step];
    if (below >= wanted) return std::min(kStepMs * static_cast<double>(step + 1), max_);
  }
  return max_;
}

std::int64_t Latencies::below(double ms) const {
  std::int64_t total = 0;
  for (std::size_t step = 0;
       step + 1 < steps_.size() && kStepMs * static_cast<double>(step + 1) <= ms; ++step) {
    total += steps_[step];
  }
  return total;
}

}  // namespace fer
