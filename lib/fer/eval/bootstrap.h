// Resampling, the part that every interval and comparison shares.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fer/eval/metrics.h"

namespace fer {

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

// Between the outer quantiles of the values, which are reordered.
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

// Every number of Metrics, those of metric_names() first, then precision, recall and F1 a class;
// and back into metrics that have the labels.
std::vector<double> numbers_of(const Metrics& metrics);
void set_numbers(Metrics& metrics, std::span<const double> numbers);

}  // namespace fer
