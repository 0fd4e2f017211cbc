#include "fer/core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "fer/core/text.h"

namespace fer {

std::optional<int> cpus_of_quota(const std::string& text) {
  const auto parts = split(trim(text), ' ');
  long long quota = 0, period = 0;
  if (parts.size() != 2 || !parse_int(parts[0], quota) || !parse_int(parts[1], period) ||
      quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return static_cast<int>(std::clamp<long long>((quota + period - 1) / period, 1, 4096));
}

int hardware_threads() {
  if (const char* value = std::getenv("OMP_NUM_THREADS")) {
    long long threads = 0;
    if (parse_int(value, threads) && threads >= 1 && threads <= 4096)
      return static_cast<int>(threads);
  }
  cpu_set_t cpus;
  const bool known = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;
  const int usable =
      std::max(1, known ? CPU_COUNT(&cpus) : static_cast<int>(std::thread::hardware_concurrency()));
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  std::getline(file, quota);
  return std::min(usable, cpus_of_quota(quota).value_or(usable));
}

void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body, int threads) {
  if (n <= 0) return;
  const std::int64_t workers =
      std::min<std::int64_t>(threads > 0 ? threads : hardware_threads(), n);
  // About eight chunks a thread even out unequal work.
  const std::int64_t chunk = std::max<std::int64_t>(1, n / (workers * 8));
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;

  const auto work = [&] {
    try {
      for (std::int64_t begin; (begin = next.fetch_add(chunk)) < n;) {
        for (std::int64_t i = begin; i < std::min(n, begin + chunk); ++i) body(i);
      }
    } catch (...) {
      next = n;
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> pool;
    try {
      for (std::int64_t i = 1; i < workers; ++i) pool.emplace_back(work);
    } catch (const std::system_error&) {
      // No more threads to be had: those that started, and this one, do the work.
    }
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace fer
