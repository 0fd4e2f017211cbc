// Categorical cross-entropy against one-hot or soft targets.
#pragma once

#include <vector>

namespace at {
class Tensor;
}

namespace fer {

// -sum(t log softmax(logits)) / sum(t) with t = class_weights * ((1 - smoothing) * targets +
// smoothing * mass / C), where mass = a target's sum: a row of zeros (no answer for this head) does
// not count. logits F32 [N, C]; targets F32 [N, C], rows sum to 1 or 0; class_weights F32 [C] or
// undefined. Differentiable; 0 when no row counts.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing,
                              const at::Tensor& class_weights);

// n / (classes * n_c) from the summed targets; a class without samples weighs 0.
std::vector<float> balanced_class_weights(const std::vector<double>& mass);

}  // namespace fer
