#include "fer/eval/proportion.h"

#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

namespace {

// P(X <= k), X of B(n, p), by its k + 1 terms.
double at_most(std::int64_t k, std::int64_t n, double p) {
  if (p <= 0 || k >= n) return 1;
  if (p >= 1) return 0;
  double sum = 0;
  // Of each term from the one before: P(i + 1) / P(i) = (n - i) / (i + 1) * p / (1 - p).
  double log_term = static_cast<double>(n) * std::log1p(-p);
  const double log_odds = std::log(p) - std::log1p(-p);
  for (std::int64_t i = 0; i <= k; ++i) {
    sum += std::exp(log_term);
    log_term +=
        std::log(static_cast<double>(n - i)) - std::log(static_cast<double>(i + 1)) + log_odds;
  }
  return sum;
}

// The share p for which at_most(k, n, p) is `tail`; it falls in p.
double share_with(std::int64_t k, std::int64_t n, double tail) {
  double low = 0, high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (at_most(k, n, middle) > tail ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Interval exact_interval(std::int64_t hits, std::int64_t n, double level) {
  if (!(level > 0 && level < 1)) fail_input(format("level %g is not between 0 and 1", level));
  if (hits < 0 || hits > n) {
    fail_input(
        format("%lld hits of %lld", static_cast<long long>(hits), static_cast<long long>(n)));
  }
  if (2 * hits > n) {
    const Interval misses = exact_interval(n - hits, n, level);
    return {1 - misses.high, 1 - misses.low};
  }
  const double tail = (1 - level) / 2;
  return {hits == 0 ? 0 : share_with(hits - 1, n, 1 - tail),
          hits == n ? 1 : share_with(hits, n, tail)};
}

Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b) {
  return {a - b - std::hypot(a - of_a.low, of_b.high - b),
          a - b + std::hypot(of_a.high - a, b - of_b.low)};
}

}  // namespace fer
