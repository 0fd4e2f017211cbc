// VGG16 against torchvision's, whose answers make_vgg16_outputs.py wrote down.
#include <catch2/catch.hpp>

#include "fer/infer/fused_graph.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/pretrained.h"
#include "fer/model/reference.h"
#include "support/plain_layers.h"
#include "support/seeded_weights.h"

using namespace fer;
using namespace fer::test;

namespace {

ArchitectureOptions with_top(const std::string& arch, int side) {
  ArchitectureOptions options;
  options.name = arch;
  options.input_size = side;
  options.dense = {4096, 4096};
  options.dense_given = true;
  options.heads = {{"imagenet", 1000}};
  return options;
}

// By torchvision's names and the formula that the script has, too. No tensor of the top without it.
TensorMap torchvision_weights(const std::string& arch, bool top) {
  const bool batch_norm = arch == "vgg16_bn";
  TensorMap tensors;
  int at = 0;
  std::int64_t in = 3;
  const auto put = [&](const std::string& name, const Shape& shape) {
    tensors[name] = seeded_tensor(name, shape);
  };
  for (const std::int64_t out :
       {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0}) {
    const std::string layer = "features." + std::to_string(at);
    if (out == 0) {
      at += 1;  // max pooling
      continue;
    }
    put(layer + ".weight", {out, in, 3, 3});
    put(layer + ".bias", {out});
    if (batch_norm) {
      const std::string norm = "features." + std::to_string(at + 1) + ".";
      for (const char* kind : {"weight", "bias", "running_mean", "running_var"}) {
        put(norm + kind, {out});
      }
    }
    at += batch_norm ? 3 : 2;
    in = out;
  }
  if (top) {
    const Shape widths = {512 * 7 * 7, 4096, 4096, 1000};
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      const std::string layer = "classifier." + std::to_string(3 * i);
      put(layer + ".weight", {widths[i + 1], widths[i]});
      put(layer + ".bias", {widths[i + 1]});
    }
  }
  return tensors;
}

HostTensor input(int side) {
  HostTensor batch = seeded_uniform("input" + std::to_string(side), {1, 3, side, side});
  for (float& v : batch.floats()) v *= 1.7f;
  return batch;
}

// The net up to its last pooling, as an output.
Graph features_of(const Graph& graph) {
  Graph features = backbone(graph, graph.find("stage5.pool"));
  const int last = static_cast<int>(features.nodes().size()) - 1;
  features.add_output("features", features.add("flat", op::Flatten{}, {last}));
  return features;
}

std::vector<float> run_engine(const Graph& graph, const TensorMap& weights, int side) {
  TensorMap own;
  for (const Parameter& p : graph.parameters()) own[p.name] = weights.at(p.name);
  OnednnProgram program(fuse(graph, own), Precision::kF32, 1);
  program.run(1, input(side).floats().data());
  const auto values = program.logits(1, graph.outputs()[0].head);
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("vgg16 and vgg16_bn compute torchvision's features at 48, 96 and 224 pixels") {
  const TensorMap outputs =
      read_safetensors(std::string(FER_SOURCE_DIR) + "/tests/infer/data/vgg16_outputs.safetensors")
          .tensors;
  const std::map<int, std::size_t> stride = {{48, 1}, {96, 4}, {224, 32}};
  for (const std::string arch : {"vgg16", "vgg16_bn"}) {
    const TensorMap file = torchvision_weights(arch, false);
    for (const auto& [side, step] : stride) {
      INFO(arch << " " << side);
      ArchitectureOptions options;
      options.name = arch;
      options.input_size = side;
      options.heads = {{"labels", 7}};
      const Graph graph = make_architecture(options);
      const ImportedWeights imported = import_weights(file, false, options, graph, arch);
      const Graph features = features_of(graph);
      const auto compare = [&, step = step, side = side](const std::vector<float>& all) {
        std::vector<float> kept;
        for (std::size_t i = 0; i < all.size(); i += step) kept.push_back(all[i]);
        const auto wanted = outputs.at(arch + ".features" + std::to_string(side)).floats();
        CHECK(deviation(wanted) > 0.01);
        CHECK(relative_difference(kept, wanted) < 1e-4);
      };
      compare(run_engine(features, imported.weights, side));
      if (side == 48) {
        TensorMap own = imported.weights;
        compare(run_reference(features, own, input(side)).at("features").to_floats());
      }
    }
  }
}

TEST_CASE("vgg16 with its published top computes torchvision's 1,000 answers at 224 pixels") {
  const TensorMap outputs =
      read_safetensors(std::string(FER_SOURCE_DIR) + "/tests/infer/data/vgg16_outputs.safetensors")
          .tensors;
  const ArchitectureOptions options = with_top("vgg16", 224);
  const Graph graph = make_architecture(options);
  const ImportedWeights imported =
      import_weights(torchvision_weights("vgg16", true), false, options, graph, "vgg16");
  CHECK(imported.fresh.empty());
  CHECK(imported.skipped.empty());
  const auto wanted = outputs.at("vgg16.logits224").floats();
  CHECK(deviation(wanted) > 0.01);
  CHECK(relative_difference(run_engine(graph, imported.weights, 224), wanted) < 1e-4);
}
