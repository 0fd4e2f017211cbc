#include <algorithm>

#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {
namespace {

// Squeeze-and-excitation (Hu et al. 2018): a gate in (0, 1) for each channel, from the image's
// means.
int channel_gate(Graph& graph, const std::string& prefix, int input, int channels) {
  constexpr int kReduction = 8;
  int x = graph.add(prefix + "pool", op::GlobalAvgPool{}, {input});
  x = graph.add(prefix + "reduce", op::Linear{std::max(1, channels / kReduction)}, {x});
  x = graph.add(prefix + "relu", op::Relu{}, {x});
  x = graph.add(prefix + "expand", op::Linear{channels}, {x});
  x = graph.add(prefix + "sigmoid", op::Sigmoid{}, {x});
  return graph.add(prefix + "scale", op::Scale{}, {input, x});
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
    const int blocks = options.blocks != 0 ? options.blocks : own_blocks;
    for (int block = 1; block <= blocks; ++block) {
      const std::string prefix =
          "stage" + std::to_string(i + 1) + ".block" + std::to_string(block) + ".";
      const int stride = i > 0 && block == 1 ? 2 : 1;
      x = residual_block(graph, prefix, x, stages[i], stride, options.squeeze_excitation);
    }
  }
  x = graph.add("pool", op::GlobalAvgPool{}, {x});
  x = add_dropout(graph, "dropout", x, dropout);
  add_heads(graph, options, x);
  return graph;
}

}  // namespace fer
