#include "fer/core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace fer {

namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ull;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::initializer_list<std::uint64_t> parts) : state_(kGolden) {
  for (const std::uint64_t part : parts) state_ = mix(state_ + kGolden) ^ mix(part + kGolden);
}

std::uint64_t Rng::next() { return mix(state_ += kGolden); }

// Lemire 2019: a multiplication instead of a division, without bias.
std::uint32_t Rng::below(std::uint32_t n) {
  const std::uint32_t threshold = (0u - n) % n;
  for (;;) {
    const std::uint64_t product = (next() >> 32) * n;
    if (static_cast<std::uint32_t>(product) >= threshold)
      return static_cast<std::uint32_t>(product >> 32);
  }
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is in (0, 1]
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Rng::gamma(double shape) {
  if (shape < 1.0) {  // the boost of section 6: gamma(a) = gamma(a + 1) * U^(1/a)
    const double larger = gamma(shape + 1.0);
    return larger * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double t = 1.0 + c * x;
    if (t <= 0.0) continue;
    const double v = t * t * t;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double Rng::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  // Tiny shapes underflow to 0 / 0, where the distribution has all its mass at the two ends.
  if (x + y <= 0.0) return uniform() * (a + b) < a ? 1.0 : 0.0;
  return x / (x + y);
}

std::vector<std::int64_t> permutation(std::int64_t n, Rng rng) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = n - 1; i > 0; --i) {
    std::swap(order[i], order[rng.below(static_cast<std::uint32_t>(i + 1))]);
  }
  return order;
}

}  // namespace fer
