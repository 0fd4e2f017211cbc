#include "fer/model/graph.h"
#include "fer/core/text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fer/core/error.h"
#include "fer/model/json_reader.h"
#include "support/op_cases.h"

using namespace fer;
using Catch::Contains;
using nlohmann::json;

namespace {

// input [2, 6, 4] -> conv 3x3 (5) -> batch norm -> global average pool -> linear (3)
Graph small_graph() {
  Graph graph;
  graph.add("input", op::Input{2, 6, 4});
  graph.add("conv", op::Conv2d{.out_channels = 5, .padding = Padding::all(1), .bias = true}, {0});
  graph.add("bn", op::BatchNorm{}, {1});
  graph.add("pool", op::GlobalAvgPool{}, {2});
  graph.add("fc", op::Linear{3}, {3});
  graph.add_output("expression", 4);
  return graph;
}

json small_json() { return to_json(small_graph()); }

std::string refusal(const json& value) {
  try {
    graph_from_json(value);
  } catch (const Error& error) {
    CHECK(error.fault() == Fault::kInput);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("shapes follow from the operations") {
  const Shape image = {4, 9, 7};
  CHECK(infer_shape(op::Conv2d{8}, {image}) == Shape{8, 7, 5});
  CHECK(infer_shape(op::Conv2d{8, 3, 3, 2, Padding::all(1)}, {image}) == Shape{8, 5, 4});
  CHECK(infer_shape(op::Conv2d{8, 1, 5, 3, {0, 1, 2, 3}, 4}, {image}) == Shape{8, 4, 3});
  CHECK(infer_shape(op::MaxPool{3, 2, {0, 0, 1, 1}}, {image}) == Shape{4, 4, 3});
  CHECK(infer_shape(op::AvgPool{2, 2, {}}, {image}) == Shape{4, 4, 3});
  CHECK(infer_shape(op::ZeroPad{{1, 2, 3, 4}}, {image}) == Shape{4, 13, 13});
  CHECK(infer_shape(op::GlobalAvgPool{}, {image}) == Shape{4});
  CHECK(infer_shape(op::Flatten{}, {image}) == Shape{252});
  CHECK(infer_shape(op::Linear{10}, {{252}}) == Shape{10});
  CHECK(infer_shape(op::Concat{}, {{252}, {3}}) == Shape{255});
  CHECK(infer_shape(op::Scale{}, {image, {4}}) == image);
  CHECK(infer_shape(op::Add{}, {image, image}) == image);
  CHECK(infer_shape(op::BatchNorm{}, {{6}}) == Shape{6});
}

TEST_CASE("operations that do not fit are refused, naming operation and shapes") {
  const Shape image = {4, 9, 7};
  CHECK_THROWS_WITH(infer_shape(op::Linear{3}, {image}),
                    "linear: needs features [F], got [4, 9, 7]");
  CHECK_THROWS_WITH(infer_shape(op::Conv2d{8}, {{4}}), "conv2d: needs an image [C, H, W], got [4]");
  CHECK_THROWS_WITH(infer_shape(op::Conv2d{8, 3, 3, 1, {}, 3}, {image}),
                    "conv2d: 3 groups do not divide 4 input and 8 output channels");
  CHECK_THROWS_WITH(infer_shape(op::Conv2d{8, 10}, {image}),
                    "conv2d: a window of 10 does not fit into 9 padded pixels");
  CHECK_THROWS_WITH(infer_shape(op::Add{}, {image, {4, 9, 8}}),
                    "add: inputs differ: [4, 9, 7] and [4, 9, 8]");
  CHECK_THROWS_WITH(infer_shape(op::Add{}, {image}), "add: needs 2 inputs, got 1");
  CHECK_THROWS_WITH(infer_shape(op::Scale{}, {image, {5}}),
                    "scale: a gate of [5] does not fit the channels of [4, 9, 7]");
  CHECK_THROWS_WITH(infer_shape(op::Concat{}, {{4}, image}),
                    "concat: needs features [F], got [4, 9, 7]");
  CHECK_THROWS_WITH(infer_shape(op::MaxPool{2, 2, Padding::all(2)}, {image}),
                    "max_pool: padding must be less than the kernel of 2");
  CHECK_THROWS_WITH(infer_shape(op::Conv2d{0}, {image}),
                    "conv2d: out_channels 0 is not between 1 and 1048576");
  CHECK_THROWS_WITH(infer_shape(op::ZeroPad{{0, -1, 0, 0}}, {image}), Contains("left padding -1"));
  CHECK_THROWS_WITH(infer_shape(op::Dropout{1.0f}, {image}), Contains("rate"));
  CHECK_THROWS_WITH(infer_shape(op::Input{64, 8192, 8192}, {}), Contains("too large"));
}

TEST_CASE("a graph takes only well-named nodes on earlier ones") {
  Graph graph;
  CHECK_THROWS_WITH(graph.add("relu", op::Relu{}, {}), Contains("the first node"));
  graph.add("input", op::Input{});
  CHECK_THROWS_WITH(graph.add("again", op::Input{}), Contains("the first node"));
  CHECK_THROWS_WITH(graph.add("input", op::Relu{}, {0}), "node 'input' stands twice");
  CHECK_THROWS_WITH(graph.add("a b", op::Relu{}, {0}), Contains("\"a b\""));
  CHECK_THROWS_AS(graph.add("", op::Relu{}, {0}), Error);
  CHECK_THROWS_WITH(graph.add("relu", op::Relu{}, {1}), Contains("no earlier node"));
  CHECK_THROWS_WITH(graph.add("fc", op::Linear{3}, {0}), Contains("node 'fc': linear"));
  CHECK_THROWS_WITH(graph.add_output("y", 0), Contains("features"));
  const int pool = graph.add("pool", op::GlobalAvgPool{}, {0});
  graph.add_output("y", pool);
  CHECK_THROWS_WITH(graph.add_output("y", pool), Contains("twice"));
  CHECK_THROWS_WITH(graph.add_output("a.b", pool), Contains("head name"));
  CHECK(graph.find("pool") == pool);
  CHECK(graph.find("none") == -1);
  // Too many parameters, and results that are too large together.
  Graph large;
  large.add("input", op::Input{4096, 1, 1});
  const int features = large.add("pool", op::GlobalAvgPool{}, {0});
  const int wide = large.add("wide", op::Linear{1 << 19}, {features});
  const Graph kept = large;
  CHECK_THROWS_WITH(large.add("wider", op::Linear{1 << 20}, {wide}), Contains("is too large"));
  CHECK(large == kept);
  CHECK(large.add("narrow", op::Linear{10}, {wide}) == 3);
  Graph deep;
  deep.add("input", op::Input{64, 1000, 1000});
  int done = 0;
  const auto deeper = [&] {
    for (; done < 100; ++done) deep.add(format("relu%d", done), op::Relu{}, {done});
  };
  CHECK_THROWS_WITH(deeper(), Contains("the results of all nodes are too large"));
  CHECK(done == 32);                 // 33 of 64 million are a little less than 2^31
  CHECK(graph.nodes().size() == 2);  // nothing of what was refused stays
}

TEST_CASE("parameters, multiply-adds and their sums are those counted by hand") {
  const Graph graph = small_graph();
  std::vector<std::string> names;
  for (const Parameter& p : graph.parameters()) {
    names.push_back(p.name + " " + to_string(p.shape) + (p.trainable ? "" : " statistics"));
  }
  CHECK(names == std::vector<std::string>{
                     "conv.weight [5, 2, 3, 3]", "conv.bias [5]", "bn.weight [5]", "bn.bias [5]",
                     "bn.running_mean [5] statistics", "bn.running_var [5] statistics",
                     "fc.weight [3, 5]", "fc.bias [3]"});
  CHECK(trainable_parameter_count(graph) == 90 + 5 + 10 + 15 + 3);
  CHECK(parameter_count(graph) == 123 + 10);
  CHECK(flops(graph, 0) == 0);
  CHECK(flops(graph, 1) == 2 * 9 * 2 * (5 * 6 * 4));
  CHECK(flops(graph, 2) == 5 * 6 * 4);
  CHECK(flops(graph, 3) == 5);
  CHECK(flops(graph, 4) == 2 * 5 * 3);
  CHECK(flops(graph) == 4320 + 120 + 5 + 30);

  Graph grouped;
  grouped.add("input", op::Input{4, 5, 5});
  grouped.add("conv", op::Conv2d{8, 1, 3, 2, {}, 2}, {0});
  CHECK(parameter_count(grouped) == 8 * 2 * 3);
  CHECK(flops(grouped) == 2 * (2 * 3) * (8 * 3 * 2));
}

TEST_CASE("the summary is an aligned table with sums") {
  CHECK("\n" + summary(small_graph()) == R"(
layer  operation        output shape  parameters  FLOPs
-------------------------------------------------------
input  input            [2, 6, 4]              0      0
conv   conv2d 3x3       [5, 6, 4]             95  4,320
bn     batch_norm       [5, 6, 4]             20    120
pool   global_avg_pool  [5]                    0      5
fc     linear           [3]                   18     30
-------------------------------------------------------
total                                        133  4,475
trainable 123, running statistics 10, all without heads 115; shapes and FLOPs for one sample
)");
}

TEST_CASE("every operation comes back from JSON as it was") {
  CHECK(graph_from_json(small_json()) == small_graph());
  for (const test::OpCase& c : test::op_cases()) {
    INFO(c.name);
    CHECK(graph_from_json(json::parse(to_json(c.graph).dump())) == c.graph);
  }
  CHECK(small_json()["nodes"][2]["epsilon"].dump() == "1e-05");
}

TEST_CASE("a graph is stored under the least version that has its operations") {
  Graph graph;
  graph.add("input", op::Input{1, 8, 8});
  graph.add("pool", op::GlobalAvgPool{}, {0});
  CHECK(to_json(graph).at("version") == 1);
  graph.add("both", op::Concat{}, {1, 1});
  CHECK(to_json(graph).at("version") == 2);
  CHECK(graph_from_json(to_json(graph)) == graph);
  json older = to_json(graph);
  older["version"] = 1;
  CHECK_THROWS_WITH(graph_from_json(older), "graph: holds operations of version 2, says version 1");
}

TEST_CASE("a stored graph with anything unknown, missing or out of range is refused") {
  json value = small_json();
  SECTION("version") {
    value["version"] = 3;
    CHECK(refusal(value) == "graph version 3, this program reads versions up to 2");
  }
  SECTION("key of the graph") {
    value["extra"] = 1;
    CHECK(refusal(value) == "graph: unknown key \"extra\"");
  }
  SECTION("key of a node") {
    value["nodes"][1]["dilation"] = 2;
    CHECK(refusal(value) == "graph node 1: unknown key \"dilation\"");
  }
  SECTION("missing field") {
    value["nodes"][1].erase("stride");
    CHECK(refusal(value) == "graph node 1: 'stride' is missing");
  }
  SECTION("operation") {
    value["nodes"][1]["op"] = "exec";
    CHECK(refusal(value) == "graph node 1: unknown operation \"exec\"");
  }
  SECTION("types") {
    value["nodes"][1]["stride"] = 1.5;
    CHECK_THAT(refusal(value), Contains("'stride' must be a whole number"));
    value = small_json();
    value["nodes"][1]["bias"] = 1;
    CHECK(refusal(value) == "graph node 1: 'bias' must be true or false, got 1");
    value = small_json();
    value["nodes"][1]["padding"] = {1, 1};
    CHECK_THAT(refusal(value), Contains("'padding' must be"));
    value = small_json();
    value["nodes"][1]["out_channels"] = 18446744073709551615u;
    CHECK_THAT(refusal(value), Contains("'out_channels' must be"));
    value = small_json();
    value["nodes"] = 3;
    CHECK_THAT(refusal(value), Contains("'nodes' must be a list, got 3"));
    CHECK_THAT(refusal(json::array()), Contains("expected an object"));
  }
  SECTION("inputs that are later, negative or absent nodes") {
    for (const json& inputs : {json{1}, json{-1}, json{7}, json{"conv"}}) {
      value["nodes"][1]["inputs"] = inputs;
      CHECK_THAT(refusal(value), Contains("graph node 1: 'inputs'"));
    }
  }
  SECTION("output of no node, of an image, twice") {
    value["outputs"][0]["node"] = 9;
    CHECK_THAT(refusal(value), Contains("graph output 0: 'node'"));
    value["outputs"][0]["node"] = 2;
    CHECK_THAT(refusal(value), Contains("needs features"));
    value["outputs"][0]["node"] = 4;
    value["outputs"].push_back(value["outputs"][0]);
    CHECK_THAT(refusal(value), Contains("stands twice"));
  }
  SECTION("absurd sizes") {
    value["nodes"][4]["out_features"] = 2'000'000'000;
    CHECK_THAT(refusal(value), Contains("out_features"));
    value = small_json();
    value["nodes"][0]["height"] = 1'000'000;
    CHECK_THAT(refusal(value), Contains("height"));
    value = small_json();
    value["nodes"][2]["epsilon"] = 0;
    CHECK_THAT(refusal(value), Contains("epsilon"));
  }
  SECTION("a parameter of more than 2^31 elements, and all together more than 2^33") {
    Graph graph;
    graph.add("input", op::Input{1, 8, 8});
    graph.add("pool", op::GlobalAvgPool{}, {0});
    graph.add("wide", op::Linear{1 << 20}, {1});
    CHECK_THROWS_WITH(graph.add("fc", op::Linear{2049}, {2}), Contains("fc.weight"));
    const auto fill = [] {
      Graph wide;
      wide.add("input", op::Input{1, 8, 8});
      wide.add("pool", op::GlobalAvgPool{}, {0});
      const int x = wide.add("wide", op::Linear{1 << 20}, {1});
      for (int i = 0; i < 5; ++i) wide.add("fc" + std::to_string(i), op::Linear{2048}, {x});
    };
    CHECK_THROWS_WITH(fill(), Contains("too large"));
  }
  SECTION("more than 10,000 nodes") {
    json relu = {{"name", ""}, {"op", "relu"}, {"inputs", {0}}};
    for (int i = 0; i < 10'000; ++i) {
      relu["name"] = "r" + std::to_string(i);
      value["nodes"].push_back(relu);
    }
    CHECK(refusal(value) == "graph: 10005 nodes, at most 10000 are read");
  }
}

TEST_CASE("broken, deep, repetitive and huge JSON is refused before it is kept") {
  CHECK(parse_json(R"({"a": [1, {"b": 2}]})", "x", 4)["a"][1]["b"] == 2);
  CHECK_THROWS_WITH(parse_json("{\"a\": 1", "x", 4), Contains("x: broken JSON at byte"));
  CHECK_THROWS_WITH(parse_json("{\"a\": 1e999}", "x", 4), Contains("cannot be represented"));
  CHECK_THROWS_WITH(parse_json(R"({"a": 1, "b": {"a": 2}, "a": 3})", "x", 4),
                    "x: key \"a\" stands twice");
  CHECK_THROWS_WITH(parse_json(std::string(1'000'000, '['), "x", 4),
                    "x: nested deeper than 4 levels");
  std::string zeros = "[0";
  for (int i = 0; i < 2'000'000; ++i) zeros += ",0";
  CHECK_THROWS_WITH(parse_json(zeros + "]", "x", 4), "x: more than 2000000 values");
}

TEST_CASE("a backbone is what a node needs, with the same names") {
  Graph graph;
  graph.add("input", op::Input{2, 6, 6});
  graph.add("conv", op::Conv2d{4}, {0});
  graph.add("aside", op::Relu{}, {0});
  graph.add("pool", op::GlobalAvgPool{}, {1});
  graph.add("head", op::Linear{3}, {3});
  graph.add_output("y", 4);
  const Graph body = backbone(graph, 3);
  REQUIRE(body.nodes().size() == 3);
  CHECK(body.nodes()[2].name == "pool");
  CHECK(body.nodes()[2].inputs == std::vector{1});
  CHECK(body.outputs().empty());
  CHECK(body.shape(2) == Shape{4});
}

TEST_CASE("the same layers take pictures of another side where none counts the pixels") {
  Graph graph;
  graph.add("input", op::Input{2, 6, 6});
  graph.add("conv", op::Conv2d{4}, {0});
  graph.add("halved", op::MaxPool{2, 2}, {1});
  graph.add("pool", op::GlobalAvgPool{}, {2});
  graph.add("head", op::Linear{3}, {3});
  graph.add_output("y", 4);
  const Graph larger = with_input_side(graph, 10);
  CHECK(larger.input().height == 10);
  CHECK(larger.input().width == 10);
  CHECK(larger.shape(2) == Shape{4, 4, 4});
  CHECK(larger.outputs() == graph.outputs());
  CHECK(with_input_side(with_input_side(graph, 8), 10) == larger);
  CHECK_THROWS_WITH(with_input_side(graph, 7), "an input of 7 pixels: at least 8");
  Graph averaged;
  averaged.add("input", op::Input{1, 12, 12});
  averaged.add("small", op::AvgPool{3, 3}, {0});
  CHECK(with_input_side(averaged, 15).shape(1) == Shape{1, 5, 5});
  CHECK_THROWS_WITH(with_input_side(averaged, 16),
                    "an input of 16 pixels: the net averages squares of 3 of them (small)");

  graph.add("flat", op::Flatten{}, {2});
  CHECK_THROWS_WITH(with_input_side(graph, 10),
                    Catch::Contains("takes no other input size (flat)"));
}
