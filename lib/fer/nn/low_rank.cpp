#include "fer/nn/low_rank.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/nn/graph_module.h"

namespace fer {
namespace {

bool gets_smaller(const op::Conv2d& conv, std::int64_t in_channels, int rank) {
  if (conv.groups != 1 || conv.kernel_height * conv.kernel_width == 1) return false;
  const std::int64_t window = in_channels * conv.kernel_height * conv.kernel_width;
  return std::int64_t{2} * rank * (window + conv.out_channels) < window * conv.out_channels;
}

// What a channel of `node` counts for: the factor of the batch norm that alone reads it, else 1.
at::Tensor importance(const Checkpoint& checkpoint, int node, int channels) {
  int reader = -1, readers = 0;
  const auto& nodes = checkpoint.graph.nodes();
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    const auto uses = std::ranges::count(nodes[i].inputs, node);
    if (uses > 0) reader = i;
    readers += static_cast<int>(uses);
  }
  if (readers != 1 || !std::holds_alternative<op::BatchNorm>(nodes[reader].operation) ||
      !checkpoint.weights.contains(nodes[reader].name + ".running_var")) {
    return at::ones({channels});
  }
  const auto values = [&](const char* suffix) {
    return to_torch(checkpoint.weights.at(nodes[reader].name + suffix));
  };
  const double epsilon = std::get<op::BatchNorm>(nodes[reader].operation).epsilon;
  const at::Tensor factor = (values(".weight") / (values(".running_var") + epsilon).sqrt()).abs();
  constexpr double kLeast = 1e-3;  // a channel that counts for nothing can still learn
  return at::clamp_min(factor, std::max(kLeast * factor.max().item<double>(), 1e-12));
}

}  // namespace

Checkpoint low_rank(const Checkpoint& checkpoint, int rank) {
  if (rank < 1) fail_input(format("a rank of %d is not at least 1", rank));
  const Graph& old = checkpoint.graph;
  Checkpoint result{{}, checkpoint.spec, checkpoint.weights, {}};
  std::vector<int> moved;  // where a node of the old net is now
  int made = 0;
  for (int i = 0; i < static_cast<int>(old.nodes().size()); ++i) {
    const Node& node = old.nodes()[i];
    std::vector<int> inputs;
    for (const int input : node.inputs) inputs.push_back(moved[input]);
    const auto* conv = std::get_if<op::Conv2d>(&node.operation);
    if (conv == nullptr || !gets_smaller(*conv, old.shape(node.inputs[0])[0], rank)) {
      moved.push_back(result.graph.add(node.name, node.operation, inputs));
      continue;
    }
    ++made;
    op::Conv2d narrow = *conv;
    narrow.out_channels = rank;
    narrow.bias = false;
    const int middle = result.graph.add(node.name + ".in", narrow, inputs);
    moved.push_back(result.graph.add(node.name + ".out",
                                     op::Conv2d{.out_channels = conv->out_channels,
                                                .kernel_height = 1,
                                                .kernel_width = 1,
                                                .stride = 1,
                                                .bias = conv->bias},
                                     {middle}));
    if (auto bias = result.weights.extract(node.name + ".bias")) {
      bias.key() = node.name + ".out.bias";
      result.weights.insert(std::move(bias));
    }
    if (!result.weights.contains(node.name + ".weight")) continue;
    const at::Tensor weight = to_torch(result.weights.at(node.name + ".weight"));
    result.weights.erase(node.name + ".weight");
    const at::Tensor counts = importance(checkpoint, i, conv->out_channels).unsqueeze(1);
    const auto [u, s, vh] = at::linalg_svd(weight.flatten(1) * counts, false);
    const at::Tensor root = s.slice(0, 0, rank).sqrt();
    // Of nothing, the one keeps filters, so that the other can learn.
    const bool nothing = s[0].item<double>() == 0;
    const at::Tensor in =
                         (nothing ? at::ones_like(root) : root).unsqueeze(1) * vh.slice(0, 0, rank),
                     out = u.slice(1, 0, rank) * root / counts;
    // Their product alone counts. Filters of norm sqrt(2) share it so that one learning rate is
    // right for both.
    const at::Tensor size = std::sqrt(2.0) / in.square().sum(1).mean().sqrt();
    result.weights[node.name + ".in.weight"] = from_torch(
        (in * size).reshape({rank, weight.size(1), conv->kernel_height, conv->kernel_width}));
    result.weights[node.name + ".out.weight"] =
        from_torch((out / size).reshape({conv->out_channels, rank, 1, 1}));
  }
  if (made == 0) {
    fail_input(
        format("a rank of %d: no convolution of the net would be less than half as large", rank));
  }
  for (const Output& output : old.outputs())
    result.graph.add_output(output.head, moved[output.node]);
  return result;
}

}  // namespace fer
