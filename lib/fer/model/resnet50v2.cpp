#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {
namespace {

constexpr int kBlocks[] = {3, 4, 6, 3};
constexpr int kExpansion = 4;  // a block's output over its 3x3 convolution's channels

// What the two parameterisations do differently; see architectures.h.
class Builder {
 public:
  Builder(Graph& graph, bool keras) : graph_(graph), keras_(keras) {}

  int stem(int x, int channels) {
    if (keras_) x = graph_.add("stem.pad", op::ZeroPad{Padding::all(3)}, {x});
    x = graph_.add("stem.conv",
                   op::Conv2d{.out_channels = channels,
                              .kernel_height = 7,
                              .kernel_width = 7,
                              .stride = 2,
                              .padding = Padding::all(keras_ ? 0 : 3),
                              .bias = keras_},
                   {x});
    if (!keras_) return graph_.add("stem.pool", op::MaxPool{3, 2, Padding::all(1)}, {x});
    // The zeros take part in the maximum.
    x = graph_.add("stem.pool_pad", op::ZeroPad{Padding::all(1)}, {x});
    return graph_.add("stem.pool", op::MaxPool{3, 2}, {x});
  }

  int stage(int x, int number, int channels, int blocks) {
    for (int block = 1; block <= blocks; ++block) {
      // The first stage of timm and the last of Keras keep their resolution.
      const bool strided = keras_ ? block == blocks && number < static_cast<int>(std::size(kBlocks))
                                  : block == 1 && number > 1;
      x = bottleneck(x, "stage" + std::to_string(number) + ".block" + std::to_string(block) + ".",
                     channels, strided ? 2 : 1, block == 1);
    }
    return x;
  }

  int norm_relu(const std::string& prefix, const std::string& suffix, int x) {
    x = graph_.add(prefix + "bn" + suffix, op::BatchNorm{keras_ ? 1.001e-5f : 1e-5f}, {x});
    return graph_.add(prefix + "relu" + suffix, op::Relu{}, {x});
  }

 private:
  int pointwise(const std::string& name, int x, int channels, int stride, bool bias) {
    return graph_.add(name,
                      op::Conv2d{.out_channels = channels,
                                 .kernel_height = 1,
                                 .kernel_width = 1,
                                 .stride = stride,
                                 .bias = bias},
                      {x});
  }

  int bottleneck(int input, const std::string& prefix, int channels, int stride, bool project) {
    const int active = norm_relu(prefix, "1", input);
    int shortcut = input;
    if (project) {
      shortcut = pointwise(prefix + "shortcut.conv", active, kExpansion * channels, stride, keras_);
    } else if (stride > 1) {
      shortcut = graph_.add(prefix + "shortcut.pool", op::MaxPool{1, stride}, {input});
    }
    int x = pointwise(prefix + "conv1", active, channels, 1, false);
    x = norm_relu(prefix, "2", x);
    x = graph_.add(
        prefix + "conv2",
        op::Conv2d{.out_channels = channels, .stride = stride, .padding = Padding::all(1)}, {x});
    x = norm_relu(prefix, "3", x);
    x = pointwise(prefix + "conv3", x, kExpansion * channels, 1, keras_);
    return graph_.add(prefix + "add", op::Add{}, {x, shortcut});
  }

  Graph& graph_;
  bool keras_;
};

}  // namespace

Graph make_resnet50v2(const ArchitectureOptions& options) {
  const std::string variant = options.variant.empty() ? "keras" : options.variant;
  if (variant != "keras" && variant != "timm") {
    fail_input(options.name + ": variant '" + variant + "' is neither keras nor timm");
  }
  const auto stages = options.stages.empty() ? std::vector{64, 128, 256, 512} : options.stages;
  if (stages.size() > std::size(kBlocks)) {
    fail_input(options.name + " has at most " + std::to_string(std::size(kBlocks)) +
               " stages, not " + std::to_string(stages.size()));
  }
  const float dropout = options.dropout < 0 ? 0.2f : options.dropout;

  Graph graph;
  Builder build(graph, variant == "keras");
  int x = build.stem(add_input(graph, options, static_cast<int>(stages.size()) + 1), stages[0]);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    x = build.stage(x, static_cast<int>(s) + 1, stages[s], kBlocks[s]);
  }
  x = build.norm_relu("top.", "", x);
  x = graph.add("pool", op::GlobalAvgPool{}, {x});
  x = add_dropout(graph, "dropout", x, dropout);
  add_heads(graph, options, x);
  return graph;
}

}  // namespace fer
