#include "fer/core/random.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace fer;

namespace {

struct Moments {
  double mean = 0, variance = 0;
};

template <typename Draw>
Moments moments(Draw draw, int n = 200'000) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / n;
  return {mean, squares / n - mean * mean};
}

}  // namespace

TEST_CASE("the generator gives splitmix64's numbers") {
  // Vigna's reference implementation (prng.di.unimi.it/splitmix64.c) for the state 1234567.
  Rng rng(1234567);
  CHECK(rng.next() == 6457827717110365317ull);
  CHECK(rng.next() == 3203168211198807973ull);
  CHECK(rng.next() == 9817491932198370423ull);
}

TEST_CASE("a stream is named by its parts in order, and the name is frozen") {
  CHECK(Rng{1, 2, 3}.next() == Rng{1, 2, 3}.next());
  std::set<std::uint64_t> first;
  for (std::uint64_t a = 0; a < 10; ++a) {
    for (std::uint64_t b = 0; b < 10; ++b) {
      first.insert(Rng{a, b}.next());
      first.insert(Rng{a, b, 0}.next());
    }
  }
  CHECK(first.size() == 200);
  // Runs of earlier versions are repeated only as long as these stay.
  CHECK(Rng{0, 0}.next() == 6256978574110095541ull);
  CHECK(Rng{7, 3, 100}.next() == 18001733536463713417ull);
  CHECK(permutation(8, Rng{1}) == std::vector<std::int64_t>{1, 4, 2, 3, 0, 7, 6, 5});
}

TEST_CASE("uniform numbers fill their range evenly") {
  Rng rng(5);
  const Moments unit = moments([&] { return rng.uniform(); });
  CHECK(unit.mean == Approx(0.5).margin(0.003));
  CHECK(unit.variance == Approx(1.0 / 12).margin(0.001));
  for (int i = 0; i < 1000; ++i) {
    const double x = rng.uniform(-3, 5);
    REQUIRE(x >= -3);
    REQUIRE(x < 5);
  }
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[rng.below(7)];
  for (const int count : counts) CHECK(std::abs(count - 10'000) < 500);
  CHECK(rng.below(1) == 0);
}

TEST_CASE("normal numbers have mean 0, variance 1 and the right tails") {
  Rng rng(6);
  const Moments normal = moments([&] { return rng.normal(); });
  CHECK(normal.mean == Approx(0).margin(0.01));
  CHECK(normal.variance == Approx(1).margin(0.02));
  int beyond = 0;
  for (int i = 0; i < 100'000; ++i) beyond += std::abs(rng.normal()) > 1.959964;
  CHECK(beyond / 100'000.0 == Approx(0.05).margin(0.003));
}

TEST_CASE("gamma and beta numbers have the moments of their distributions") {
  Rng rng(7);
  for (const double shape : {0.2, 0.5, 1.0, 2.5, 30.0}) {
    const Moments gamma = moments([&] { return rng.gamma(shape); });
    INFO("shape " << shape);
    CHECK(gamma.mean == Approx(shape).epsilon(0.02));
    CHECK(gamma.variance == Approx(shape).epsilon(0.05));
  }
  for (const auto& [a, b] : {std::pair{0.2, 0.2}, {1.0, 1.0}, {2.0, 5.0}, {0.4, 3.0}}) {
    const Moments beta = moments([&] { return rng.beta(a, b); });
    INFO("a " << a << ", b " << b);
    CHECK(beta.mean == Approx(a / (a + b)).margin(0.005));
    CHECK(beta.variance == Approx(a * b / ((a + b) * (a + b) * (a + b + 1))).margin(0.003));
  }
  for (int i = 0; i < 1000; ++i) {
    const double extreme = rng.beta(1e-5, 1e-5);
    REQUIRE(extreme >= 0);
    REQUIRE(extreme <= 1);
  }
}

TEST_CASE("a permutation holds every index once and every order is as likely") {
  auto order = permutation(1000, Rng{3});
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) REQUIRE(order[i] == i);
  CHECK(permutation(0, Rng{3}).empty());
  std::vector<int> counts(6);
  for (std::uint64_t seed = 0; seed < 12'000; ++seed) {
    const auto p = permutation(3, Rng{seed});
    ++counts[p[0] * 2 + (p[1] > p[2])];
  }
  for (const int count : counts) CHECK(std::abs(count - 2000) < 200);
}
