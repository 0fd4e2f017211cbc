// A graph rewritten for inference: batch norm folded into weights, activations and sums attached to
// the layers that can do them in passing, what does nothing left out. Plain C++, whatever runs it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fer/model/graph.h"

namespace fer {

enum class Activation { kNone, kRelu, kSigmoid, kSilu };

// result = activation(operation(inputs) + result of `sum`)
struct FusedLayer {
  std::string name;  // of the last node in it
  // Never Dropout; Relu, Sigmoid and Silu only where no layer before could take them. A Conv2d has
  // the padding of a ZeroPad before it; a Linear may take an image, as if flattened.
  Operation operation;
  std::vector<int> inputs;  // indices of earlier layers
  int sum = -1;             // of Conv2d and Linear alone: a layer, or none
  Activation activation = Activation::kNone;
  Shape shape;  // of one sample's result
  // Conv2d, Linear: as in the graph with batch norm folded; bias empty when there is none.
  // BatchNorm: result = x * weight + bias a channel.
  std::vector<float> weight, bias;
};

struct FusedGraph {
  std::vector<FusedLayer> layers;  // layers[0] is the input; in an order that can be run
  std::map<std::string, int> heads;
};

// Throws kInput as check_weights does.
FusedGraph fuse(const Graph& graph, const TensorMap& weights);

}  // namespace fer
