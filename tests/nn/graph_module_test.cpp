// Torch first: the other way round glog's CHECK replaces Catch's.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <catch2/catch.hpp>

#include "fer/core/error.h"
#include "fer/core/random.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "fer/nn/graph_module.h"
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"
#include "support/op_cases.h"

using namespace fer;
using namespace fer::test;

namespace {

Logits run_torch(const Graph& graph, const TensorMap& weights, const HostTensor& input,
                 bool bf16 = false) {
  c10::InferenceMode inference;
  GraphModule module(graph, "cpu");
  module.load(weights);
  const Autocast autocast(bf16, "cpu");
  Logits logits;
  for (const auto& [head, tensor] : module.forward(to_torch(input)))
    logits[head] = from_torch(tensor);
  return logits;
}

Graph small_net(float dropout) {
  Graph g;
  int x = g.add("input", op::Input{1, 8, 8});
  x = g.add("conv", op::Conv2d{4, 3, 3, 1, Padding::all(1), 1, false}, {x});
  const int skip = x;
  x = g.add("bn", op::BatchNorm{}, {x});
  x = g.add("add", op::Add{}, {x, skip});
  x = g.add("pool", op::GlobalAvgPool{}, {x});
  x = g.add("dropout", op::Dropout{dropout}, {x});
  g.add_output("a", g.add("head", op::Linear{3, true}, {x}));
  return g;
}

}  // namespace

TEST_CASE("libtorch agrees with the reference on every operation") {
  set_torch_threads(0);
  for (const OpCase& c : op_cases()) {
    INFO(c.name);
    CHECK(relative_error(run_torch(c.graph, c.weights, c.input), expected(c)) < 1e-5);
  }
}

TEST_CASE("libtorch agrees with the reference on every architecture") {
  for (const std::string& name : architecture_names()) {
    INFO(name);
    ArchitectureOptions options;
    options.name = name;
    options.heads = {{"a", 7}, {"b", 3}};
    options.squeeze_excitation = name == "compact";
    // The reference is slow: the large net is looked at with thin dense layers.
    if (name == "cnn-large") {
      options.dense = {64, 64};
      options.dense_given = true;
    }
    const Graph graph = make_architecture(options);
    const TensorMap weights = random_weights(graph, 1);
    const HostTensor input = random_batch(graph, 2, 2);
    CHECK(relative_error(run_torch(graph, weights, input), run_reference(graph, weights, input)) <
          1e-4);
  }
}

TEST_CASE("bf16 stays within its rounding of fp32") {
  ArchitectureOptions options;
  options.heads = {{"a", 7}};
  const Graph graph = make_architecture(options);
  const TensorMap weights = random_weights(graph, 1);
  const HostTensor input = random_batch(graph, 4, 2);
  const double error =
      relative_error(run_torch(graph, weights, input, true), run_torch(graph, weights, input));
  CHECK(error < 0.05);
  CHECK(error > 0);  // it really ran in bf16
}

TEST_CASE("weights come back as they were loaded") {
  const Graph graph = small_net(0);
  const TensorMap weights = random_weights(graph, 3);
  GraphModule module(graph, "cpu");
  module.load(weights);
  const TensorMap saved = module.save();
  REQUIRE(saved.size() == weights.size());
  for (const auto& [name, tensor] : weights) CHECK((saved.at(name).bytes == tensor.bytes));

  TensorMap incomplete = weights;
  incomplete.erase("conv.weight");
  CHECK_THROWS_WITH(module.load(incomplete), Catch::Contains("conv.weight"));
}

