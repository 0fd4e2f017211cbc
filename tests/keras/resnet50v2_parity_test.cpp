// ResNet50V2 against an independent forward that follows Keras' published definition layer by
// layer, both fed by one Keras-layout .h5.
#include <catch2/catch.hpp>

#include "fer/keras/keras_h5.h"
#include "fer/model/pretrained.h"
#include "fer/model/reference.h"
#include "keras/support.h"
#include "support/plain_layers.h"
#include "support/program.h"
#include "support/seeded_weights.h"

using namespace fer;
using namespace fer::test;

namespace {

constexpr double kEpsilon = 1.001e-5;

// Weights by "<layer>/<kind>:0", made when they are first asked for, in the order of the layers.
class KerasNet {
 public:
  std::vector<H5Layer> layers;

  Volume forward(Volume x) {
    x = pad(x, 3, 0);  // conv1_pad
    x = conv2d("conv1_conv", x, 64, 7, 2, true);
    x = pad(x, 1, 0);  // pool1_pad
    x = max_pool(x, 3, 2);
    x = stack("conv2", x, 64, 3, 2);
    x = stack("conv3", x, 128, 4, 2);
    x = stack("conv4", x, 256, 6, 2);
    x = stack("conv5", x, 512, 3, 1);
    return relu(norm("post_bn", x));
  }

  std::vector<float> predictions(const std::vector<float>& features, std::int64_t classes) {
    const auto inputs = static_cast<std::int64_t>(features.size());
    const HostTensor& kernel = weight("predictions", "kernel:0", {inputs, classes}, inputs);
    const HostTensor& bias = weight("predictions", "bias:0", {classes}, 0);
    std::vector<float> logits(bias.floats().begin(), bias.floats().end());
    for (std::int64_t i = 0; i < inputs; ++i) {
      for (std::int64_t o = 0; o < classes; ++o) {
        logits[o] += features[i] * kernel.floats()[i * classes + o];
      }
    }
    return logits;
  }

 private:
  Volume stack(const std::string& name, Volume x, std::int64_t filters, int blocks,
               std::int64_t stride) {
    x = block(name + "_block1", x, filters, 1, true);
    for (int i = 2; i < blocks; ++i) {
      x = block(name + "_block" + std::to_string(i), x, filters, 1, false);
    }
    return block(name + "_block" + std::to_string(blocks), x, filters, stride, false);
  }

  Volume block(const std::string& name, const Volume& x, std::int64_t filters, std::int64_t stride,
               bool conv_shortcut) {
    const Volume preact = relu(norm(name + "_preact_bn", x));
    const Volume shortcut = conv_shortcut
                                ? conv2d(name + "_0_conv", preact, 4 * filters, 1, stride, true)
                            : stride > 1 ? max_pool(x, 1, stride)
                                         : x;
    Volume y = conv2d(name + "_1_conv", preact, filters, 1, 1, false);
    y = relu(norm(name + "_1_bn", y));
    y = pad(y, 1, 0);  // _2_pad
    y = conv2d(name + "_2_conv", y, filters, 3, stride, false);
    y = relu(norm(name + "_2_bn", y));
    y = conv2d(name + "_3_conv", y, 4 * filters, 1, 1, true);
    return add(shortcut, y);
  }

  Volume conv2d(const std::string& name, const Volume& x, std::int64_t filters, std::int64_t size,
                std::int64_t stride, bool use_bias) {
    const HostTensor kernel =
        weight(name, "kernel:0", {size, size, x.channels, filters}, size * size * x.channels);
    if (!use_bias) return conv(x, kernel, nullptr, stride);
    const HostTensor bias = weight(name, "bias:0", {filters}, 0);
    return conv(x, kernel, &bias, stride);
  }

  Volume norm(const std::string& name, const Volume& x) {
    const HostTensor gamma = weight(name, "gamma:0", {x.channels}, -1);
    const HostTensor beta = weight(name, "beta:0", {x.channels}, 0);
    const HostTensor mean = weight(name, "moving_mean:0", {x.channels}, 0);
    const HostTensor variance = weight(name, "moving_variance:0", {x.channels}, -1);
    return batch_norm(x, gamma, beta, mean, variance, kEpsilon);
  }

  // fan_in 0: about 0; -1: about 1.
  HostTensor weight(const std::string& layer, const std::string& kind, const Shape& shape,
                    std::int64_t fan_in) {
    if (layers.empty() || layers.back().name != layer) {
      const auto known = std::ranges::find(layers, layer, &H5Layer::name);
      if (known != layers.end()) return find(*known, layer + "/" + kind);
      layers.push_back({layer, {}});
    }
    HostTensor tensor = seeded_uniform(layer + "/" + kind, shape);
    for (float& v : tensor.floats()) {
      v = fan_in > 0    ? v * std::sqrt(6.0f / static_cast<float>(fan_in))
          : fan_in == 0 ? 0.2f * v
                        : 1.0f + 0.5f * v;
    }
    layers.back().weights.emplace_back(layer + "/" + kind, tensor);
    return tensor;
  }
  static HostTensor find(const H5Layer& layer, const std::string& name) {
    for (const auto& [own, tensor] : layer.weights) {
      if (own == name) return tensor;
    }
    FAIL("no weight " << name);
    return {};
  }
};

Volume picture(std::int64_t side) {
  Volume x(side, side, 3);
  x.values = seeded_uniform("picture", {side, side, 3}).to_floats();
  return x;
}

}  // namespace

TEST_CASE("resnet50v2 computes what Keras' definition does, from a Keras .h5") {
  KerasNet keras;
  const TemporaryFolder folder;
  bool written = false;
  for (const int side : {48, 80}) {
    const auto wanted = keras.predictions(channel_means(keras.forward(picture(side))), 10);
    if (!written) write_keras(folder / "resnet.h5", keras.layers);
    written = true;

    ArchitectureOptions options;
    options.name = "resnet50v2";
    options.input_size = side;
    options.heads = {{"imagenet", 10}};
    const Graph graph = make_architecture(options);
    REQUIRE(identify_weights(folder / "resnet.h5") == WeightFile::kHdf5);
    const ImportedWeights imported =
        import_weights(read_keras_h5(folder / "resnet.h5"), true, options, graph, "resnet.h5");
    CHECK(imported.family == "Keras' ResNet50V2");
    CHECK(imported.fresh.empty());
    CHECK(imported.skipped.empty());
    const auto logits = run_reference(graph, imported.weights, as_batch(picture(side)));
    CHECK(deviation(wanted) > 0.01);
    CHECK(relative_difference(logits.at("imagenet").floats(), wanted) < 1e-4);
  }
}
