// fer-bench infer: engines side by side on one network.
#pragma once

#include <string>
#include <vector>

#include "fer/model/architectures.h"

namespace fer::tools {

struct InferBench {
  std::string model;                 // a checkpoint; empty: `architecture` with random weights
  ArchitectureOptions architecture;  // of one head, fer2013
  std::vector<int> batch_sizes = {1, 64};
  int rounds = 5;
  int threads = 1;
  // A shell command to compare with: given MODEL.onnx and N,C,H,W it prints for each line on its
  // standard input the milliseconds of CPU time of one answer. Empty: none.
  std::string against;
};

// A table on stdout: a line an engine and batch size, milliseconds of CPU time and the ratio to
// `against` (else to oneDNN in fp32), each the median over rounds in which every engine had its
// turn.
int bench_infer(const InferBench& options);

}  // namespace fer::tools
