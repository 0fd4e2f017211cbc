#include "fer/nn/low_rank.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/growth.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

Checkpoint small_net() {
  ArchitectureOptions options;
  options.input_size = 16;
  options.stages = {4, 16};
  options.blocks = {1};
  options.heads = {{"a", 3}};
  Checkpoint net;
  net.graph = make_architecture(options);
  net.weights = random_weights(net.graph, 1);
  return net;
}

constexpr const char* kConv = "stage2.block1.conv2";  // 16 to 16 channels

// The largest difference of a logit.
double difference(const Checkpoint& a, const Checkpoint& b) {
  const HostTensor batch = random_batch(a.graph, 3, 5);
  const auto x = run_reference(a.graph, a.weights, batch).at("a").to_floats(),
             y = run_reference(b.graph, b.weights, batch).at("a").to_floats();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    REQUIRE(std::isfinite(y[i]));
    largest = std::max(largest, std::abs(double{x[i]} - y[i]));
  }
  return largest;
}

}  // namespace

TEST_CASE("convolutions of low rank answer alike in two smaller steps") {
  Checkpoint net = small_net();
  // Of rank 2: every filter is a sum of two.
  HostTensor& weight = net.weights.at(std::string(kConv) + ".weight");
  const auto filters = weight.floats();
  const std::size_t size = filters.size() / 16;
  for (std::size_t o = 2; o < 16; ++o) {
    for (std::size_t i = 0; i < size; ++i)
      filters[o * size + i] = 0.3f * float(o) * filters[i] - 0.2f * filters[size + i];
  }
  const Checkpoint thin = low_rank(net, 2);
  const int in = thin.graph.find(std::string(kConv) + ".in");
  REQUIRE(in > 0);
  CHECK(thin.graph.shape(in)[0] == 2);
  CHECK(thin.graph.find(kConv) < 0);
  CHECK(thin.graph.find("stem.conv") > 0);  // 4 filters of 9 weights
  CHECK(thin.graph.find("stage2.block1.shortcut.conv") > 0);
  CHECK_NOTHROW(check_weights(thin.graph, thin.weights));
  CHECK(parameter_count(thin.graph) < parameter_count(net.graph));

  // The other convolution that became smaller is not of low rank; at 6 it stays as it is.
  REQUIRE(thin.graph.find("stage2.block1.conv1.in") > 0);
  const Checkpoint six = low_rank(net, 6);
  CHECK(six.graph.find("stage2.block1.conv1.in") <
        0);  // 6 * (36 + 16) is not less than half of 36 * 16
  CHECK(six.graph.find(std::string(kConv) + ".in") > 0);
  CHECK(difference(net, six) < 1e-4);
  CHECK(difference(net, thin) > 1e-4);
}

TEST_CASE("what is left out is what the batch norm behind makes least of") {
  Checkpoint net = small_net();
  const std::string norm = "stage2.block1.bn2.";
  // Two channels count, the others do not.
  const auto factors = net.weights.at(norm + "weight").floats();
  for (std::size_t c = 2; c < factors.size(); ++c) factors[c] = 0;
  const Checkpoint thin = low_rank(net, 6);
  CHECK(difference(net, thin) < 1e-3);
}

TEST_CASE("a layer without weights yet is made of two that have none, and a bias goes on") {
  Checkpoint net = small_net();
  const std::string name = kConv;
  net.weights.erase(name + ".weight");
  for (const char* suffix : {".weight", ".bias", ".running_mean", ".running_var"})
    net.weights.erase("stage2.block1.bn2" + std::string(suffix));
  const Checkpoint thin = low_rank(net, 6);
  CHECK(thin.graph.find(name + ".in") > 0);
  CHECK_FALSE(thin.weights.contains(name + ".in.weight"));

  Checkpoint biased;
  biased.graph.add("input", op::Input{8, 6, 6});
  biased.graph.add("conv", op::Conv2d{.out_channels = 8, .stride = 2, .bias = true}, {0});
  biased.graph.add("pool", op::GlobalAvgPool{}, {1});
  biased.graph.add_output("a", biased.graph.add("head", op::Linear{3}, {2}));
  biased.weights = random_weights(biased.graph, 4);
  const Checkpoint two = low_rank(biased, 3);
  CHECK_NOTHROW(check_weights(two.graph, two.weights));
  CHECK(two.weights.at("conv.out.bias").bytes == biased.weights.at("conv.bias").bytes);
  // Weights of zero are no reason for weights that are no numbers, nor for some that never learn.
  std::ranges::fill(biased.weights.at("conv.weight").floats(), 0.0f);
  const Checkpoint zero = low_rank(biased, 3);
  CHECK(difference(biased, zero) < 1e-6);
  CHECK(std::abs(zero.weights.at("conv.in.weight").floats()[0]) > 0);
}

TEST_CASE("a net of low rank can be widened and stays of low rank") {
  const Checkpoint thin = low_rank(small_net(), 2);
  const Checkpoint wide = widen(thin, {6, 24}, 1);
  CHECK(wide.graph.shape(wide.graph.find(std::string(kConv) + ".in"))[0] == 2);
  CHECK(difference(thin, wide) < 1e-3);
}

TEST_CASE("a rank that makes nothing smaller is refused") {
  const Checkpoint net = small_net();
  CHECK_THROWS_WITH(low_rank(net, 2'000'000'000), Contains("no convolution of the net"));
  CHECK_THROWS_WITH(low_rank(net, -3), Contains("a rank of -3 is not at least 1"));
  CHECK_THROWS_WITH(low_rank(net, 0), Contains("a rank of 0 is not at least 1"));
  CHECK_THROWS_WITH(low_rank(net, 8), Contains("a rank of 8: no convolution of the net"));
}
