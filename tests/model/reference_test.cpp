#include "fer/model/reference.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "fer/core/error.h"
#include "support/op_cases.h"

using namespace fer;
using Catch::Contains;

namespace {

using Floats = std::vector<float>;

// The flattened result of one operation on one sample; weights by suffix.
Floats run(const Operation& operation, const Shape& input, const Floats& values,
           const std::map<std::string, Floats>& weights = {}) {
  Graph graph;
  graph.add("input", op::Input{static_cast<int>(input[0]), static_cast<int>(input[1]),
                               static_cast<int>(input[2])});
  int node = graph.add("x", operation, {0});
  TensorMap tensors;
  for (const Parameter& parameter : graph.parameters()) {
    tensors[parameter.name] =
        HostTensor::from_floats(parameter.shape, weights.at(parameter.name.substr(2)));
  }
  if (graph.shape(node).size() == 3) node = graph.add("flatten", op::Flatten{}, {node});
  graph.add_output("y", node);
  const auto batch = HostTensor::from_floats({1, input[0], input[1], input[2]}, values);
  return run_reference(graph, tensors, batch).at("y").to_floats();
}

Floats counting(int n) {
  Floats values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

}  // namespace

TEST_CASE("reference: convolution is cross-correlation with zero padding") {
  const Floats kernel = {1, 2, 3, 4};
  const Floats image = counting(9);  // 1 2 3 / 4 5 6 / 7 8 9
  CHECK(run(op::Conv2d{1, 2, 2}, {1, 3, 3}, image, {{"weight", kernel}}) == Floats{37, 47, 67, 77});
  CHECK(run(op::Conv2d{1, 2, 2, 1, {}, 1, true}, {1, 3, 3}, image,
            {{"weight", kernel}, {"bias", {0.5f}}}) == Floats{37.5f, 47.5f, 67.5f, 77.5f});
  // A column of zeros on the left, a row of zeros below.
  CHECK(run(op::Conv2d{1, 2, 2, 2, {0, 1, 1, 0}}, {1, 3, 3}, image, {{"weight", kernel}}) ==
        Floats{18, 47, 14, 26});
  CHECK(run(op::Conv2d{1, 1, 3}, {1, 3, 3}, image, {{"weight", {1, 0, -2}}}) ==
        Floats{-5, -8, -11});
  CHECK(run(op::Conv2d{1, 3, 1}, {1, 3, 3}, image, {{"weight", {1, 0, -2}}}) ==
        Floats{-13, -14, -15});
}

TEST_CASE("reference: convolution sums input channels, within each group") {
  const Floats image = counting(4);  // two channels of 1x2: 1 2 | 3 4
  CHECK(run(op::Conv2d{3, 1, 1}, {2, 1, 2}, image, {{"weight", {1, 0, 0, 1, 2, -1}}}) ==
        Floats{1, 2, 3, 4, -1, 0});
  CHECK(run(op::Conv2d{4, 1, 1, 1, {}, 2}, {2, 1, 2}, image, {{"weight", {1, 2, 3, 4}}}) ==
        Floats{1, 2, 2, 4, 9, 12, 12, 16});
  // Groups of two channels, one result each.
  CHECK(run(op::Conv2d{2, 1, 1, 1, {}, 2}, {4, 1, 1}, image, {{"weight", {1, 10, 1, 10}}}) ==
        Floats{21, 43});
}

TEST_CASE("reference: batch norm uses the running statistics of each channel") {
  const Floats result = run(
      op::BatchNorm{0.25f}, {2, 1, 2}, counting(4),
      {{"weight", {3, 1}}, {"bias", {10, -1}}, {"running_mean", {1, 4}}, {"running_var", {2, 0}}});
  // sqrt(2.25) = 1.5, sqrt(.25) = .5
  CHECK(result == Floats{10, 12, -3, -1});
}

TEST_CASE("reference: activations") {
  const Floats values = {-2, 0, 1};
  CHECK(run(op::Relu{}, {1, 1, 3}, values) == Floats{0, 0, 1});
  const Floats sigmoid = run(op::Sigmoid{}, {1, 1, 3}, values);
  CHECK(sigmoid[0] == Approx(0.119202922));
  CHECK(sigmoid[1] == 0.5f);
  CHECK(sigmoid[2] == Approx(0.731058579));
  const Floats silu = run(op::Silu{}, {1, 1, 3}, values);
  CHECK(silu[0] == Approx(-0.238405844));
  CHECK(silu[1] == 0.0f);
  CHECK(silu[2] == Approx(0.731058579));
  CHECK(run(op::Dropout{}, {1, 1, 3}, values) == values);
}

TEST_CASE("reference: padding never wins a maximum and counts as zero in a mean") {
  Floats image = counting(9);
  for (float& value : image) value = -value;
  CHECK(run(op::MaxPool{2, 2, {}}, {1, 3, 3}, image) == Floats{-1});
  CHECK(run(op::MaxPool{2, 1, {}}, {1, 3, 3}, image) == Floats{-1, -2, -4, -5});
  CHECK(run(op::MaxPool{2, 2, {1, 0, 0, 1}}, {1, 3, 3}, image) == Floats{-1, -3, -4, -6});
  CHECK(run(op::AvgPool{2, 2, {1, 0, 0, 1}}, {1, 3, 3}, image) ==
        Floats{-0.75f, -0.75f, -6, -3.75f});
}

TEST_CASE("reference: pooling over all, padding, adding, scaling, flattening") {
  CHECK(run(op::GlobalAvgPool{}, {2, 2, 2}, counting(8)) == Floats{2.5f, 6.5f});
  CHECK(run(op::ZeroPad{{1, 0, 0, 2}}, {1, 1, 2}, {5, 6}) == Floats{0, 0, 0, 0, 5, 6, 0, 0});
  CHECK(run(op::Flatten{}, {2, 1, 2}, counting(4)) == counting(4));

  Graph graph;
  graph.add("input", op::Input{2, 1, 2});
  graph.add("mean", op::GlobalAvgPool{}, {0});
  graph.add("scale", op::Scale{}, {0, 1});
  graph.add("add", op::Add{}, {2, 0});
  graph.add("flatten", op::Flatten{}, {3});
  graph.add_output("y", 4);
  const auto batch = HostTensor::from_floats({1, 2, 1, 2}, counting(4));
  // means 1.5 and 3.5
  CHECK(run_reference(graph, {}, batch).at("y").to_floats() == Floats{2.5f, 5, 13.5f, 18});
}

TEST_CASE("reference: a linear layer is x W^T + b, for every sample and head") {
  Graph graph;
  graph.add("input", op::Input{3, 1, 1});
  graph.add("flatten", op::Flatten{}, {0});
  graph.add("fc", op::Linear{2}, {1});
  graph.add("plain", op::Linear{1, false}, {2});
  graph.add_output("a", 2);
  graph.add_output("b", 3);
  const TensorMap weights = {
      {"fc.weight", HostTensor::from_floats({2, 3}, Floats{1, 2, 3, 0, -1, 0})},
      {"fc.bias", HostTensor::from_floats({2}, Floats{10, 20})},
      {"plain.weight", HostTensor::from_floats({1, 2}, Floats{1, 2})}};
  const auto batch = HostTensor::from_floats({2, 3, 1, 1}, counting(6));
  const auto logits = run_reference(graph, weights, batch);
  CHECK(logits.at("a").shape == Shape{2, 2});
  CHECK(logits.at("a").to_floats() == Floats{24, 18, 42, 15});
  CHECK(logits.at("b").to_floats() == Floats{60, 72});
}

TEST_CASE("reference: a sample's result does not depend on the batch around it") {
  for (const test::OpCase& c : test::op_cases()) {
    if (c.input.shape[0] != 3) continue;
    INFO(c.name);
    const auto together = test::expected(c);
    const auto values = c.input.floats();
    Shape shape = c.input.shape;
    shape[0] = 1;
    const auto last = HostTensor::from_floats(shape, values.last(values.size() / 3));
    const auto alone = run_reference(c.graph, c.weights, last);
    for (const auto& [head, logits] : alone) {
      const auto all = together.at(head).floats();
      const auto one = logits.floats();
      CHECK(std::ranges::equal(one, all.last(one.size())));
    }
  }
}

TEST_CASE("reference: half-precision weights are used as they are") {
  const auto half = [](Shape shape, const Floats& values) {
    return HostTensor::from_floats(std::move(shape), values).converted(DType::kF16);
  };
  Graph graph;
  graph.add("input", op::Input{1, 1, 1});
  graph.add("flatten", op::Flatten{}, {0});
  graph.add("fc", op::Linear{1}, {1});
  graph.add_output("y", 2);
  const auto logits =
      run_reference(graph, {{"fc.weight", half({1, 1}, {0.5f})}, {"fc.bias", half({1}, {2})}},
                    HostTensor::from_floats({1, 1, 1, 1}, Floats{8}));
  CHECK(logits.at("y").to_floats() == Floats{6});
}

TEST_CASE("weights and batches that do not fit the graph are refused by name") {
  Graph graph;
  graph.add("input", op::Input{2, 3, 4});
  graph.add("pool", op::GlobalAvgPool{}, {0});
  graph.add("fc", op::Linear{5}, {1});
  graph.add_output("y", 2);
  const TensorMap good = test::random_weights(graph, 1);
  const HostTensor batch = test::random_batch(graph, 1, 1);
  CHECK_NOTHROW(run_reference(graph, good, batch));

  TensorMap weights = good;
  weights.erase("fc.bias");
  CHECK_THROWS_WITH(run_reference(graph, weights, batch), "weights: fc.bias is missing");
  weights = good;
  weights["fc.weight"] = HostTensor::zeros({2, 5});
  CHECK_THROWS_WITH(check_weights(graph, weights),
                    "weights: fc.weight is [2, 5], the graph needs [5, 2]");
  weights = good;
  weights["fc.weight"] = HostTensor::zeros({5, 2}, DType::kI64);
  CHECK_THROWS_WITH(check_weights(graph, weights), "weights: fc.weight is I64, not a float");
  weights = good;
  weights["other.weight"] = HostTensor::zeros({1});
  CHECK_THROWS_WITH(check_weights(graph, weights),
                    "weights: the graph has no parameter \"other.weight\"");

  CHECK_THROWS_WITH(run_reference(graph, good, HostTensor::zeros({1, 2, 4, 3})),
                    "a batch of F32 [1, 2, 4, 3], the graph needs F32 [N, 2, 3, 4]");
  CHECK_THROWS_AS(run_reference(graph, good, HostTensor::zeros({0, 2, 3, 4})), Error);
  CHECK_THROWS_AS(run_reference(graph, good, HostTensor::zeros({2, 3, 4})), Error);
  CHECK_THROWS_AS(run_reference(graph, good, HostTensor::zeros({1, 2, 3, 4}, DType::kF16)), Error);
}
