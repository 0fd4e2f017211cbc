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
  // Uses the gradients, overwrites and drops them; a tensor without one is left as it is.
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

// Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412): the gradient that moves the
// weights is taken where the loss is highest nearby, so that what is learned lies in a flat valley
// and noisy labels are learned by heart less. The constructor moves the parameters by
// radius * gradient / |gradient| (joint norm) and drops the gradients; restore() puts the
// parameters back to the last bit.
class Ascent {
 public:
  Ascent(std::vector<at::Tensor> parameters, double radius);
  ~Ascent();
  void restore();

 private:
  std::vector<at::Tensor> parameters_, before_;
};

// Scales all gradients so that their joint norm is at most `limit`; returns the norm before.
double clip_gradients(const std::vector<at::Tensor>& parameters, double limit);

}  // namespace fer
