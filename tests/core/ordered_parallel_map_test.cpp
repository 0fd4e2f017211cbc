#include "fer/core/ordered_parallel_map.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <set>
#include <stdexcept>

#include "fer/core/random.h"

using namespace fer;

namespace {

std::function<std::optional<int>()> numbers(int n) {
  return [n, next = 0]() mutable -> std::optional<int> {
    if (next >= n) return std::nullopt;
    return next++;
  };
}

void wait_a_little(int i) {
  std::this_thread::sleep_for(std::chrono::microseconds(Rng{std::uint64_t(i)}.below(300)));
}

}  // namespace

TEST_CASE("results come in the order of the items, each once, whatever the threads do") {
  OrderedParallelMap<int, int> map(
      numbers(500),
      [] {
        return [](int i) {
          wait_a_little(i);
          return i * i;
        };
      },
      4, 8);
  for (int i = 0; i < 500; ++i) {
    const auto result = map.next();
    REQUIRE(result.has_value());
    CHECK(*result == i * i);
  }
  CHECK_FALSE(map.next().has_value());
  CHECK_FALSE(map.next().has_value());
}

TEST_CASE("no more results wait than the window holds") {
  std::atomic<int> pulled{0};
  auto source = [&pulled, next = numbers(1000)]() mutable {
    ++pulled;
    return next();
  };
  OrderedParallelMap<int, int> map(
      source, [] { return [](int i) { return i; }; }, 3, 10);
  for (int i = 0; i < 100; ++i) {
    map.next();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    CHECK(pulled <= i + 1 + 10);
  }
}

TEST_CASE("each thread has a worker of its own") {
  std::atomic<int> workers{0};
  const auto make = [&workers] {
    ++workers;
    return [calls = 0](int i) mutable {
      wait_a_little(i);
      return ++calls;
    };
  };
  OrderedParallelMap<int, int> map(numbers(200), make, 3, 12);
  int total = 0;
  while (map.next()) ++total;
  CHECK(total == 200);
  CHECK(workers <= 3);
}

TEST_CASE("an exception of a worker or of the source comes out in its place") {
  OrderedParallelMap<int, int> worker(
      numbers(10),
      [] {
        return [](int i) {
          if (i == 4) throw std::runtime_error("four");
          return i;
        };
      },
      2, 4);
  for (int i = 0; i < 4; ++i) CHECK(worker.next() == i);
  CHECK_THROWS_WITH(worker.next(), "four");
  CHECK(worker.next() == 5);

  auto source = [next = numbers(3)]() mutable {
    auto i = next();
    if (!i) throw std::runtime_error("torn");
    return i;
  };
  OrderedParallelMap<int, int> torn(
      source, [] { return [](int i) { return i; }; }, 2, 4);
  for (int i = 0; i < 3; ++i) CHECK(torn.next() == i);
  CHECK_THROWS_WITH(torn.next(), "torn");
  CHECK_FALSE(torn.next().has_value());
}

TEST_CASE("leaving early neither hangs nor loses a thread") {
  for (int taken = 0; taken < 20; ++taken) {
    OrderedParallelMap<int, int> map(
        numbers(1'000'000), [] { return [](int i) { return i; }; }, 4, 16);
    for (int i = 0; i < taken; ++i) CHECK(map.next() == i);
  }
}

TEST_CASE("where the system gives few threads these do all the work") {
  // In a process of its own with room for a few stacks of eight megabytes.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(60);
    std::int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const auto room = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE) + (40 << 20));
    const rlimit limit{room, room};
    ::setrlimit(RLIMIT_AS, &limit);
    int item = 0, sum = 0;
    OrderedParallelMap<int, int> map(
        [&]() -> std::optional<int> { return item < 100 ? std::optional(item++) : std::nullopt; },
        [] { return [](int i) { return i; }; }, 64, 8);
    while (const auto result = map.next()) sum += *result;
    ::_exit(sum == 99 * 50 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("no threads and no window are one each") {
  OrderedParallelMap<int, int> map(
      numbers(3), [] { return [](int i) { return i; }; }, 0, 0);
  for (int i = 0; i < 3; ++i) CHECK(map.next() == i);
  CHECK_FALSE(map.next());
}
