#include "fer/train/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

// The number in a file of one, or -1 ("max", or no such file).
std::int64_t number_in(const char* path) {
  std::int64_t number = -1;
  std::ifstream(path) >> number;
  return number > 0 ? number : -1;
}

}  // namespace

std::int64_t training_bytes(const Graph& graph, const TrainOptions& options, std::int64_t batch) {
  // Weight, gradient, and what the optimiser remembers of it.
  const int copies =
      2 + (options.opt == "sgd" ? 1 : 2) + (options.ema > 0 ? 1 : 0) + (options.sam > 0 ? 1 : 0);
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    elements += element_count(graph.shape(static_cast<int>(i)));
  }
  return parameter_count(graph) * kFloat * copies + batch * elements * kFloat * 2;
}

std::int64_t available_memory() {
  std::int64_t available = std::numeric_limits<std::int64_t>::max();
  std::ifstream system("/proc/meminfo");
  for (std::string key, unit; system >> key;) {
    std::int64_t kilobytes = 0;
    system >> kilobytes;
    std::getline(system, unit);
    if (key == "MemAvailable:") available = kilobytes * 1024;
  }
  const std::int64_t limit = number_in("/sys/fs/cgroup/memory.max");
  const std::int64_t used = number_in("/sys/fs/cgroup/memory.current");
  if (limit > 0 && used > 0) available = std::min(available, limit - used);
  return available;
}

int fitting_batch_size(const Graph& graph, const TrainOptions& options, std::int64_t train_images,
                       std::int64_t bytes) {
  constexpr int kLargest = 128, kSteps = 8, kEnoughForStatistics = 8;
  int batch = kLargest;
  while (batch > kEnoughForStatistics && batch * kSteps > train_images) batch /= 2;
  while (batch > 2 && (batch > train_images || training_bytes(graph, options, batch) > bytes / 2)) {
    batch /= 2;
  }
  if (const std::int64_t needed = training_bytes(graph, options, batch); needed > bytes / 2) {
    fail_input(
        format("train.batch_size: auto: a batch of %d needs about %.1f GB, half of the free "
               "memory is %.1f GB",
               batch, static_cast<double>(needed) / 1e9, static_cast<double>(bytes) / 2e9));
  }
  return batch;
}

}  // namespace fer
