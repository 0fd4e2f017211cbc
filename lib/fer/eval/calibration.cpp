#include "fer/eval/calibration.h"

#include <algorithm>
#include <cmath>

namespace fer {

int confidence_bin(double confidence, int bins) {
  return std::clamp(static_cast<int>(std::ceil(confidence * bins)) - 1, 0, bins - 1);
}

std::vector<ReliabilityBin> reliability_bins(const Predictions& predictions, int bins) {
  std::vector<ReliabilityBin> result(bins);
  for (int b = 0; b < bins; ++b) {
    result[b].low = static_cast<double>(b) / bins;
    result[b].high = static_cast<double>(b + 1) / bins;
  }
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const int predicted = predictions.predicted(i);
    const double confidence = predictions.row(i)[predicted];
    ReliabilityBin& bin = result[confidence_bin(confidence, bins)];
    ++bin.count;
    bin.confidence += confidence;
    bin.accuracy += predicted == predictions.truth[i];
  }
  for (ReliabilityBin& bin : result) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  return result;
}

}  // namespace fer
