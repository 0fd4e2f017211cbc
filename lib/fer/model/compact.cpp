#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {
namespace {

constexpr int kReduction = 8;

int reduced(int channels) { return std::max(1, channels / kReduction); }

// Squeeze-and-excitation (Hu et al. 2018): a gate in (0, 1) for each channel, from the image's
// means.
int channel_gate(Graph& graph, const std::string& prefix, int input, int channels) {
  int x = graph.add(prefix + "pool", op::GlobalAvgPool{}, {input});
  x = graph.add(prefix + "reduce", op::Linear{reduced(channels)}, {x});
  x = graph.add(prefix + "relu", op::Relu{}, {x});
  x = graph.add(prefix + "expand", op::Linear{channels}, {x});
  x = graph.add(prefix + "sigmoid", op::Sigmoid{}, {x});
  return graph.add(prefix + "scale", op::Scale{}, {input, x});
}

std::string block_prefix(int stage, int block) {
  return "stage" + std::to_string(stage) + ".block" + std::to_string(block) + ".";
}

// How many blocks a stage (from 1) has.
int block_count(const Graph& graph, int stage) {
  int count = 0;
  for (;; ++count) {
    const std::string prefix = block_prefix(stage, count + 1);
    const int end = graph.find(prefix + "relu2"), sum = graph.find(prefix + "add");
    // Other nets have blocks of the same names that end otherwise.
    if (end < 0 || sum < 0 || graph.nodes()[end].inputs != std::vector{sum}) return count;
  }
}

int residual_block(Graph& graph, const std::string& prefix, int input, int channels, int stride,
                   bool squeeze_excitation) {
  int x = conv_bn(graph, prefix, "1", input, channels, 3, stride);
  x = graph.add(prefix + "relu1", op::Relu{}, {x});
  x = conv_bn(graph, prefix, "2", x, channels);
  if (squeeze_excitation) x = channel_gate(graph, prefix + "gate.", x, channels);
  const bool same_shape = stride == 1 && graph.shape(input)[0] == channels;
  const int shortcut =
      same_shape ? input : conv_bn(graph, prefix + "shortcut.", "", input, channels, 1, stride);
  x = graph.add(prefix + "add", op::Add{}, {x, shortcut});
  return graph.add(prefix + "relu2", op::Relu{}, {x});
}

}  // namespace

Graph make_compact(const ArchitectureOptions& options) {
  const auto stages = options.stages.empty() ? std::vector{32, 64, 128, 256} : options.stages;
  const float dropout = options.dropout < 0 ? 0.2f : options.dropout;

  Graph graph;
  int x = add_input(graph, options, static_cast<int>(stages.size()) - 1);
  x = conv_bn(graph, "stem.", "", x, stages.front());
  x = graph.add("stem.relu", op::Relu{}, {x});
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const int own_blocks = i == 0 ? 1 : 2;  // the first stage has the most pixels to work on
    const int blocks = blocks_of(options, i, stages.size(), own_blocks);
    for (int block = 1; block <= blocks; ++block) {
      const int stride = i > 0 && block == 1 ? 2 : 1;
      x = residual_block(graph, block_prefix(static_cast<int>(i) + 1, block), x, stages[i], stride,
                         options.squeeze_excitation);
    }
  }
  x = graph.add("pool", op::GlobalAvgPool{}, {x});
  x = add_dropout(graph, "dropout", x, dropout);
  add_heads(graph, options, x);
  return graph;
}

Graph deepen_compact(const Graph& compact, int stage) {
  const int blocks = block_count(compact, stage);
  if (blocks == 0) {
    fail_input("stage " + std::to_string(stage) +
               " to deepen: the net has no residual block of compact's in it");
  }
  const std::string last = block_prefix(stage, blocks);
  const bool gated = compact.find(last + "gate.scale") >= 0;
  Graph graph;
  std::vector<int> moved;  // where a node of the old net is now
  for (int i = 0; i < static_cast<int>(compact.nodes().size()); ++i) {
    const Node& node = compact.nodes()[i];
    std::vector<int> inputs;
    for (const int input : node.inputs) inputs.push_back(moved[input]);
    moved.push_back(graph.add(node.name, node.operation, inputs));
    if (node.name == last + "relu2") {
      const int channels = static_cast<int>(compact.shape(i)[0]);
      moved.back() =
          residual_block(graph, block_prefix(stage, blocks + 1), moved.back(), channels, 1, gated);
    }
  }
  for (const Output& output : compact.outputs()) graph.add_output(output.head, moved[output.node]);
  return graph;
}

int compact_stage(const std::string& node_name) {
  if (node_name.starts_with("stem.")) return 1;
  const std::size_t dot = node_name.find('.');
  long long stage = 0;
  const bool numbered = node_name.starts_with("stage") && dot != std::string::npos &&
                        parse_int(node_name.substr(5, dot - 5), stage);
  return numbered ? static_cast<int>(stage) : 0;
}

Graph widen_compact(const Graph& compact, const std::vector<int>& stages) {
  std::vector<int> old;
  while (block_count(compact, static_cast<int>(old.size()) + 1) > 0) {
    const std::string first = block_prefix(static_cast<int>(old.size()) + 1, 1);
    old.push_back(static_cast<int>(compact.shape(compact.find(first + "add"))[0]));
  }
  if (old.empty()) fail_input("stages to widen: the net has no residual block of compact's");
  if (stages.size() != old.size()) {
    fail_input(
        format("stages to widen: %zu are given, the net has %zu", stages.size(), old.size()));
  }
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (stages[i] < old[i]) {
      fail_input(format("stages to widen: stage %zu has %d channels, more than %d", i + 1, old[i],
                        stages[i]));
    }
  }
  Graph graph;
  for (const Node& node : compact.nodes()) {
    Operation operation = node.operation;
    if (const int stage = compact_stage(node.name); stage > 0) {
      const int channels = stages.at(stage - 1);
      auto* conv = std::get_if<op::Conv2d>(&operation);
      // One of low rank goes through fewer channels than its stage has, and keeps them.
      if (conv != nullptr && conv->out_channels == old[stage - 1]) conv->out_channels = channels;
      if (auto* linear = std::get_if<op::Linear>(&operation)) {
        linear->out_features = node.name.ends_with("reduce") ? reduced(channels) : channels;
      }
    }
    graph.add(node.name, std::move(operation), node.inputs);
  }
  for (const Output& output : compact.outputs()) graph.add_output(output.head, output.node);
  return graph;
}

}  // namespace fer
