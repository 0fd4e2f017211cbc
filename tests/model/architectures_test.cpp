#include "fer/model/architectures.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "fer/core/error.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"

using namespace fer;
using Catch::Contains;

namespace {

ArchitectureOptions options(const std::string& name) {
  ArchitectureOptions result;
  result.name = name;
  result.heads = {{"expression", 7}};
  return result;
}

template <class Op>
int count(const Graph& graph) {
  return static_cast<int>(std::ranges::count_if(
      graph.nodes(), [](const Node& node) { return std::holds_alternative<Op>(node.operation); }));
}

}  // namespace

TEST_CASE("cnn-large has the layers and the 29.9 M parameters of the published network") {
  const Graph graph = make_architecture(options("cnn-large"));
  CHECK(count<op::Conv2d>(graph) == 8);
  CHECK(count<op::MaxPool>(graph) == 4);
  CHECK(count<op::Linear>(graph) == 3);
  CHECK(graph.shape(graph.find("flatten")) == Shape{512 * 2 * 2});
  const std::int64_t convolutions =
      9 * (64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512);
  const std::int64_t norms = 2 * 2 * (64 + 128 + 256 + 512);
  const std::int64_t dense = 2048 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 7 + 7;
  CHECK(trainable_parameter_count(graph) == convolutions + norms + dense);
  CHECK(trainable_parameter_count(graph) / 1e6 == Approx(29.9).margin(0.05));
}

TEST_CASE("compact is a residual net of 1 to 3 M parameters") {
  const Graph graph = make_architecture(options("compact"));
  CHECK(parameter_count(graph) > 1'000'000);
  CHECK(parameter_count(graph) < 3'000'000);
  CHECK(count<op::Add>(graph) == 1 + 2 + 2 + 2);
  CHECK(graph.shape(graph.find("stage1.block1.relu2")) == Shape{32, 44, 44});
  CHECK(graph.shape(graph.find("stage4.block2.relu2")) == Shape{256, 6, 6});
  CHECK(graph.find("stage1.block1.shortcut.conv") == -1);
  CHECK(graph.find("stage2.block1.shortcut.conv") >= 0);

  ArchitectureOptions with_gates = options("compact");
  with_gates.squeeze_excitation = true;
  const Graph gated = make_architecture(with_gates);
  CHECK(count<op::Scale>(gated) == count<op::Add>(gated));
  CHECK(parameter_count(gated) < 3'000'000);
}

TEST_CASE("vgg16 has the published layers and 14,714,688 parameters without top") {
  const Graph graph = make_architecture(options("vgg16"));
  CHECK(count<op::Conv2d>(graph) == 13);
  CHECK(count<op::MaxPool>(graph) == 5);
  CHECK(graph.input() == op::Input{3, 48, 48});
  CHECK(graph.shape(graph.find("stage5.relu3")) == Shape{512, 3, 3});
  const std::int64_t head = 512 * 7 + 7;
  CHECK(parameter_count(graph) - head == 14'714'688);

  // With batch norm as torchvision has it: four numbers for each of the 4,224 channels more.
  const Graph normalised = make_architecture(options("vgg16_bn"));
  CHECK(count<op::BatchNorm>(normalised) == 13);
  CHECK(parameter_count(normalised) - head == 14'714'688 + 4 * 4224);

  ArchitectureOptions original = options("vgg16");
  original.input_size = 224;
  original.dense = {4096, 4096};
  original.dense_given = true;
  original.heads = {{"imagenet", 1000}};
  CHECK(parameter_count(make_architecture(original)) == 138'357'544);
}

TEST_CASE(
    "resnet50v2 has the 23,564,800 parameters of Keras' without top, timm's variant its own") {
  const Graph keras = make_architecture(options("resnet50v2"));
  const std::int64_t head = 2048 * 7 + 7;
  CHECK(parameter_count(keras) - head == 23'564'800);
  CHECK(count<op::Conv2d>(keras) == 1 + 16 * 3 + 4);
  CHECK(count<op::BatchNorm>(keras) == 16 * 3 + 1);
  CHECK(count<op::MaxPool>(keras) == 1 + 3);  // the stem's and three strided shortcuts
  const auto side = [](const Graph& graph, const std::string& node) {
    return graph.shape(graph.find(node)).back();
  };
  CHECK(side(keras, "stage1.block2.add") == 12);
  CHECK(side(keras, "stage1.block3.add") == 6);
  CHECK(side(keras, "stage4.block3.add") == 2);
  const auto& stem = std::get<op::Conv2d>(keras.nodes()[keras.find("stem.conv")].operation);
  CHECK(stem.bias);
  const auto& norm = std::get<op::BatchNorm>(keras.nodes()[keras.find("top.bn")].operation);
  CHECK(norm.epsilon == 1.001e-5f);

  ArchitectureOptions other = options("resnet50v2");
  other.variant = "timm";
  const Graph timm = make_architecture(other);
  CHECK(side(timm, "stage1.block3.add") == 12);
  CHECK(side(timm, "stage2.block1.add") == 6);
  CHECK(count<op::MaxPool>(timm) == 1);
  CHECK(count<op::ZeroPad>(timm) == 0);
  // Without the biases of stem, projections and last convolutions.
  const std::int64_t biases =
      64 + (256 + 512 + 1024 + 2048) + (3 * 256 + 4 * 512 + 6 * 1024 + 3 * 2048);
  CHECK(parameter_count(keras) - parameter_count(timm) == biases);
}

