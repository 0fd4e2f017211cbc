#include "fer/eval/proportion.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"

using namespace fer;

namespace {

void check(std::int64_t hits, std::int64_t n, double low, double high) {
  const Interval found = exact_interval(hits, n, 0.95);
  INFO(hits << " of " << n);
  CHECK(found.low == Approx(low).margin(5e-5));
  CHECK(found.high == Approx(high).margin(5e-5));
}

}  // namespace

TEST_CASE("the exact interval of a share is the published one") {
  // R: binom.test(k, n)$conf.int
  check(0, 10, 0, 0.3085);
  check(10, 10, 0.6915, 1);
  check(1, 10, 0.0025, 0.4450);
  check(5, 10, 0.1871, 0.8129);
  check(29, 30, 0.8278, 0.9992);
  check(3, 100, 0.0062, 0.0852);
  check(0, 0, 0, 1);
  CHECK(exact_interval(0, 7, 0.9).high == Approx(1 - std::pow(0.05, 1 / 7.0)));
  CHECK_THROWS_AS(exact_interval(4, 3, 0.95), Error);
  CHECK_THROWS_AS(exact_interval(1, 3, 1), Error);
}

TEST_CASE("the interval of a difference is the published one") {
  // Newcombe 1998, Statistics in Medicine 17, 873-890, table II (a), method 10: 56 of 70 less 48 of
  // 80, of Wilson's intervals.
  const Interval found =
      difference_interval(56.0 / 70, {0.691834, 0.876953}, 0.6, {0.490455, 0.700382});
  CHECK(found.low == Approx(0.0524).margin(5e-5));
  CHECK(found.high == Approx(0.3339).margin(5e-5));
}

TEST_CASE("the exact interval covers as often as it says, and a miss more lowers both bounds") {
  constexpr int n = 40;
  for (int hits = 1; hits <= n; ++hits) {
    const Interval less = exact_interval(hits - 1, n, 0.95), more = exact_interval(hits, n, 0.95);
    CHECK(less.low < more.low + 1e-12);
    CHECK(less.high < more.high + 1e-12);
  }
  for (const double p : {0.02, 0.1, 0.5, 0.93}) {
    double covered = 0, term = std::pow(1 - p, n);
    for (int hits = 0; hits <= n; ++hits) {
      const Interval interval = exact_interval(hits, n, 0.95);
      if (interval.low <= p && p <= interval.high) covered += term;
      term *= (n - hits) / (hits + 1.0) * p / (1 - p);
    }
    CHECK(covered >= 0.95);
  }
}
