// A FusedGraph compiled for oneDNN. For each batch size asked for: primitives with the memory
// layouts that they prefer, weights brought into these layouts once, and one block of memory that
// all results share by their lifetimes, so that a run takes no memory for them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "fer/infer/fused_graph.h"

namespace fer {

bool cpu_has_bf16();

class OnednnProgram {
 public:
  // bf16: results between layers and weights in bfloat16, sums and logits in float.
  OnednnProgram(FusedGraph graph, bool bf16, int threads);
  ~OnednnProgram();

  // input: [batch, C, H, W] float. Compiles the plan for this batch size when it is the first run.
  // Throws dnnl::error when oneDNN cannot.
  void run(int batch, const float* input);
  // Of the last run with this batch size: [batch, classes].
  std::span<const float> logits(int batch, const std::string& head) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fer