TEST_CASE("every family's scaling goes into the spec, averaged for one channel") {
  ModelSpec spec;
  set_scaling(spec, default_scaling("vgg16"), 3);
  CHECK(spec.colour == "gray3");
  CHECK(spec.mean == std::vector<float>{0.485f, 0.456f, 0.406f});
  set_scaling(spec, default_scaling("resnet50v2"), 1);
  CHECK(spec.colour == "gray");
  spec.resize = spec.input_size = 2;
  std::vector<float> black, white;
  preprocess(spec, Image(2, 2, 3, 0), black);
  preprocess(spec, Image(2, 2, 3, 255), white);
  CHECK(black == std::vector<float>(4, -1.0f));
  CHECK(white == std::vector<float>(4, 1.0f));
  set_scaling(spec, default_scaling("compact"), 1);
  CHECK(spec.mean == std::vector<float>{0.5f});
  CHECK(spec.std == std::vector<float>{0.25f});
}

TEST_CASE("cnn takes its stages, blocks and dense widths from the options") {
  ArchitectureOptions small = options("cnn");
  small.stages = {8, 16};
  small.blocks = {1};
  small.dense_given = true;
  small.dropout = 0;
  const Graph graph = make_architecture(small);
  CHECK(count<op::Conv2d>(graph) == 2);
  CHECK(count<op::Linear>(graph) == 1);
  CHECK(count<op::Dropout>(graph) == 0);
  CHECK(parameter_count(graph) == 72 + 4 * 8 + 8 * 16 * 9 + 4 * 16 + (16 * 12 * 12 + 1) * 7);
  CHECK(count<op::Conv2d>(make_architecture(options("cnn"))) == 6);
  small.blocks = {3, 0};  // 0: its own, two
  CHECK(count<op::Conv2d>(make_architecture(small)) == 5);
}

TEST_CASE("every architecture runs with several heads, channels and input sizes") {
  for (const std::string& name : architecture_names()) {
    for (const int size : {0, 33}) {
      ArchitectureOptions small = options(name);
      small.input_size = size;
      small.channels = 3;
      small.heads = {{"fer2013", 7}, {"ferplus", 8}};
      small.stages = {4, 6};
      if (name.starts_with("cnn")) {
        small.dense = {10};
        small.dense_given = true;
      }
      const Graph graph = make_architecture(small);
      CHECK(graph.input().height == (size != 0 ? size : default_input_size(name)));
      const auto logits =
          run_reference(graph, test::random_weights(graph, 1), test::random_batch(graph, 2, 1));
      CHECK(logits.at("fer2013").shape == Shape{2, 7});
      CHECK(logits.at("ferplus").shape == Shape{2, 8});
      // Different samples have different answers: nothing is cut off on the way.
      const auto values = logits.at("ferplus").floats();
      CHECK(std::set<float>(values.begin(), values.end()).size() == 16);
    }
  }
}

TEST_CASE("wrong options of an architecture are refused in words") {
  CHECK_THROWS_WITH(make_architecture(options("compct")),
                    Contains("'compct', did you mean 'compact'?"));
  CHECK_THROWS_WITH(default_input_size("none"), Contains("cnn, cnn-large, compact"));
  ArchitectureOptions wrong = options("compact");
  SECTION("heads") {
    wrong.heads.clear();
    CHECK_THROWS_WITH(make_architecture(wrong), "compact: no head is asked for");
    wrong.heads = {{"a", 3}, {"a", 4}};
    CHECK_THROWS_AS(make_architecture(wrong), Error);
    wrong.heads = {{"a", 0}};
    CHECK_THROWS_AS(make_architecture(wrong), Error);
  }
  SECTION("size") {
    wrong.input_size = 7;
    CHECK_THROWS_WITH(make_architecture(wrong),
                      "compact: an input of 7 pixels cannot be halved 3 times");
    wrong.input_size = -1;
    CHECK_THROWS_AS(make_architecture(wrong), Error);
  }
  SECTION("an option that it has not") {
    wrong.dense_given = true;
    CHECK_THROWS_WITH(make_architecture(wrong), "compact has no option dense");
    wrong = options("cnn-large");
    wrong.blocks = {3};
    CHECK_THROWS_WITH(make_architecture(wrong), "cnn-large has no option blocks");
    wrong = options("cnn");
    wrong.squeeze_excitation = true;
    CHECK_THROWS_WITH(make_architecture(wrong), "cnn has no option squeeze_excitation");
    wrong = options("vgg16");
    wrong.variant = "timm";
    CHECK_THROWS_WITH(make_architecture(wrong), "vgg16 has no option variant");
    wrong = options("resnet50v2");
    wrong.variant = "torch";
    CHECK_THROWS_WITH(make_architecture(wrong), Contains("'torch' is neither keras nor timm"));
    wrong = options("vgg16_bn");
    wrong.stages = {4, 4, 4, 4, 4, 4};
    CHECK_THROWS_WITH(make_architecture(wrong), Contains("at most 5 stages, not 6"));
    wrong = options("cnn");
    wrong.blocks = {-1};
    CHECK_THROWS_AS(make_architecture(wrong), Error);
    wrong.blocks = {2, 2};
    CHECK_THROWS_WITH(make_architecture(wrong),
                      "cnn: blocks names 2 numbers, expected one, or one for each of the 3 stages");
  }
}
