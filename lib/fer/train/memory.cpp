#include "fer/train/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

namespace fs = std::filesystem;

// The number in a file of one, or -1 ("max", or no such file).
std::int64_t number_in(const fs::path& path) {
  std::int64_t number = -1;
  std::ifstream(path) >> number;
  return number > 0 ? number : -1;
}

// The number behind a key, or 0.
std::int64_t entry_of(const fs::path& path, const std::string& wanted) {
  std::ifstream file(path);
  std::string key;
  for (std::int64_t number = 0; file >> key >> number;) {
    if (key == wanted) return number;
  }
  return 0;
}

// How the two versions of control groups name things.
struct GroupFiles {
  const char *limit, *used, *cache;
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};

// What the group of this path and those above it leave. Files that were read count as used, but
// make way.
std::int64_t left_by_groups(const fs::path& mount, fs::path group, const GroupFiles& files) {
  std::int64_t left = std::numeric_limits<std::int64_t>::max();
  for (;; group = group.parent_path()) {
    const fs::path folder = mount / group.relative_path();
    const std::int64_t limit = number_in(folder / files.limit),
                       used = number_in(folder / files.used);
    if (limit > 0 && used > 0) {
      const std::int64_t cache = entry_of(folder / "memory.stat", files.cache);
      left = std::min(left,
                      std::max<std::int64_t>(0, limit - std::max<std::int64_t>(0, used - cache)));
    }
    if (!group.has_relative_path()) return left;
  }
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

std::int64_t available_memory(const fs::path& root) {
  std::int64_t available = std::numeric_limits<std::int64_t>::max();
  std::ifstream system(root / "proc/meminfo");
  for (std::string key, unit; system >> key;) {
    std::int64_t kilobytes = 0;
    system >> kilobytes;
    std::getline(system, unit);
    if (key == "MemAvailable:") available = kilobytes * 1024;
  }
  const fs::path groups = root / "sys/fs/cgroup";
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {  // number:controllers:/path
    const std::vector<std::string> parts = split(line, ':');
    if (parts.size() < 3) continue;
    if (parts[1].empty()) {
      available = std::min(available, left_by_groups(groups, parts[2], kVersion2));
    } else if (("," + parts[1] + ",").find(",memory,") != std::string::npos) {
      available = std::min(available, left_by_groups(groups / "memory", parts[2], kVersion1));
    }
  }
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
        format("train.batch_size: auto: a batch of %d needs about %.1f GB, half of the memory "
               "that is free beside the pictures is %.1f GB",
               batch, static_cast<double>(needed) / 1e9, static_cast<double>(bytes) / 2e9));
  }
  return batch;
}

}  // namespace fer
