#include "fer/model/ensemble.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/pretrained.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/temp_folder.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

Checkpoint net_of(const std::string& architecture, int side, std::uint64_t seed) {
  ArchitectureOptions options;
  options.name = architecture;
  options.input_size = side;
  options.stages = {4, 8};
  options.blocks = {1};
  options.heads = {{"a", 3}, {"b", 2}};
  if (architecture == "cnn") options.dense = {5};
  Checkpoint net;
  net.graph = make_architecture(options);
  net.weights = random_weights(net.graph, seed);
  net.spec.architecture = architecture;
  net.spec.input_size = side;
  net.spec.resize = side + side / 8;
  net.spec.heads = {{"a", {"x", "y", "z"}, 1.25f, 0.4f}, {"b", {"yes", "no"}, 0.8f, 0.0f}};
  net.spec.default_head = "a";
  return net;
}

// The picture's mean over squares of `times` pixels.
std::vector<float> shrunk(const std::vector<float>& picture, int side, int times) {
  const int small = side / times;
  std::vector<float> result(static_cast<std::size_t>(small) * small);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x)
      result[(y / times) * small + x / times] += picture[y * side + x] / float(times * times);
  }
  return result;
}

std::vector<float> logits(const Checkpoint& net, const std::vector<float>& picture,
                          const std::string& head) {
  const int side = net.spec.input_size;
  const auto batch = HostTensor::from_floats({1, 1, side, side}, picture);
  return run_reference(net.graph, net.weights, batch).at(head).to_floats();
}

}  // namespace

