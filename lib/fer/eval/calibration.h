// Whether probabilities mean what they say, and from which one on an answer can be relied on.
//
// Guo et al. 2017 (On Calibration of Modern Neural Networks): one temperature, fitted on validation
// data, takes most of the over-confidence away without changing any answer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fer/eval/metrics.h"
#include "fer/model/spec.h"

namespace fer {

// Equal-width bins of confidence, each (low, high], of diagrams and of the calibration error.
inline constexpr int kCalibrationBins = 15;
int confidence_bin(double confidence, int bins = kCalibrationBins);  // 0 .. bins - 1

struct ReliabilityBin {
  double low = 0, high = 0;
  std::int64_t count = 0;
  double confidence = 0;  // mean of the samples in the bin; 0 when it is empty
  double accuracy = 0;    // share of them that are right
};
std::vector<ReliabilityBin> reliability_bins(const Predictions& predictions,
                                             int bins = kCalibrationBins);

// The temperature in [0.05, 20] whose softmax(log p / temperature) has the least negative
// log-likelihood; log p are the logits up to a constant. Multiplies a temperature that the
// predictions were made with.
double fit_temperature(const Predictions& predictions);
Predictions apply_temperature(const Predictions& predictions, double temperature);

// What remains, and how good it is, when only answers of at least `threshold` confidence are given.
struct CoveragePoint {
  double threshold = 0;
  double coverage = 0;  // share of the samples that get an answer
  double accuracy = 0;  // share of those answers that are right
};
// At this threshold; accuracy is 0 when no answer is left.
CoveragePoint coverage_at(const Predictions& predictions, double threshold);

// One point a confidence that occurs, from the most confident answers alone to all of them; `most`
// points at equal steps of coverage where there are more.
std::vector<CoveragePoint> coverage_curve(const Predictions& predictions, std::size_t most = 200);

// The lowest threshold whose answers are right at least `wanted_accuracy` of the time: below it an
// answer should read "uncertain". None when no threshold that leaves 30 answers or more reaches it.
std::optional<CoveragePoint> uncertain_threshold(const Predictions& predictions,
                                                 double wanted_accuracy);

// Throws kInput unless these are all labels of the head, in its order: so that it can be said
// before anything is computed.
void check_calibration_labels(const ModelSpec& spec, const std::string& head,
                              const LabelList& labels);

// The spec with `head` calibrated on predictions that were made with it, in all of its labels: its
// temperature, and the threshold from which on at least `wanted_accuracy` of the answers are right;
// 0 where all answers are that good, or where no part of 30 is and there was none before. The
// temperature of a part counts in a mixed head: calibrate the parts first. Throws kInput where the
// predictions cannot tell: fewer than 30, none of them wrong, the least or the greatest one of
// fit_temperature() would be best (whoever calibrates with that stores a confidence that nothing
// mends), or a threshold that is there would be lost.
ModelSpec calibrated(ModelSpec spec, const std::string& head, const Predictions& predictions,
                     double wanted_accuracy);

}  // namespace fer
