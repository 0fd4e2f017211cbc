// The Classifier that evaluates with libtorch, the engine that trained the net.
#pragma once

#include <memory>
#include <string>

#include "fer/model/checkpoint.h"
#include "fer/model/classifier.h"

namespace fer {

struct TorchClassifierOptions {
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  bool bf16 = false;    // faster where the CPU has it; probabilities move in the third digit
  bool frozen = false;  // traced, and optimised by libtorch's compiler; the CPU in fp32 alone
};

std::unique_ptr<Classifier> make_torch_classifier(const Checkpoint& checkpoint,
                                                  const TorchClassifierOptions& options = {});

}  // namespace fer
