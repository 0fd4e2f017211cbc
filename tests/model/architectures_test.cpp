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

TEST_CASE("cnn takes its stages, blocks and dense widths from the options") {
  ArchitectureOptions small = options("cnn");
  small.stages = {8, 16};
  small.blocks = 1;
  small.dense_given = true;
  small.dropout = 0;
  const Graph graph = make_architecture(small);
  CHECK(count<op::Conv2d>(graph) == 2);
  CHECK(count<op::Linear>(graph) == 1);
  CHECK(count<op::Dropout>(graph) == 0);
  CHECK(parameter_count(graph) == 72 + 4 * 8 + 8 * 16 * 9 + 4 * 16 + (16 * 12 * 12 + 1) * 7);
  CHECK(count<op::Conv2d>(make_architecture(options("cnn"))) == 6);
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
    wrong.blocks = 3;
    CHECK_THROWS_WITH(make_architecture(wrong), "cnn-large has no option blocks");
    wrong = options("cnn");
    wrong.squeeze_excitation = true;
    CHECK_THROWS_WITH(make_architecture(wrong), "cnn has no option squeeze_excitation");
    wrong = options("cnn");
    wrong.blocks = -1;
    CHECK_THROWS_AS(make_architecture(wrong), Error);
  }
}
