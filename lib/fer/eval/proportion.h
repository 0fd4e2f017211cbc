// What a share of a few samples says of the share of all.
#pragma once

#include <cstdint>

namespace fer {

struct Interval {
  double low = 0;
  double high = 0;
};

// The exact interval of a binomial share, `hits` of `n` (Clopper and Pearson 1934): its coverage is
// at least `level`, whatever n is. [0, 1] for n = 0. Throws kInput unless 0 <= hits <= n and level
// is between 0 and 1.
Interval exact_interval(std::int64_t hits, std::int64_t n, double level);

// Of the difference a - b of two shares or means with these intervals, by the method of variance
// estimates recovery (Newcombe 1998, method 10; Zou and Donner 2008): it keeps what intervals of
// few samples say on each side. The estimates must lie in their intervals.
Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b);

}  // namespace fer
