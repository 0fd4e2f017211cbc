#include "fer/model/growth.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/seeded_weights.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

ArchitectureOptions two_stages(std::vector<int> channels, bool gated) {
  ArchitectureOptions options;
  options.input_size = 24;
  options.stages = std::move(channels);
  options.blocks = {1, 2};
  options.squeeze_excitation = gated;
  options.heads = {{"a", 3}, {"b", 2}};
  return options;
}

Checkpoint net_of(const ArchitectureOptions& options) {
  Checkpoint net;
  net.graph = make_architecture(options);
  net.weights = random_weights(net.graph, 1);
  return net;
}

}  // namespace

TEST_CASE("a deeper net answers as the one before, and is the net that its blocks make") {
  for (const bool gated : {false, true}) {
    ArchitectureOptions options = two_stages({4, 8}, gated);
    const Checkpoint old = net_of(options);

    const Checkpoint deeper = deepen(deepen(old, 1), 2);
    options.blocks = {2, 3};
    CHECK(deeper.graph == make_architecture(options));
    // What begins fresh may be anything.
    TensorMap weights = random_weights(deeper.graph, 2);
    for (const auto& [name, tensor] : deeper.weights) weights[name] = tensor;
    const HostTensor batch = random_batch(old.graph, 2, 3);
    const auto before = run_reference(old.graph, old.weights, batch);
    auto after = run_reference(deeper.graph, weights, batch);
    for (const auto& [head, logits] : before) {
      const bool same = after.at(head).bytes == logits.bytes;
      CHECK(same);
    }
    // And it can learn: with another weight there it answers differently.
    HostTensor& norm = weights.at("stage2.block3.bn2.weight");
    std::ranges::fill(norm.floats(), 0.5f);
    after = run_reference(deeper.graph, weights, batch);
    const bool moved = after.at("a").bytes != before.at("a").bytes;
    CHECK(moved);

    CHECK_THROWS_WITH(deepen(old, 3), Contains("stage 3 to deepen: the net has no residual block"));
    CHECK_THROWS_AS(deepen(old, 0), Error);
  }
}

TEST_CASE("a wider net answers as the one before, and its copies do not learn alike") {
  for (const bool gated : {false, true}) {
    INFO("gated: " << gated);
    ArchitectureOptions options = two_stages({8, 16}, gated);
    const Checkpoint old = net_of(options);

    const Checkpoint wide = widen(old, {12, 40}, 5);
    options.stages = {12, 40};
    CHECK(wide.graph == make_architecture(options));
    const HostTensor batch = random_batch(old.graph, 2, 3);
    const auto before = run_reference(old.graph, old.weights, batch);
    const auto after = run_reference(wide.graph, wide.weights, batch);
    for (const auto& [head, logits] : before) {
      const auto expected = logits.floats(), got = after.at(head).floats();
      REQUIRE(got.size() == expected.size());
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(std::abs(got[i] - expected[i]) <= 1e-4f * std::max(1.0f, std::abs(expected[i])));
    }
    // The head weighs no two channels alike, and a channel's readers share it in other ways.
    const auto head = wide.weights.at("head_a.weight").floats();
    for (int i = 0; i < 40; ++i) {
      for (int j = i + 1; j < 40; ++j) CHECK(head[i] != head[j]);
    }
    CHECK(widen(old, {12, 40}, 5).weights.at("head_a.weight").bytes ==
          wide.weights.at("head_a.weight").bytes);
    const bool other_seed = widen(old, {12, 40}, 6).weights.at("head_a.weight").bytes ==
                            wide.weights.at("head_a.weight").bytes;
    CHECK_FALSE(other_seed);

    CHECK(widen(old, {8, 16}, 5).graph == old.graph);
    CHECK(widen(old, {8, 16}, 5).weights.at("stem.conv.weight").bytes ==
          old.weights.at("stem.conv.weight").bytes);
    CHECK_THROWS_WITH(widen(old, {8}, 5), Contains("1 are given, the net has 2"));
    CHECK_THROWS_WITH(widen(old, {8, 12}, 5), Contains("stage 2 has 16 channels, more than 12"));
  }
  ArchitectureOptions plain;
  plain.name = "cnn";
  plain.stages = {4};
  plain.input_size = 24;
  plain.heads = {{"a", 3}};
  Checkpoint other;
  other.graph = make_architecture(plain);
  CHECK_THROWS_WITH(widen(other, {8}, 5), Contains("no residual block of compact's"));
}
