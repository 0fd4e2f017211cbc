// The fast engine for CPUs: a checkpoint's graph as a plan of oneDNN primitives, without libtorch.
#pragma once

#include <memory>

#include "fer/model/checkpoint.h"
#include "fer/model/classifier.h"

namespace fer {

enum class Precision {
  kAuto,  // bf16 where the CPU multiplies it, else fp32
  kF32,
  kBf16,  // throws kInput where the CPU cannot
};

struct OnednnOptions {
  Precision precision = Precision::kAuto;
  int threads = 0;  // 0: hardware_threads()
};

// Batches of any size are run as 64, 8 and 1, each compiled when it is first needed.
std::unique_ptr<Classifier> make_onednn_classifier(Checkpoint checkpoint,
                                                   const OnednnOptions& options = {});

}  // namespace fer
