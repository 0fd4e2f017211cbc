// Randomness is a parameter: a stream is named by (seed, epoch, index, ...) and nothing else, so
// that a resumed or reordered run draws the same numbers. There is no global generator.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace fer {

// splitmix64 (Steele, Lea, Flood 2014). Integer arithmetic only: the same on every machine.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  // Mixes the parts in order: Rng{seed, epoch, index} and Rng{seed, index, epoch} differ.
  Rng(std::initializer_list<std::uint64_t> parts);

  std::uint64_t next();
  std::uint32_t below(std::uint32_t n);     // uniform in [0, n), n > 0
  double uniform();                         // [0, 1), 53 bits
  double uniform(double low, double high);  // [low, high)
  double normal();                          // mean 0, variance 1 (Box-Muller)
  double gamma(double shape);               // Marsaglia & Tsang 2000; shape > 0
  double beta(double a, double b);

 private:
  std::uint64_t state_;
};

// Fisher-Yates permutation of 0 .. n-1.
std::vector<std::int64_t> permutation(std::int64_t n, Rng rng);

}  // namespace fer
