#include "fer/infer/fused_graph.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "fer/model/reference.h"

namespace fer {
namespace {

class Fuser {
 public:
  Fuser(const Graph& graph, const TensorMap& weights)
      : graph_(graph),
        weights_(weights),
        uses_(graph.nodes().size()),
        layer_of_(graph.nodes().size(), -1) {}

  FusedGraph run() {
    count_uses();
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const int node = static_cast<int>(i);
      if (i == 0 || uses_[i] > 0) {
        std::visit([&](const auto& o) { take(node, o); }, graph_.nodes()[i].operation);
      }
    }
    return result();
  }

 private:
  // A layer that may still grow; `last` is the node whose result it gives.
  struct Growing {
    FusedLayer layer;
    int last;
  };

  // The node whose result `node` passes on.
  int source(int node) const {
    while (std::holds_alternative<op::Dropout>(graph_.nodes()[node].operation)) {
      node = graph_.nodes()[node].inputs[0];
    }
    return node;
  }
  int input(int node, int i = 0) const { return source(graph_.nodes()[node].inputs[i]); }

  // Only what an output needs is used.
  void count_uses() {
    for (const Output& output : graph_.outputs()) ++uses_[source(output.node)];
    for (int i = static_cast<int>(graph_.nodes().size()) - 1; i > 0; --i) {
      if (uses_[i] == 0) continue;
      for (const int in : graph_.nodes()[i].inputs) ++uses_[source(in)];
    }
  }

  std::vector<float> weight(int node, const char* suffix) const {
    return weights_.at(graph_.nodes()[node].name + "." + suffix).to_floats();
  }

  // A new layer of one node.
  FusedLayer& start(int node, Operation operation) {
    FusedLayer layer;
    layer.name = graph_.nodes()[node].name;
    layer.operation = std::move(operation);
    for (std::size_t i = 0; i < graph_.nodes()[node].inputs.size(); ++i) {
      layer.inputs.push_back(layer_of_[input(node, static_cast<int>(i))]);
    }
    layer.shape = graph_.shape(node);
    layer_of_[node] = static_cast<int>(layers_.size());
    layers_.push_back({std::move(layer), node});
    return layers_.back().layer;
  }

  // The layer of `operand`, when nobody but the node at hand wants its result.
  FusedLayer* own(int operand) {
    return uses_[operand] == 1 ? &layers_[layer_of_[operand]].layer : nullptr;
  }

  void grow(int operand, int node) {
    Growing& grown = layers_[layer_of_[operand]];
    grown.last = node;
    grown.layer.name = graph_.nodes()[node].name;
    layer_of_[node] = layer_of_[operand];
  }

  template <class... Op>
  static bool is(const FusedLayer& layer) {
    return (std::holds_alternative<Op>(layer.operation) || ...);
  }
  static bool is_bare(const FusedLayer& layer) {
    return layer.sum < 0 && layer.activation == Activation::kNone;
  }

  template <class Op>
  void take(int node, const Op& operation) {  // whatever nothing can be done about
    start(node, operation);
  }

  void take(int node, const op::Conv2d& operation) {
    FusedLayer& layer = start(node, operation);
    load_weights(layer, node, operation.bias);
    const FusedLayer& before = layers_[layer.inputs[0]].layer;
    if (const auto* pad = std::get_if<op::ZeroPad>(&before.operation)) {
      Padding& padding = std::get<op::Conv2d>(layer.operation).padding;
      padding = {padding.top + pad->padding.top, padding.left + pad->padding.left,
                 padding.bottom + pad->padding.bottom, padding.right + pad->padding.right};
      layer.inputs[0] = before.inputs[0];
      bypass(node);
    }
  }

  void take(int node, const op::Linear& operation) {
    FusedLayer& layer = start(node, operation);
    load_weights(layer, node, operation.bias);
    const FusedLayer& before = layers_[layer.inputs[0]].layer;
    if (std::holds_alternative<op::Flatten>(before.operation)) {
      layer.inputs[0] = before.inputs[0];
      bypass(node);
    }
  }

