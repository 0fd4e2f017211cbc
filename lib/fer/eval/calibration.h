// Whether probabilities mean what they say.
#pragma once

#include <cstdint>
#include <vector>

#include "fer/eval/metrics.h"

namespace fer {

// Equal-width bins of confidence, each (low, high]: 0 .. bins - 1.
int confidence_bin(double confidence, int bins);

struct ReliabilityBin {
  double low = 0, high = 0;
  std::int64_t count = 0;
  double confidence = 0;  // mean of the samples in the bin; 0 when it is empty
  double accuracy = 0;    // share of them that are right
};
std::vector<ReliabilityBin> reliability_bins(const Predictions& predictions, int bins = 15);

}  // namespace fer
