// A checkpoint as ONNX, for every other runtime: dynamic batch, one output a head of the net (mixed
// heads stand in the metadata alone), labels and preprocessing in the file's metadata. Nothing but
// this room knows ONNX and protobuf.
#pragma once

#include <string>

#include "fer/model/checkpoint.h"

namespace fer {

inline constexpr int kMinOpset = 9, kMaxOpset = 17;

struct OnnxOptions {
  int opset = 13;  // kMinOpset .. kMaxOpset
  bool normalize =
      false;             // the network takes bytes as floats, 0 .. 255, and normalises them itself
  bool softmax = false;  // it answers with probabilities instead of logits
};

// Throws kInput naming the value.
void check(const OnnxOptions& options);

// The bytes of an ONNX file. Input "input" [batch, C, H, W] float: values as ModelSpec says, or
// bytes; outputs by the name of their head: [batch, classes]. Metadata: "labels.<head>" separated
// by commas, "preprocessing" and "fer.spec" as JSON.
// Throws kInput on an opset out of range and on weights of more than protobuf's 2 GB.
std::string to_onnx(const Checkpoint& checkpoint, const OnnxOptions& options = {});

// By libonnx, with all shapes inferred. Throws kInput saying what is wrong.
void check_onnx(const std::string& bytes);

}  // namespace fer
