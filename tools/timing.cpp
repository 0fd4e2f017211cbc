#include "timing.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace fer::tools {

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const double last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::lround(share * last))];
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::vector<double> time_logits(Classifier& classifier, const HostTensor& batch, double seconds) {
  classifier.logits(batch);
  std::vector<double> times;
  const double begin = cpu_seconds();
  constexpr std::size_t kLeast = 5;
  while (times.size() < kLeast || cpu_seconds() - begin < seconds) {
    const double start = cpu_seconds();
    classifier.logits(batch);
    times.push_back(1e3 * (cpu_seconds() - start));
  }
  return times;
}

}  // namespace fer::tools
