#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/infer/fused_graph.h"
#include "fer/infer/onednn_classifier.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/skip.h"

using namespace fer;

namespace {

test::Logits run_program(const test::OpCase& c, Precision precision, const Ranges& ranges = {}) {
  OnednnProgram program(fuse(c.graph, c.weights), precision, 1, ranges);
  const auto batch = static_cast<int>(c.input.shape[0]);
  // Twice: what a run leaves behind must not show in the next one.
  program.run(batch, test::random_batch(c.graph, batch, 99).floats().data());
  program.run(batch, c.input.floats().data());
  test::Logits logits;
  for (const Output& output : c.graph.outputs()) {
    logits[output.head] = HostTensor::from_floats({batch, c.graph.shape(output.node)[0]},
                                                  program.logits(batch, output.head));
  }
  return logits;
}

Checkpoint random_checkpoint(ArchitectureOptions options) {
  options.heads = {{"fer2013", 7}, {"ferplus", 8}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.weights = test::random_weights(checkpoint.graph, 11);
  ModelSpec& spec = checkpoint.spec;
  spec.resize = spec.input_size = checkpoint.graph.input().height;
  if (options.channels == 3) {
    spec.colour = "rgb";
    spec.mean = spec.std = {0.5f, 0.5f, 0.5f};
  }
  spec.heads = {{"fer2013", {"a", "b", "c", "d", "e", "f", "g"}, 1.0f, 0.0f},
                {"ferplus", {"a", "b", "c", "d", "e", "f", "g", "h"}, 1.0f, 0.0f}};
  spec.default_head = "fer2013";
  return checkpoint;
}

double largest_probability_difference(const ModelSpec& spec, const test::Logits& a,
                                      const test::Logits& b) {
  const auto x = to_probabilities(spec, a), y = to_probabilities(spec, b);
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (const auto& [head, probabilities] : x[i]) {
      for (std::size_t k = 0; k < probabilities.size(); ++k) {
        largest = std::max(largest, std::abs(double{probabilities[k]} - y[i].at(head)[k]));
      }
    }
  }
  return largest;
}

template <class Op>
int count(const FusedGraph& graph) {
  return static_cast<int>(std::ranges::count_if(graph.layers, [](const FusedLayer& layer) {
    return std::holds_alternative<Op>(layer.operation);
  }));
}

FusedGraph fused(const std::string& architecture) {
  ArchitectureOptions options;
  options.name = architecture;
  options.dense = {10, 10};
  options.dense_given = architecture != "compact";
  const Checkpoint checkpoint = random_checkpoint(options);
  return fuse(checkpoint.graph, checkpoint.weights);
}

}  // namespace

TEST_CASE("fusing gives the sums and activations of a residual net to its convolutions") {
  const FusedGraph graph = fused("compact");
  CHECK(count<op::Conv2d>(graph) == 1 + 2 * 7 + 3);
  CHECK(count<op::Add>(graph) + count<op::Relu>(graph) + count<op::Dropout>(graph) == 0);
  int sums = 0, relus = 0;
  for (const FusedLayer& layer : graph.layers) {
    sums += layer.sum >= 0;
    relus += layer.activation == Activation::kRelu;
    for (const int input : layer.inputs) CHECK(&graph.layers[input] < &layer);
    if (layer.sum >= 0) CHECK(&graph.layers[layer.sum] < &layer);
  }
  CHECK(sums == 7);
  CHECK(relus == 1 + 2 * 7);
}

TEST_CASE("fusing leaves a plain net nothing but convolutions, pooling and dense layers") {
  for (const std::string name : {"cnn", "cnn-large"}) {
    const FusedGraph graph = fused(name);
    const int known =
        1 + count<op::Conv2d>(graph) + count<op::MaxPool>(graph) + count<op::Linear>(graph);
    CHECK(static_cast<int>(graph.layers.size()) == known);
  }
}

TEST_CASE("oneDNN agrees with the reference on every operation") {
  for (const test::OpCase& c : test::op_cases()) {
    INFO(c.name);
    CHECK(test::relative_error(run_program(c, Precision::kF32), test::expected(c)) < 1e-5);
  }
}

TEST_CASE("oneDNN in bf16 is as near to the reference as 8 bits allow, on every operation") {
  if (!cpu_has_bf16()) {
    test::skip("this CPU has no bf16");
    return;
  }
  for (const test::OpCase& c : test::op_cases()) {
    INFO(c.name);
    CHECK(test::relative_error(run_program(c, Precision::kBf16), test::expected(c)) < 0.03);
  }
}

TEST_CASE(
    "oneDNN in int8 is as near to the reference as 8 bits a layer allow, on every operation") {
  if (!cpu_has_int8()) {
    test::skip("this CPU has no int8");
    return;
  }
  for (const test::OpCase& c : test::op_cases()) {
    INFO(c.name);
    const Ranges ranges = calibrate({c.graph, {}, c.weights}, c.input);
    CHECK(test::relative_error(run_program(c, Precision::kInt8, ranges), test::expected(c)) < 0.06);
  }
}

TEST_CASE("int8 works on batches of any size and is refused without a calibration") {
  if (!cpu_has_int8()) {
    test::skip("this CPU has no int8");
    return;
  }
  for (const std::string name : {"cnn", "compact"}) {
    CAPTURE(name);
    ArchitectureOptions options;
    options.name = name;
    options.stages = {8, 16};
    options.squeeze_excitation = name == "compact";
    if (name == "cnn") options.dense = {32};  // a layer that is no head's
    Checkpoint checkpoint = random_checkpoint(options);
    CHECK_THROWS_WITH(make_onednn_classifier(checkpoint, {"int8", 1}),
                      Catch::Contains("let fer-export calibrate"));
    const HostTensor batch = test::random_batch(checkpoint.graph, 73, 3);
    checkpoint.ranges = calibrate(checkpoint, batch);
    const auto exact = make_onednn_classifier(checkpoint, {"fp32", 1})->logits(batch);
    const auto rough = make_onednn_classifier(checkpoint, {"int8", 1})->logits(batch);
    const double error = test::relative_error(rough, exact);
    CHECK(error < 0.15);
    CHECK(error > 1e-4);  // it is another arithmetic
  }
}

