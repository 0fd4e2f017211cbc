#include "fer/train/loss.h"

#include <ATen/ATen.h>

namespace fer {

at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing,
                              const at::Tensor& class_weights) {
  auto t = targets;
  if (smoothing > 0) {
    t = t * (1.0 - smoothing) + t.sum(1, true) * (smoothing / static_cast<double>(t.size(1)));
  }
  if (class_weights.defined()) t = t * class_weights;
  return -(t * at::log_softmax(logits, 1)).sum() / t.sum().clamp_min(1e-12);
}

std::vector<float> balanced_class_weights(const std::vector<double>& mass) {
  double total = 0;
  for (const double m : mass) total += m;
  std::vector<float> weights;
  for (const double m : mass) {
    weights.push_back(m > 0 ? static_cast<float>(total / (static_cast<double>(mass.size()) * m))
                            : 0.0f);
  }
  return weights;
}

}  // namespace fer
