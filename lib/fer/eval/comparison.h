// Which of two models is better on the same images, and whether that could be luck.
#pragma once

#include <string>
#include <vector>

#include "fer/eval/bootstrap.h"
#include "fer/eval/metrics.h"

namespace fer {

struct MetricDifference {
  std::string name;
  double first = 0, second = 0;
  double difference = 0;  // second - first
  Interval interval;      // of the difference: both models are scored on the same resamples
};

// McNemar's test on the samples that exactly one model gets right; two-sided.
struct McNemar {
  std::int64_t only_first = 0, only_second = 0;
  double p_value = 1;
};
double mcnemar_exact(std::int64_t only_first, std::int64_t only_second);  // binomial
double mcnemar_corrected(std::int64_t only_first,
                         std::int64_t only_second);  // chi-squared, Edwards 1948

struct Comparison {
  std::vector<MetricDifference> differences;  // every number of metric_names()
  McNemar mcnemar;                            // exact up to 10,000 differing answers
};

// Throws kInput when labels or truth differ: a pair must be of the same images.
Comparison compare(const Predictions& first, const Predictions& second,
                   const BootstrapOptions& options = {});

// "p = 0.002", "p < 0.001"
std::string p_value_text(double p);
// "second is right more often than first by 1.9 points [0.7, 3.1]; chance alone would rarely do
// that (p = 0.002)"
std::string in_words(const Comparison& comparison, const std::string& first,
                     const std::string& second);

}  // namespace fer
