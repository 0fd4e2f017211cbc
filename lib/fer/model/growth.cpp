#include "fer/model/growth.h"

#include <map>

#include "fer/core/random.h"
#include "fer/model/architectures.h"

namespace fer {
namespace {

using Sources = std::vector<int>;  // of each channel of the wide net: the old one that it copies

// The old channels first; those of one stage are copied alike, as residuals add them up.
Sources copied(int old, int wide, std::uint64_t seed, std::uint64_t stage) {
  Sources sources(wide);
  const auto order = permutation(old, Rng{seed, stage});
  for (int i = 0; i < wide; ++i)
    sources[i] = i < old ? i : static_cast<int>(order[(i - old) % old]);
  return sources;
}

// Output channels are copied; what an input channel weighed, its copies share.
HostTensor widened(const HostTensor& old, const Shape& shape, const Sources& out, const Sources& in,
                   Rng rng) {
  const std::vector<float> from = old.to_floats();
  HostTensor wide = HostTensor::zeros(shape);
  const auto to = wide.floats();
  if (shape.size() == 1) {
    for (std::size_t o = 0; o < out.size(); ++o) to[o] = from[out[o]];
    return wide;
  }
  const auto inputs = static_cast<std::size_t>(old.shape[1]);
  const std::size_t kernel = from.size() / (static_cast<std::size_t>(old.shape[0]) * inputs);
  for (std::size_t o = 0; o < out.size(); ++o) {
    std::vector<double> share(in.size()), sum(inputs);
    for (std::size_t i = 0; i < in.size(); ++i) sum[in[i]] += share[i] = rng.uniform(0.5, 1.5);
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto part = static_cast<float>(share[i] / sum[in[i]]);
      for (std::size_t k = 0; k < kernel; ++k) {
        to[(o * in.size() + i) * kernel + k] = part * from[(out[o] * inputs + in[i]) * kernel + k];
      }
    }
  }
  return wide;
}

}  // namespace

Checkpoint with_input_size(const Checkpoint& checkpoint, int side, int resize) {
  Checkpoint result = checkpoint;
  if (side != checkpoint.spec.input_size) result.graph = with_input_side(checkpoint.graph, side);
  result.spec.input_size = side;
  result.spec.resize = resize;
  return result;
}

Checkpoint deepen(const Checkpoint& checkpoint, int stage) {
  Checkpoint result{deepen_compact(checkpoint.graph, stage), checkpoint.spec, checkpoint.weights};
  // Where its last batch norm is 0 the block adds nothing to what is not negative anyway.
  for (const Parameter& parameter : result.graph.parameters()) {
    const bool scales = parameter.trainable && parameter.name.find(".bn2.") != std::string::npos;
    if (scales && !checkpoint.weights.contains(parameter.name))
      result.weights[parameter.name] = HostTensor::zeros(parameter.shape);
  }
  return result;
}

Checkpoint widen(const Checkpoint& checkpoint, const std::vector<int>& stages, std::uint64_t seed) {
  const Graph& old = checkpoint.graph;
  Checkpoint result{widen_compact(old, stages), checkpoint.spec, {}};
  std::vector<Sources> sources;  // of each node's channels
  for (int i = 0; i < static_cast<int>(old.nodes().size()); ++i) {
    const Node& node = result.graph.nodes()[i];
    const int before = static_cast<int>(old.shape(i)[0]);
    const int now = static_cast<int>(result.graph.shape(i)[0]);
    const bool makes_channels = node.inputs.empty() ||
                                std::holds_alternative<op::Conv2d>(node.operation) ||
                                std::holds_alternative<op::Linear>(node.operation);
    sources.push_back(makes_channels ? copied(before, now, seed, compact_stage(node.name))
                                     : sources[node.inputs[0]]);
    const Sources& in = node.inputs.empty() ? sources[i] : sources[node.inputs[0]];
    for (const Parameter& parameter : result.graph.parameters(i)) {
      const auto known = checkpoint.weights.find(parameter.name);
      if (known == checkpoint.weights.end()) continue;
      result.weights[parameter.name] = widened(known->second, parameter.shape, sources[i], in,
                                               Rng{seed, static_cast<std::uint64_t>(i)});
    }
  }
  return result;
}

}  // namespace fer
