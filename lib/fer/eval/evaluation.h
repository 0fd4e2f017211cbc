// Everything that is said about a model on one split.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fer/eval/bootstrap.h"
#include "fer/eval/calibration.h"
#include "fer/eval/comparison.h"
#include "fer/eval/metrics.h"

namespace fer {

// A set of samples and its figures.
struct Scored {
  std::string name;
  Metrics metrics;
  MetricIntervals intervals;
};
// "accuracy 0.7012 [0.6861, 0.7160] n=3589"
std::string accuracy_line(const Scored& scored);
Scored score(std::string name, const Predictions& predictions,
             const BootstrapOptions& options = {});

// The figures of each group of a column (age, camera, ...), in the order of their names, numbers
// by their size.
struct SliceTable {
  std::string column;
  std::vector<Scored> groups;
  // The widest difference in accuracy among groups of 30 samples or more; none for fewer than two.
  struct Gap {
    std::string better, worse;
    double difference = 0;
    Interval interval;  // of independent resamples of both groups
    // How often chance alone makes the best and the worst of these groups differ so much: a
    // permutation test, which knows that the two were picked.
    double p_value = 1;
  };
  std::optional<Gap> gap;
  std::size_t large_groups = 0;  // of 30 samples or more
};
// Throws kInput for more than 50 groups: such a column holds numbers or names.
void check_slice_groups(const std::string& column, std::size_t groups);
// groups[i] is the group of row i.
SliceTable slice(std::string column, const Predictions& predictions,
                 std::span<const std::string> groups, const BootstrapOptions& options = {});

struct Rival {
  std::string name;
  Metrics metrics;
  Comparison comparison;  // first: the evaluated model, second: this one
};

struct Threshold {
  double wanted_accuracy = 0;
  CoveragePoint point;
};

// Whether what a net is sure of and what is right differ by more than chance.
struct ConfidenceCheck {
  double excess = 0;  // mean confidence minus accuracy
  // Of it; normal, by the spread of the samples, or of their confidences where that is wider.
  Interval interval;
  // What calibration error a net without any, of these very confidences, stays under in 95 of 100
  // draws of which answers are right. Few samples show a large one by chance alone.
  double ece_by_chance = 0;
};
ConfidenceCheck check_confidence(const Predictions& predictions,
                                 const BootstrapOptions& options = {});

struct Evaluation {
  // For people; the caller fills them.
  std::string model, data, split, head;
  std::vector<std::string> notes;  // how the figures came about, a sentence each
  // By what and of what they were made, by key: program, engine, fingerprints of file and images.
  std::vector<std::pair<std::string, std::string>> origin;

  BootstrapOptions bootstrap;
  Scored all;  // every sample
  std::vector<ReliabilityBin> reliability;
  ConfidenceCheck confidence;
  std::vector<CoveragePoint> coverage;
  std::vector<Threshold>
      thresholds;  // for right answers in 80, 90 and 95 %, where they can be reached
  std::optional<CoveragePoint> uncertain;  // at the model's own threshold

  // What else was asked for; the caller adds them.
  std::vector<Scored>
      parts;  // "without duplicates", "six labels": figures beside the official ones
  std::vector<SliceTable> slices;
  std::vector<Rival> rivals;
};

// uncertain_below: the model's own threshold, 0 for none.
Evaluation evaluate(const Predictions& predictions, double uncertain_below = 0,
                    const BootstrapOptions& options = {});

// What is marked in the curve of coverage: the model's own threshold, else the first other one.
std::optional<CoveragePoint> marked_threshold(const Evaluation& evaluation);

// What a reader should know first, a sentence each.
std::vector<std::string> in_words(const Evaluation& evaluation);

}  // namespace fer