TEST_CASE("initial weights depend on seed and name alone, and batch norm starts as the identity") {
  GraphModule a(small_net(0), "cpu"), b(small_net(0.5f), "cpu"), c(small_net(0), "cpu");
  a.initialise(1);
  b.initialise(1);
  c.initialise(2);
  CHECK((a.save().at("conv.weight").bytes == b.save().at("conv.weight").bytes));
  CHECK((a.save().at("conv.weight").bytes != c.save().at("conv.weight").bytes));
  // Another layer before it takes nothing from it.
  Graph longer;
  int x = longer.add("input", op::Input{1, 8, 8});
  x = longer.add("early", op::Conv2d{1, 3, 3, 1, Padding::all(1), 1, false}, {x});
  x = longer.add("conv", op::Conv2d{4, 3, 3, 1, Padding::all(1), 1, false}, {x});
  longer.add_output("b", longer.add("pool", op::GlobalAvgPool{}, {x}));
  GraphModule d(longer, "cpu");
  d.initialise(1);
  CHECK((a.save().at("conv.weight").bytes == d.save().at("conv.weight").bytes));
  for (const float v : a.save().at("bn.weight").to_floats()) CHECK(v == 1.0f);
  for (const float v : a.save().at("bn.running_var").to_floats()) CHECK(v == 1.0f);
}

TEST_CASE("the spread of initial convolution weights is He's by fan-out") {
  Graph g;
  int x = g.add("input", op::Input{16, 8, 8});
  x = g.add("conv", op::Conv2d{64, 3, 3, 1, Padding::all(1), 1, false}, {x});
  g.add_output("a", g.add("head", op::Linear{2, true}, {g.add("pool", op::GlobalAvgPool{}, {x})}));
  GraphModule module(g, "cpu");
  module.initialise(0);
  double square = 0;
  const auto values = module.save().at("conv.weight").to_floats();
  for (const float v : values) square += static_cast<double>(v) * v;
  CHECK(square / static_cast<double>(values.size()) == Approx(2.0 / (64 * 9)).epsilon(0.05));
}

TEST_CASE("gradients are the slopes of the loss along every parameter") {
  ArchitectureOptions options;
  options.input_size = 16;
  options.stages = {4, 8};
  options.dropout = 0;
  options.heads = {{"a", 3}};
  const Graph graph = make_architecture(options);
  GraphModule module(graph, "cpu");
  module.load(random_weights(graph, 11));
  const auto input = to_torch(random_batch(graph, 8, 12));
  const auto mix = to_torch(random_batch(graph, 1, 13)).flatten().slice(0, 0, 24).view({8, 3});
  ForwardOptions training;
  training.training = true;
  const auto loss = [&] {
    return (at::log_softmax(module.forward(input, training).at("a"), 1) * mix).sum();
  };
  loss().backward();
  const auto names = module.trainable_names();
  const auto parameters = module.trainable();
  for (std::size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    at::Tensor p = parameters[i];
    const auto gradient = p.grad().clone();
    // Along the gradient itself the slope is its norm.
    const double norm = gradient.norm().item<double>();
    const double step =
        1e-2 * std::max(1.0, p.detach().norm().item<double>()) / std::max(norm, 1e-6) / 10;
    at::NoGradGuard no_grad;
    p.add_(gradient, step);
    const double up = loss().item<double>();
    p.add_(gradient, -2 * step);
    const double down = loss().item<double>();
    p.add_(gradient, step);
    CHECK((up - down) / (2 * step) == Approx(norm * norm).epsilon(0.2).margin(1e-3));
  }
}

TEST_CASE("dropout is decided by the step's seed and is off outside training") {
  const Graph graph = small_net(0.5f);
  GraphModule module(graph, "cpu");
  module.load(random_weights(graph, 5));
  const auto input = to_torch(random_batch(graph, 4, 6));
  const auto run = [&](bool training, std::uint64_t seed) {
    ForwardOptions options;
    options.training = training;
    options.seed = seed;
    return from_torch(module.forward(input, options).at("a")).bytes;
  };
  CHECK((run(true, 1) == run(true, 1)));
  CHECK((run(true, 1) != run(true, 2)));
  // Batch statistics moved the running ones, so inference is compared with itself.
  CHECK((run(false, 1) == run(false, 2)));
}

TEST_CASE("dropout keeps the mean") {
  Graph g;
  int x = g.add("input", op::Input{1, 32, 32});
  x = g.add("flat", op::Flatten{}, {x});
  g.add_output("a", g.add("dropout", op::Dropout{0.25f}, {x}));
  GraphModule module(g, "cpu");
  ForwardOptions options;
  options.training = true;
  options.seed = 3;
  const auto out = module.forward(at::ones({16, 1, 32, 32}), options).at("a");
  CHECK(out.mean().item<double>() == Approx(1.0).margin(0.02));
  CHECK((out == 0).to(at::kFloat).mean().item<double>() == Approx(0.25).margin(0.02));
}

