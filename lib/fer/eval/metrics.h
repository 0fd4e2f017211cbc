// The standard words and formulas: what scikit-learn and torchmetrics call by the same names.
// Confusion matrices have rows = truth, columns = prediction.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fer/core/emotion.h"

namespace fer {

struct ClassMetrics {
  std::string label;
  double precision = 0;  // 0 when nothing was predicted as this class
  double recall = 0;     // 0 when the class has no samples
  double f1 = 0;
  std::int64_t support = 0;
};

// Averages over classes take those that occur in truth or prediction, as scikit-learn does by
// default.
struct Metrics {
  std::int64_t n = 0;
  double accuracy = 0;
  double top2_accuracy = 0;
  double balanced_accuracy = 0;  // mean recall over classes that have samples
  double macro_precision = 0, macro_recall = 0, macro_f1 = 0;
  double weighted_precision = 0, weighted_recall = 0, weighted_f1 = 0;  // by support
  double kappa = 0;  // Cohen's; 0 where chance alone agrees always
  double nll = 0;    // mean negative log-likelihood, natural logarithm, p clamped to 1e-12
  double brier = 0;  // mean over samples of sum over classes (p - onehot)^2
  double ece = 0;    // expected calibration error over reliability_bins()
  std::vector<ClassMetrics> classes;
  std::vector<std::vector<std::int64_t>> confusion;  // [truth][prediction]
};

// Everything predicted on one split for one head: the input of every metric.
struct Predictions {
  LabelList labels;
  std::vector<int> truth;            // [n], class index
  std::vector<float> probabilities;  // [n * labels.size()], row-major, rows sum to 1

  std::int64_t size() const { return static_cast<std::int64_t>(truth.size()); }
  std::span<const float> row(std::int64_t i) const;
  int predicted(std::int64_t i) const;  // argmax; the lower index wins a tie
  // Throws kInput on an index or a length that does not fit the labels, or a number that is not
  // finite.
  void add(int truth_index, std::span<const float> row);
};

Metrics compute_metrics(const Predictions& predictions);  // throws kInput when there are none
// The part of the metrics that counts alone decide; top-2, nll, brier and ece stay 0. An empty
// matrix (n = 0) gives zeros. compute_metrics() uses it.
Metrics metrics_from_confusion(const LabelList& labels,
                               const std::vector<std::vector<std::int64_t>>& confusion);

// The numbers of Metrics by name (accuracy, macro_f1, ... , ece), in the order of the struct.
std::vector<std::string> metric_names();
double metric_value(const Metrics& metrics,
                    const std::string& name);  // throws kInput, naming the nearest

// Every number of Metrics, those of metric_names() first, then precision, recall and F1 a class;
// and back into metrics that have the labels.
std::vector<double> numbers_of(const Metrics& metrics);
void set_numbers(Metrics& metrics, std::span<const double> numbers);

}  // namespace fer
