#include "fer/core/parallel.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace fer;

TEST_CASE("every index is visited once, whatever the number of threads") {
  for (const int threads : {0, 1, 2, 7, 64}) {
    for (const std::int64_t n : {0, 1, 3, 100, 12'345}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
      parallel_for(
          n, [&](std::int64_t i) { ++visits[i]; }, threads);
      for (const auto& count : visits) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("a container's quota is told in whole CPUs") {
  CHECK(cpus_of_quota("200000 100000\n") == 2);
  CHECK(cpus_of_quota("150000 100000") == 2);
  CHECK(cpus_of_quota("10000 100000") == 1);
  for (const char* none : {"max 100000", "", "0 100000", "100000", "100000 0", "1 2 3"}) {
    CHECK(cpus_of_quota(none) == std::nullopt);
  }
}

TEST_CASE("as many threads as asked take part") {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> waiting{0};
  parallel_for(
      4,
      [&](std::int64_t) {
        ++waiting;
        while (waiting < 4) std::this_thread::yield();  // each index on a thread of its own
        const std::lock_guard lock(mutex);
        ids.insert(std::this_thread::get_id());
      },
      4);
  CHECK(ids.size() == 4);
}

TEST_CASE("an exception stops the rest and comes back") {
  for (const int threads : {1, 4}) {
    std::atomic<std::int64_t> calls{0};
    const auto body = [&](std::int64_t i) {
      ++calls;
      if (i == 0) throw std::runtime_error("at once");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    CHECK_THROWS_WITH(parallel_for(400, body, threads), "at once");
    CHECK(calls < 200);  // what the other threads had begun: a dozen each
  }
}

TEST_CASE("the number of threads follows OMP_NUM_THREADS") {
  ::setenv("OMP_NUM_THREADS", "3", 1);
  CHECK(hardware_threads() == 3);
  ::setenv("OMP_NUM_THREADS", "many", 1);
  CHECK(hardware_threads() >= 1);
  ::unsetenv("OMP_NUM_THREADS");
  CHECK(hardware_threads() >= 1);
}
