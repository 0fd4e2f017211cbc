// All cores over an index range, for work without libtorch (decoding, drawing, resampling).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace fer {

// OMP_NUM_THREADS when it is a number, else the CPUs that affinity and the container's quota leave
// this process, at least 1.
int hardware_threads();
// Of cgroup v2's cpu.max ("150000 100000": 2 CPUs, rounded up); none when it sets no limit.
std::optional<int> cpus_of_quota(const std::string& text);

// Calls body(i) for 0 <= i < n, each once, on `threads` threads (0: hardware_threads()), in chunks;
// waits for all. The first exception stops the rest and is thrown here.
void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body, int threads = 0);

}  // namespace fer
