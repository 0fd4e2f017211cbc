// A slow, plain interpreter of a Graph: the yardstick that every other back end is tested against.
#pragma once

#include <map>
#include <string>

#include "fer/model/graph.h"

namespace fer {

// Inference of all heads. input F32 [N, C, H, W] normalised as ModelSpec says; weights of any float
// type. Returns logits F32 [N, classes] by head. Sums are taken in double.
// Throws kInput naming the tensor when a parameter is missing, surplus or misshapen.
std::map<std::string, HostTensor> run_reference(const Graph& graph, const TensorMap& weights,
                                                const HostTensor& input);

// Throws kInput naming the first parameter that is missing, surplus or of another shape.
void check_weights(const Graph& graph, const TensorMap& weights);
void check_weights(const Graph& graph, const std::map<std::string, TensorType>& weights);
// Throws kInput unless `batch` is F32 [N, C, H, W] of the graph's input with N > 0.
void check_batch(const Graph& graph, const HostTensor& batch);

}  // namespace fer
