// A graph that computes: the level below a Classifier, without labels and preprocessing, for
// networks whose outputs are no logits of faces.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "fer/model/graph.h"
#include "fer/model/host_tensor.h"

namespace fer {

class Network {
 public:
  virtual ~Network() = default;
  // input: one sample, [C, H, W] as the graph's input. Not thread-safe.
  virtual void run(std::span<const float> input) = 0;
  // Of the last run, flat; valid until the next.
  virtual std::span<const float> output(const std::string& head) const = 0;
};

// In fp32 on one thread. Throws kInput when the weights are not the graph's.
using MakeNetwork = std::function<std::unique_ptr<Network>(const Graph&, const TensorMap&)>;

}  // namespace fer
