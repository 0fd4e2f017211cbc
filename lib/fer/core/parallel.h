// All cores over an index range, for work without libtorch (decoding, drawing, resampling).
#pragma once

#include <cstdint>
#include <functional>

namespace fer {

int hardware_threads();  // OMP_NUM_THREADS when set, else the CPUs this process may use, at least 1

// Calls body(i) for 0 <= i < n, each once, on `threads` threads (0: hardware_threads()), in chunks;
// waits for all. The first exception stops the rest and is thrown here.
void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body, int threads = 0);

}  // namespace fer
