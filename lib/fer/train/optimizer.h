// Adam, AdamW and SGD over named tensors. Own and small, because the state must be stored by name,
// resumed to the last bit, and read the same with every libtorch version.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fer/train/options.h"

namespace at {
class Tensor;
}

namespace fer {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Uses and then drops the gradients; a tensor without one is left as it is.
  virtual void step(double lr) = 0;
  // Slots by "<slot>.<parameter>", sharing storage: what resume stores and restores.
  virtual std::map<std::string, at::Tensor> state() = 0;
  std::int64_t steps = 0;  // taken so far; Adam's bias correction
};

// rates: a factor of the learning rate for each parameter; empty: 1.
// Weight decay falls on tensors of two and more dimensions: not on biases and batch norm.
std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options,
                                          std::vector<std::string> names,
                                          std::vector<at::Tensor> parameters,
                                          std::vector<double> rates = {});

// Scales all gradients so that their joint norm is at most `limit`; returns the norm before.
double clip_gradients(const std::vector<at::Tensor>& parameters, double limit);

}  // namespace fer
