// The fast engine for CPUs: a checkpoint's graph as a plan of oneDNN primitives, without libtorch.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "fer/model/checkpoint.h"
#include "fer/model/classifier.h"

namespace fer {

struct OnednnOptions {
  // fp32, bf16, int8, or auto: int8 where the checkpoint holds its ranges and the CPU multiplies
  // it, else bf16 where the CPU does, else fp32. Throws kInput on what the CPU cannot.
  std::string precision = "auto";
  int threads = 0;  // 0: hardware_threads()
};

// Batches of any size are run as 64, 8 and 1, each compiled when it is first needed.
std::unique_ptr<Classifier> make_onednn_classifier(const Checkpoint& checkpoint,
                                                   const OnednnOptions& options = {});

// Checkpoint::ranges, for int8, from faces like those to come: of each layer's result a range that
// at each end 19 samples of 20 keep to (the nearest ranks of the lowest and of the highest values); a
// wider one would be coarser for all. batch: as the network takes it.
Ranges calibrate(const Checkpoint& checkpoint, const HostTensor& batch);

}  // namespace fer