TEST_CASE("nets joined answer with the mean of their logits, each at its scale and size") {
  std::vector<Checkpoint> nets = {net_of("compact", 16, 1), net_of("cnn", 48, 2),
                                  net_of("compact", 48, 3)};
  nets[0].spec.mean = {0.3f};
  nets[0].spec.std = {0.5f};
  nets[2].spec.scale = 1.0f / 128;
  nets[2].spec.heads[0].temperature = 0.5f;
  const Checkpoint joined = join_nets(nets);

  CHECK(joined.spec.input_size == 48);
  CHECK(joined.spec.resize == 54);
  CHECK(joined.spec.architecture == "compact + cnn + compact");
  CHECK(joined.spec.heads[0].temperature == Approx(std::cbrt(1.25 * 1.25 * 0.5)));
  CHECK(joined.spec.heads[0].uncertain_below == 0);
  CHECK_NOTHROW(check_spec(joined.spec, joined.graph));
  CHECK_NOTHROW(check_weights(joined.graph, joined.weights));

  // Bytes, so that what each net is fed can be told by its own spec.
  std::vector<float> bytes(48 * 48);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<float>((i * 37 + i / 48 * 11) % 256);
  const auto fed = [&](const ModelSpec& spec) {
    std::vector<float> values = shrunk(bytes, 48, 48 / spec.input_size);
    for (float& v : values) v = (v * spec.scale - spec.mean[0]) / spec.std[0];
    return values;
  };
  for (const HeadSpec& head : joined.spec.heads) {
    const auto answer = logits(joined, fed(joined.spec), head.name);
    std::vector<double> expected(head.labels.size());
    for (const Checkpoint& net : nets) {
      const auto own = logits(net, fed(net.spec), head.name);
      for (std::size_t k = 0; k < own.size(); ++k)
        expected[k] += own[k] / net.spec.head(head.name).temperature / 3;
    }
    REQUIRE(answer.size() == expected.size());
    for (std::size_t k = 0; k < answer.size(); ++k)
      CHECK(answer[k] / head.temperature == Approx(expected[k]).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("a joined net goes on as any other: it is stored, and its heads can be replaced") {
  const std::vector<Checkpoint> nets = {net_of("compact", 24, 1), net_of("compact", 24, 2)};
  const Checkpoint joined = join_nets(nets);
  // Of one size and scale, they read the input itself.
  CHECK(joined.graph.find("net1.stem.scaling") < 0);
  CHECK(joined.graph.find("net2.stem.input") < 0);
  const TemporaryFolder folder;
  save_checkpoint(folder / "joined.safetensors", joined);
  const Checkpoint stored = load_checkpoint(folder / "joined.safetensors");
  CHECK(stored.graph == joined.graph);
  CHECK(stored.spec == joined.spec);
  // What is before the one dropout can be computed once.
  const Node& last = joined.graph.nodes()[shared_features(joined.graph)];
  CHECK(last.name == "dropout");
  CHECK(joined.graph.nodes()[last.inputs[0]].name == "features");
  CHECK(std::ranges::count_if(joined.graph.nodes(), [](const Node& node) {
          return std::holds_alternative<op::Dropout>(node.operation);
        }) == 1);

  const Checkpoint other = replace_heads(joined, {{"new", {"p", "q"}}, joined.spec.heads[1]});
  CHECK(other.graph.shape(other.graph.outputs()[0].node) == Shape{2});
  CHECK(other.weights.at("head_b.weight").bytes == joined.weights.at("head_b.weight").bytes);
  CHECK_FALSE(other.weights.contains("head_new.weight"));
}

TEST_CASE("what programs look at in a checkpoint's past stays with the joined net") {
  std::vector<Checkpoint> nets = {net_of("compact", 24, 1), net_of("compact", 24, 2)};
  const auto drawn = [](int seed, int images) {
    return nlohmann::json{
        {"train_fraction", 0.8}, {"seed", seed}, {"images", std::to_string(images)}};
  };
  const nlohmann::json split = nlohmann::json::array({drawn(3, 100)});
  nets[0].spec.provenance = {{"seed", 1}, {"drawn_splits", split}, {"detect", true}};
  nets[0].spec.data_fingerprint = nets[1].spec.data_fingerprint = "same";
  nets[1].spec.provenance = {{"seed", 2}, {"drawn_splits", split}};
  ModelSpec spec = join_nets(nets).spec;
  CHECK(spec.provenance.at("drawn_splits") == split);
  CHECK(spec.provenance.at("detect") == true);
  CHECK(spec.provenance.at("ensemble").at(1).at("seed") == 2);
  CHECK(spec.data_fingerprint == "same");

  nets[1].spec.data_fingerprint = "other";
  CHECK(join_nets(nets).spec.data_fingerprint.empty());
  nets[1].spec.provenance["drawn_splits"].push_back(drawn(5, 200));  // of other pictures
  spec = join_nets(nets).spec;
  CHECK(spec.provenance.at("drawn_splits") ==
        nlohmann::json::array({drawn(3, 100), drawn(5, 200)}));
  nets[1].spec.provenance["drawn_splits"] = nlohmann::json::array({drawn(4, 100)});
  CHECK_THROWS_WITH(join_nets(nets),
                    Contains("net 2 learned from another split of the same pictures"));
  // Grouped, the same pictures have another print, but their names; with other names they are
  // others.
  nlohmann::json whole = drawn(3, 100), grouped = drawn(3, 101);
  whole["names"] = grouped["names"] = "n";
  grouped["group_by"] = "person";
  nets[0].spec.provenance["drawn_splits"] = nlohmann::json::array({whole});
  nets[1].spec.provenance["drawn_splits"] = nlohmann::json::array({grouped});
  CHECK_THROWS_WITH(join_nets(nets), Contains("another split of the same pictures"));
  whole["names"] = "m";
  whole["seed"] = 4;
  nets[1].spec.provenance["drawn_splits"] = nlohmann::json::array({whole});
  nets[1].spec.provenance["split"] = "older";
  CHECK(join_nets(nets).spec.provenance.at("drawn_splits").size() == 2);
  CHECK(join_nets(nets).spec.provenance.at("split") == "older");
}

TEST_CASE("nets that do not go together are not joined") {
  const Checkpoint first = net_of("compact", 24, 1);
  const auto refusal = [&](const Checkpoint& second) -> std::string {
    try {
      join_nets(std::vector{first, second});
    } catch (const Error& error) {
      return error.what();
    }
    return "joined";
  };
  REQUIRE(refusal(first) == "joined");
  CHECK_THROWS_WITH(join_nets(std::vector{first}), Contains("at least two nets"));

  Checkpoint other = first;
  other.spec.heads[1].labels = {"no", "yes"};
  CHECK(refusal(other) == "net 2 and the first do not go together: other heads or labels");
  other = first;
  other.spec.mixed_heads = {{"m", {"x", "y"}, {{"a", 1.0f}}}};
  CHECK_THAT(refusal(other), Contains("other mixed heads"));
  other = first;
  other.spec.colour = "rgb";
  CHECK_THAT(refusal(other), Contains("other colour (rgb)"));
  other = first;
  other.spec.crop_margin = 0.1f;
  CHECK_THAT(refusal(other), Contains("other margin around a face"));
  CHECK(refusal(net_of("compact", 32, 1)) ==
        "net 1: the largest input, 32 px, is no multiple of its 24");
  other = net_of("compact", 48, 1);
  other.spec.resize = 50;
  CHECK_THAT(refusal(other),
             Contains("net 1: its 24 px are cut of 27 from pixel 1 on, which is not "
                      "the place of 48 cut of 50 from pixel 1 on"));
  other.spec.resize = 54;  // the same share, but half a pixel beside
  CHECK_THAT(refusal(other), Contains("the place of 48 cut of 54 from pixel 3 on"));

  other = first;
  Graph deep;
  for (const Node& node : first.graph.nodes()) deep.add(node.name, node.operation, node.inputs);
  const int end = deep.add("end", op::Relu{}, {deep.find("head_a")});
  deep.add_output("a", end);
  deep.add_output("b", deep.find("head_b"));
  other.graph = deep;
  CHECK_THAT(refusal(other), Contains("net 2: its heads are no linear layers over the same"));
}