TEST_CASE("calibration finds what 19 samples of 20 keep to, of every layer's result") {
  ArchitectureOptions options;
  options.stages = {8, 16};
  const Checkpoint checkpoint = random_checkpoint(options);
  HostTensor batch = test::random_batch(checkpoint.graph, 40, 3);
  const std::size_t pixels = batch.floats().size() / 40;
  for (std::size_t i = 0; i < 40; ++i) {
    batch.floats()[i * pixels + 7] = 100 + static_cast<float>(i * 7 % 40);  // up to 139
    batch.floats()[i * pixels + 9] = -200 - static_cast<float>(i * 9 % 40);
  }
  const Ranges ranges = calibrate(checkpoint, batch);
  CHECK(ranges.at("input").high == 137);
  CHECK(ranges.at("input").low == -237);
  CHECK(ranges.at("stem.relu").low == 0);
  CHECK(ranges.at("stem.relu").high > 0);
  CHECK(calibrate(checkpoint, test::random_batch(checkpoint.graph, 1, 3)).at("input").high > 0);
  for (const FusedLayer& layer : fuse(checkpoint.graph, checkpoint.weights).layers) {
    CHECK(ranges.contains(layer.name));
  }
}

TEST_CASE("oneDNN agrees with the reference on whole networks and batches of any size") {
  struct Net {
    std::string name;
    int size, channels, batch;
    bool gates;
  };
  const Net net = GENERATE(Net{"compact", 0, 1, 9, false}, Net{"compact", 48, 3, 3, true},
                           Net{"compact", 33, 1, 1, true}, Net{"cnn", 0, 1, 2, false},
                           Net{"cnn", 30, 3, 3, false}, Net{"cnn-large", 0, 1, 1, false},
                           Net{"resnet50v2", 0, 3, 2, false});
  CAPTURE(net.name, net.size, net.batch);
  ArchitectureOptions options;
  options.name = net.name;
  options.input_size = net.size;
  options.channels = net.channels;
  options.squeeze_excitation = net.gates;
  const Checkpoint checkpoint = random_checkpoint(options);
  const HostTensor batch = test::random_batch(checkpoint.graph, net.batch, 3);
  const auto expected = run_reference(checkpoint.graph, checkpoint.weights, batch);

  const auto exact = make_onednn_classifier(checkpoint, {"fp32", 1})->logits(batch);
  CHECK(test::relative_error(exact, expected) < 1e-4);
  CHECK(largest_probability_difference(checkpoint.spec, exact, expected) < 1e-5);
  if (cpu_has_bf16()) {
    const auto rough = make_onednn_classifier(checkpoint, {"bf16", 1})->logits(batch);
    CHECK(test::relative_error(rough, expected) < 0.05);
  }
}

TEST_CASE("a sample's answer does not depend on the batch or the threads it is computed with") {
  ArchitectureOptions options;
  options.stages = {8, 16};
  const Checkpoint checkpoint = random_checkpoint(options);
  const HostTensor batch = test::random_batch(checkpoint.graph, 75, 3);  // 64 + 8 + 3 of 8
  const auto classifier = make_onednn_classifier(checkpoint, {"fp32", 2});
  const auto single = make_onednn_classifier(checkpoint, {"fp32", 1});
  const auto together = classifier->logits(batch).at("fer2013");
  CHECK(together.shape == Shape{75, 7});
  const std::size_t pixels = batch.floats().size() / 75;
  for (const int i : {0, 63, 64, 71, 72, 74}) {
    const auto one =
        HostTensor::from_floats({1, 1, 44, 44}, batch.floats().subspan(i * pixels, pixels));
    const auto alone = single->logits(one).at("fer2013");
    for (int k = 0; k < 7; ++k) {
      CHECK(alone.floats()[k] == Approx(together.floats()[i * 7 + k]).margin(1e-4));
    }
  }
}

TEST_CASE("a batch or checkpoint that does not fit is refused before anything runs") {
  ArchitectureOptions options;
  options.stages = {8, 16};
  Checkpoint checkpoint = random_checkpoint(options);
  const auto classifier = make_onednn_classifier(checkpoint);
  CHECK_THROWS_AS(classifier->logits(HostTensor::zeros({1, 1, 48, 48})), Error);
  CHECK(classifier->spec() == checkpoint.spec);
  checkpoint.weights.erase("stem.conv.weight");
  CHECK_THROWS_WITH(make_onednn_classifier(checkpoint), "weights: stem.conv.weight is missing");
}

TEST_CASE("auto takes int8 where it is calibrated, else bf16, as far as the CPU does") {
  ArchitectureOptions options;
  options.stages = {8, 16};
  Checkpoint checkpoint = random_checkpoint(options);
  const HostTensor batch = test::random_batch(checkpoint.graph, 2, 3);
  const auto answer = [&](const std::string& precision) {
    return make_onednn_classifier(checkpoint, {precision, 1})->logits(batch);
  };
  const std::string best = cpu_has_bf16() ? "bf16" : "fp32";
  CHECK(test::relative_error(answer("auto"), answer(best)) == 0);
  checkpoint.ranges = calibrate(checkpoint, batch);
  CHECK(test::relative_error(answer("auto"), answer(cpu_has_int8() ? "int8" : best)) == 0);
}
