// A FusedGraph compiled for oneDNN. For each batch size asked for: primitives with the memory
// layouts that they prefer, weights brought into these layouts once, and one block of memory that
// all results share by their lifetimes, so that a run takes no memory for them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "fer/infer/fused_graph.h"
#include "fer/model/checkpoint.h"

namespace fer {

// What results between layers and weights are held in. Sums are always float, and so are the logits
// of a linear layer that one head alone reads, as those of all our architectures are.
enum class Precision { kF32, kBf16, kInt8 };

// Whether the CPU has instructions for it.
bool cpu_has_bf16();
bool cpu_has_int8();

class OnednnProgram {
 public:
  // int8: convolutions and dense layers for which oneDNN has a kernel take weights of 8 bits, a
  // scale a channel, and results of 8 bits by `ranges`, which must name every layer (kInput); the
  // rest, the dense layers that answer with logits among it, is done as in bf16 where the CPU has
  // it, else in fp32. kRuntime when oneDNN cannot.
  OnednnProgram(FusedGraph graph, Precision precision, int threads, Ranges ranges = {});
  ~OnednnProgram();

  // input: [batch, C, H, W] float. Compiles the plan for this batch size when it is the first run.
  // Throws kRuntime when oneDNN cannot.
  void run(int batch, const float* input);
  // Of the last run with this batch size: [batch, classes].
  std::span<const float> logits(int batch, const std::string& head) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fer
