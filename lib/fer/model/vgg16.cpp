#include <algorithm>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {
namespace {

constexpr int kConvolutions[] = {2, 2, 3, 3, 3};

Graph make_vgg(const ArchitectureOptions& options, bool batch_norm) {
  const auto stages = options.stages.empty() ? std::vector{64, 128, 256, 512, 512} : options.stages;
  const float dropout = options.dropout < 0 ? 0.5f : options.dropout;
  if (stages.size() > std::size(kConvolutions)) {
    fail_input(options.name + " has at most " + std::to_string(std::size(kConvolutions)) +
               " stages, not " + std::to_string(stages.size()));
  }
  Graph graph;
  int x = add_input(graph, options, static_cast<int>(stages.size()));
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const std::string prefix = "stage" + std::to_string(s + 1) + ".";
    for (int i = 1; i <= kConvolutions[s]; ++i) {
      const std::string suffix = std::to_string(i);
      const op::Conv2d convolution{
          .out_channels = stages[s], .padding = Padding::all(1), .bias = true};
      x = graph.add(prefix + "conv" + suffix, convolution, {x});
      if (batch_norm) x = graph.add(prefix + "bn" + suffix, op::BatchNorm{}, {x});
      x = graph.add(prefix + "relu" + suffix, op::Relu{}, {x});
    }
    x = graph.add(prefix + "pool", op::MaxPool{}, {x});
  }
  if (options.dense_given) {
    x = graph.add("flatten", op::Flatten{}, {x});
    x = dense_layers(graph, x, options.dense, dropout);
  } else {
    x = graph.add("pool", op::GlobalAvgPool{}, {x});
    x = add_dropout(graph, "dropout", x, dropout);
  }
  add_heads(graph, options, x);
  return graph;
}

}  // namespace

Graph make_vgg16(const ArchitectureOptions& options) { return make_vgg(options, false); }
Graph make_vgg16_bn(const ArchitectureOptions& options) { return make_vgg(options, true); }

}  // namespace fer
