#include "fer/live/latency.h"

#include <catch2/catch.hpp>

using fer::Latencies;

TEST_CASE("quantiles of latencies are right to an eighth of a millisecond") {
  Latencies latencies;
  CHECK(latencies.quantile(0.95) == 0);
  for (int i = 1; i <= 100; ++i) latencies.add(i);
  CHECK(latencies.count() == 100);
  CHECK(latencies.mean() == Approx(50.5));
  CHECK(latencies.quantile(0.5) == Approx(50).margin(0.126));
  CHECK(latencies.quantile(0.95) == Approx(95).margin(0.126));
  CHECK(latencies.quantile(1.0) == 100);
  CHECK(latencies.below(50.2) == 50);
  CHECK(latencies.below(0.5) == 0);
  latencies.add(5000);
  CHECK(latencies.quantile(1.0) == 5000);
  CHECK(latencies.max() == 5000);
}
