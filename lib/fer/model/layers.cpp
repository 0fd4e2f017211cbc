#include "fer/model/layers.h"

#include "fer/core/error.h"

namespace fer {

int blocks_of(const ArchitectureOptions& options, std::size_t i, std::size_t stages, int own) {
  const auto& blocks = options.blocks;
  if (blocks.size() > 1 && blocks.size() != stages) {
    fail_input(options.name + ": blocks names " + std::to_string(blocks.size()) +
               " numbers, expected one, or one for each of the " + std::to_string(stages) +
               " stages");
  }
  const int chosen = blocks.empty() ? 0 : blocks[blocks.size() == 1 ? 0 : i];
  return chosen != 0 ? chosen : own;
}

int add_input(Graph& graph, const ArchitectureOptions& options, int halvings) {
  const int size = options.input_size != 0 ? options.input_size : default_input_size(options.name);
  if (halvings > 30 || size < 1 << halvings) {
    fail_input(options.name + ": an input of " + std::to_string(size) +
               " pixels cannot be halved " + std::to_string(halvings) + " times");
  }
  return graph.add("input", op::Input{options.channels, size, size});
}

int conv_bn(Graph& graph, const std::string& prefix, const std::string& suffix, int input,
            int channels, int kernel, int stride) {
  const op::Conv2d convolution{.out_channels = channels,
                               .kernel_height = kernel,
                               .kernel_width = kernel,
                               .stride = stride,
                               .padding = Padding::all(kernel / 2)};
  const int conv = graph.add(prefix + "conv" + suffix, convolution, {input});
  return graph.add(prefix + "bn" + suffix, op::BatchNorm{}, {conv});
}

int plain_stage(Graph& graph, const std::string& prefix, int input, int channels,
                int convolutions) {
  int x = input;
  for (int i = 1; i <= convolutions; ++i) {
    x = conv_bn(graph, prefix, std::to_string(i), x, channels);
    x = graph.add(prefix + "relu" + std::to_string(i), op::Relu{}, {x});
  }
  return graph.add(prefix + "pool", op::MaxPool{}, {x});
}

int add_dropout(Graph& graph, const std::string& name, int input, float rate) {
  return rate == 0.0f ? input : graph.add(name, op::Dropout{rate}, {input});
}

int dense_layers(Graph& graph, int input, const std::vector<int>& widths, float dropout) {
  int x = input;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string prefix = "dense" + std::to_string(i + 1) + ".";
    x = graph.add(prefix + "linear", op::Linear{widths[i]}, {x});
    x = graph.add(prefix + "relu", op::Relu{}, {x});
    x = add_dropout(graph, prefix + "dropout", x, dropout);
  }
  return x;
}

void add_heads(Graph& graph, const ArchitectureOptions& options, int features) {
  if (options.heads.empty()) fail_input(options.name + ": no head is asked for");
  for (const HeadShape& head : options.heads) {
    graph.add_output(head.name,
                     graph.add("head_" + head.name, op::Linear{head.classes}, {features}));
  }
}

}  // namespace fer