  // `node` reads from its input's input. The result in between may be used by others, or nobody.
  void bypass(int node) {
    const int between = input(node);
    ++uses_[input(between)];
    if (--uses_[between] == 0) --uses_[input(between)];
  }

  void load_weights(FusedLayer& layer, int node, bool bias) const {
    layer.weight = weight(node, "weight");
    if (bias) layer.bias = weight(node, "bias");
  }

  void take(int node, const op::BatchNorm& operation) {
    auto scale = weight(node, "weight"), shift = weight(node, "bias");
    const auto mean = weight(node, "running_mean"), variance = weight(node, "running_var");
    for (std::size_t c = 0; c < scale.size(); ++c) {
      const double factor = scale[c] / std::sqrt(double{variance[c]} + operation.epsilon);
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(shift[c] - mean[c] * factor);
    }
    FusedLayer* before = own(input(node));
    if (before == nullptr || !is_bare(*before) || !is<op::Conv2d, op::Linear>(*before)) {
      FusedLayer& layer = start(node, operation);
      layer.weight = std::move(scale);
      layer.bias = std::move(shift);
      return;
    }
    const std::size_t fan_in = before->weight.size() / scale.size();
    before->bias.resize(scale.size());
    for (std::size_t c = 0; c < scale.size(); ++c) {
      for (std::size_t i = 0; i < fan_in; ++i) before->weight[c * fan_in + i] *= scale[c];
      before->bias[c] = before->bias[c] * scale[c] + shift[c];
    }
    grow(input(node), node);
  }

  void take_activation(int node, Activation activation) {
    FusedLayer* before = own(input(node));
    const bool takes = before != nullptr && before->activation == Activation::kNone &&
                       (is<op::Conv2d, op::Linear, op::Scale, op::Add>(*before) ||
                        (is<op::BatchNorm>(*before) && activation == Activation::kRelu));
    if (!takes) {
      start(node, graph_.nodes()[node].operation);
      return;
    }
    before->activation = activation;
    grow(input(node), node);
  }
  void take(int node, const op::Relu&) { take_activation(node, Activation::kRelu); }
  void take(int node, const op::Sigmoid&) { take_activation(node, Activation::kSigmoid); }
  void take(int node, const op::Silu&) { take_activation(node, Activation::kSilu); }

  void take(int node, const op::Add& operation) {
    // The later operand first: it is the residual branch, the earlier one the shortcut.
    const bool swap = input(node, 1) > input(node, 0);
    for (const bool second : {swap, !swap}) {
      const int operand = input(node, second), other = input(node, !second);
      FusedLayer* layer = own(operand);
      if (layer != nullptr && is_bare(*layer) && is<op::Conv2d, op::Linear>(*layer)) {
        layer->sum = layer_of_[other];
        grow(operand, node);
        return;
      }
    }
    start(node, operation);
  }

  // In the order of the last nodes, which everything a layer needs precedes.
  FusedGraph result() {
    std::vector<int> order(layers_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [this](int i) { return layers_[i].last; });
    std::vector<int> renumbered(layers_.size(), -1);
    FusedGraph fused;
    for (const int i : order) {
      if (i != 0 && uses_[layers_[i].last] == 0) continue;
      renumbered[i] = static_cast<int>(fused.layers.size());
      FusedLayer layer = std::move(layers_[i].layer);
      for (int& in : layer.inputs) in = renumbered[in];
      if (layer.sum >= 0) layer.sum = renumbered[layer.sum];
      fused.layers.push_back(std::move(layer));
    }
    for (const Output& output : graph_.outputs()) {
      fused.heads[output.head] = renumbered[layer_of_[source(output.node)]];
    }
    return fused;
  }

  const Graph& graph_;
  const TensorMap& weights_;
  std::vector<int> uses_;      // a node's result, by nodes and outputs
  std::vector<int> layer_of_;  // a node's result is that layer's, once it has grown up to the node
  std::vector<Growing> layers_;
};

}  // namespace

FusedGraph fuse(const Graph& graph, const TensorMap& weights) {
  check_weights(graph, weights);
  return Fuser(graph, weights).run();
}

}  // namespace fer
