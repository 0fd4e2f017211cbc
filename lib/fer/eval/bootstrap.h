// Resampling, the part that every interval and comparison shares.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fer/eval/metrics.h"
#include "fer/eval/proportion.h"

namespace fer {

// Percentile bootstrap (Efron 1979), defined exactly: resample r draws n samples with replacement,
// by Rng{seed, r}.below(n); the interval runs between the quantiles (1 - level) / 2 and (1 + level)
// / 2 of the resampled values, interpolated linearly. The same on every machine and for any number
// of threads.
struct BootstrapOptions {
  int resamples = 10'000;
  std::uint64_t seed = 0;
  double level = 0.95;
};

// The bounds of every number at once, those of the classes included; the confusion matrices stay
// empty. The error of calibration is biased upwards in resamples: read its interval as an upper
// bound. Where fewer than ten samples are wrong, or right, resamples say too little: the shares -
// accuracy, top-2 accuracy, weighted recall, a class's precision and recall - have exact_interval()
// there, where it is wider. Where none or all are, what is made of the shares has its bounds made
// of theirs. Of a class, resamples without a sample or an answer of it do not count, and what
// nothing was counted for has no bounds (NaN).
struct MetricIntervals {
  Metrics low, high;
};
MetricIntervals bootstrap_metrics(const Predictions& predictions,
                                  const BootstrapOptions& options = {});

// How many right and how many wrong answers resamples need.
inline constexpr std::int64_t kEnoughForResamples = 10;

// Fills `values` (one a statistic) for a resample that consists of the samples `drawn`; called on
// several threads at once.
using Statistics =
    std::function<void(std::span<const std::int32_t> drawn, std::span<double> values)>;

// [statistic][resample]: the values that `count` statistics of n samples take in the resamples.
std::vector<std::vector<double>> bootstrap(std::int64_t n, std::size_t count,
                                           const Statistics& statistics,
                                           const BootstrapOptions& options);

// The accuracy of each resample.
std::vector<double> resampled_accuracy(const Predictions& predictions,
                                       const BootstrapOptions& options);

// Between the outer quantiles of the values that are numbers, which are reordered; NaN of none.
Interval percentile_interval(std::vector<double>& values, double level);

// What a metric needs of one sample, so that a resample costs a few additions a sample.
class MetricTable {
 public:
  explicit MetricTable(const Predictions& predictions);  // throws kInput when there are none
  std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }
  Metrics metrics(std::span<const std::int32_t> drawn) const;
  Metrics metrics() const;  // of all samples, each once

 private:
  struct Row {
    std::int32_t cell;  // truth * classes + prediction
    std::int16_t bin;   // of confidence, for the calibration error
    bool correct;
    bool in_top2;
    double confidence;
    double nll;
    double brier;
  };
  struct Sums;
  void add(const Row& row, Sums& sums) const;
  Metrics finish(const Sums& sums) const;

  LabelList labels_;
  std::vector<Row> rows_;
};

}  // namespace fer