TEST_CASE("stochastic depth drops whole samples, more of a later branch, and keeps the mean") {
  Graph g;
  const int x = g.add("input", op::Input{1, 4, 4});
  const int branch = g.add("relu", op::Relu{}, {x});
  const auto output = [&g](const std::string& name, int node) {
    g.add_output(name, g.add(name + "_flat", op::Flatten{}, {node}));
  };
  const int first = g.add("first_add", op::Add{}, {branch, x});
  output("first", first);
  output("last", g.add("last_add", op::Add{}, {branch, first}));
  // Of a way beside, as two nets that were joined have: how far it is on its own way counts.
  output("beside", g.add("beside_add", op::Add{}, {branch, x}));
  GraphModule module(g, "cpu");
  ForwardOptions options;
  options.training = true;
  options.seed = 9;
  options.drop_path = 0.5f;
  const auto outputs = module.forward(at::ones({400, 1, 4, 4}), options);
  const at::Tensor ones = at::ones({400, 16});
  for (const auto& [name, rate, before] : {std::tuple{"first", 0.25, ones},
                                           {"last", 0.5, outputs.at("first")},
                                           {"beside", 0.25, ones}}) {
    INFO(name);
    const at::Tensor out = outputs.at(name) - before + 1;
    int dropped = 0;
    for (int i = 0; i < 400; ++i) {
      const double value = out[i][0].item<double>();
      CHECK(at::allclose(out[i], ones[0] * value));
      CHECK((value == Approx(1.0) || value == Approx(1 + 1 / (1 - rate))));
      dropped += value == Approx(1.0);
    }
    CHECK(dropped > 400 * rate - 40);
    CHECK(dropped < 400 * rate + 40);
  }
}

TEST_CASE("an unknown device is one clear line") {
  CHECK(resolve_device("cpu") == "cpu");
  CHECK_THROWS_WITH(resolve_device("tpu"), Catch::Contains("device tpu"));
  CHECK_THROWS_WITH(resolve_bf16("fp8", "cpu"), Catch::Contains("amp fp8"));
}

TEST_CASE("the libtorch classifier answers with the reference's probabilities") {
  Checkpoint checkpoint;
  checkpoint.graph = small_net(0.5f);
  checkpoint.weights = random_weights(checkpoint.graph, 4);
  checkpoint.spec.resize = checkpoint.spec.input_size = 8;
  checkpoint.spec.heads = {{"a", {"x", "y", "z"}, 1.5f, 0.0f}};
  checkpoint.spec.default_head = "a";
  std::vector<Image> crops;
  for (int i = 0; i < 5; ++i) {
    Image image(10, 12, 3);
    Rng rng{7, static_cast<std::uint64_t>(i)};
    for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
    crops.push_back(image);
  }
  TorchClassifierOptions options;
  options.device = "cpu";
  const auto answers = make_torch_classifier(checkpoint, options)->classify(crops, 2);
  const auto batch = preprocess(checkpoint.spec, crops);
  const auto wanted =
      to_probabilities(checkpoint.spec, run_reference(checkpoint.graph, checkpoint.weights, batch));
  REQUIRE(answers.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t c = 0; c < 3; ++c)
      CHECK(answers[i].at("a")[c] == Approx(wanted[i].at("a")[c]).margin(1e-5));
  }
}

TEST_CASE("the program's own mixed precision is again as it was") {
  const auto is_bf16 = [] {
    const auto x = at::ones({4, 4});
    return at::mm(x, x).scalar_type() == at::kBFloat16;
  };
  {
    const Autocast mine(true, "cpu");
    CHECK(is_bf16());
    {
      const Autocast exact(false, "cpu");  // shields what is in it
      CHECK_FALSE(is_bf16());
    }
    { const Autocast again(true, "cpu"); }
    CHECK(is_bf16());
  }
  CHECK_FALSE(is_bf16());
}
