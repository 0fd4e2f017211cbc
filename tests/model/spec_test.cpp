#include "fer/model/spec.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "fer/core/error.h"
#include "fer/model/classifier.h"

using namespace fer;
using Catch::Contains;
using nlohmann::json;

namespace {

using Floats = std::vector<float>;

ModelSpec two_heads() {
  ModelSpec spec;
  spec.architecture = "compact";
  spec.resize = 6;
  spec.input_size = 4;
  spec.crop_margin = 0.1f;
  spec.heads = {{"fer2013", {"angry", "disgusted", "happy"}, 1.0f, 0.25f},
                {"ferplus", {"happy", "angry", "sad"}, 2.0f, 0.0f}};
  spec.mixed_heads = {
      {"mean", {"angry", "happy"}, {{"fer2013", 1.0f}, {"ferplus", 3.0f}}, 2.0f, 0.5f}};
  spec.default_head = "mean";
  spec.data_fingerprint = "00c0ffee";
  spec.provenance = {{"epoch", 3}, {"metrics", {{"accuracy", 0.7}}}};
  return spec;
}

Graph graph_of(const ModelSpec& spec) {
  Graph graph;
  graph.add("input", op::Input{spec.channels(), spec.input_size, spec.input_size});
  graph.add("pool", op::GlobalAvgPool{}, {0});
  for (const HeadSpec& head : spec.heads) {
    const auto classes = static_cast<int>(head.labels.size());
    graph.add_output(head.name, graph.add("head_" + head.name, op::Linear{classes}, {1}));
  }
  return graph;
}

std::string refusal(const json& value) {
  try {
    spec_from_json(value);
  } catch (const Error& error) {
    CHECK(error.fault() == Fault::kInput);
    return error.what();
  }
  return "accepted";
}

// Answers every crop with its index and its mean value, and remembers the sizes of the batches.
class CountingClassifier : public Classifier {
 public:
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    batches.push_back(static_cast<int>(batch.shape[0]));
    Floats values;
    const auto input = batch.floats();
    for (int i = 0; i < batches.back(); ++i) {
      values.insert(values.end(), {input[i * 16], 0});
    }
    return {{"y", HostTensor::from_floats({batches.back(), 2}, values)}};
  }
  std::vector<int> batches;

 private:
  ModelSpec spec_ = [] {
    ModelSpec spec;
    spec.resize = spec.input_size = 4;
    spec.mean = {0};
    spec.std = {1};
    spec.scale = 1;
    spec.heads = {{"y", {"a", "b"}, 1.0f, 0.0f}};
    spec.default_head = "y";
    return spec;
  }();
};

}  // namespace

TEST_CASE("a spec comes back from JSON as it was") {
  const ModelSpec spec = two_heads();
  CHECK(spec_from_json(json::parse(to_json(spec).dump())) == spec);
  CHECK(to_json(spec)["crop_margin"].dump() == "0.1");
  ModelSpec colour = spec;
  colour.colour = "bgr";
  colour.scale = 1;
  colour.mean = {103.939f, 116.779f, 123.68f};
  colour.std = {1, 1, 1};
  CHECK(spec_from_json(json::parse(to_json(colour).dump())) == colour);
}

TEST_CASE("a spec with anything unknown, missing or out of range is refused") {
  json value = to_json(two_heads());
  SECTION("keys") {
    const json whole = value;
    for (const auto& [key, ignored] : whole.items()) {
      json without = value;
      without.erase(key);
      CHECK(refusal(without) == "spec: '" + key + "' is missing");
    }
    value["heads"][0]["colour"] = 1;
    CHECK(refusal(value) == "spec head 0: unknown key \"colour\"");
    value = to_json(two_heads());
    value["x\n"] = 1;
    CHECK(refusal(value) == "spec: unknown key \"x\\n\"");
  }
  SECTION("values") {
    const auto with = [&](const char* key, const json& changed) {
      json copy = value;
      copy[key] = changed;
      return refusal(copy);
    };
    CHECK_THAT(with("resize", 3), Contains("resize 3 is not between 4 and"));
    CHECK_THAT(with("input_size", 0), Contains("'input_size' must be"));
    CHECK_THAT(with("colour", "grey"), Contains("colour \"grey\" is not gray, gray3, rgb or bgr"));
    CHECK_THAT(with("mean", {0.5, 0.5}), Contains("2 means and 1 deviations for 1 channels"));
    CHECK_THAT(with("std", {0}), Contains("std 0 is not"));
    CHECK_THAT(with("scale", nullptr), Contains("'scale' must be a finite number, got null"));
    CHECK_THAT(with("scale", 1e300), Contains("'scale' must be a finite number"));
    CHECK_THAT(with("crop_margin", "wide"), Contains("'crop_margin'"));
    CHECK_THAT(with("heads", json::array()), Contains("no heads"));
    CHECK_THAT(with("default_head", "ferplu"), Contains("'ferplu', did you mean 'ferplus'?"));
    CHECK_THAT(with("provenance", 3), Contains("'provenance' must be an object"));
  }
  SECTION("heads") {
    value["heads"][0]["temperature"] = 0;
    CHECK_THAT(refusal(value), Contains("temperature of fer2013 0"));
    value["heads"][0]["temperature"] = 1;
    value["heads"][0]["labels"] = {"angry", "happy", "angry"};
    CHECK_THAT(refusal(value), Contains("label 'angry' twice"));
    value["heads"][0]["labels"] = {"angry", "happy\n"};
    CHECK_THAT(refusal(value), Contains("label \"happy\\n\""));
    value["heads"][0]["labels"] = json::array();
    CHECK_THAT(refusal(value), Contains("no labels"));
    value = to_json(two_heads());
    value["heads"][1]["name"] = "fer2013";
    CHECK_THAT(refusal(value), Contains("'fer2013' stands twice"));
  }
  SECTION("mixed heads") {
    value["mixed_heads"][0]["labels"] = {"angry", "sad"};
    CHECK_THAT(refusal(value), Contains("label 'sad', its part 'fer2013' has not"));
    value = to_json(two_heads());
    value["mixed_heads"][0]["parts"][0]["head"] = "mean";
    CHECK_THAT(refusal(value), Contains("unknown head 'mean'"));
    value = to_json(two_heads());
    value["mixed_heads"][0]["parts"].push_back(value["mixed_heads"][0]["parts"][0]);
    CHECK_THAT(refusal(value), Contains("has the part 'fer2013' twice"));
    value["mixed_heads"][0]["parts"] = json::array();
    CHECK_THAT(refusal(value), Contains("no parts"));
    value = to_json(two_heads());
    value["mixed_heads"][0]["parts"][0]["weight"] = -1;
    CHECK_THAT(refusal(value), Contains("weight of fer2013 -1"));
    value = to_json(two_heads());
    value["mixed_heads"][0]["temperature"] = 0;
    CHECK_THAT(refusal(value), Contains("temperature of mean 0"));
    value["mixed_heads"][0].erase("temperature");  // files from before mixed heads had one
    CHECK(spec_from_json(value).mixed_heads[0].temperature == 1.0f);
  }
}

TEST_CASE("a spec that does not fit its graph is refused, saying what differs") {
  const ModelSpec spec = two_heads();
  const Graph graph = graph_of(spec);
  CHECK_NOTHROW(check_spec(spec, graph));
  ModelSpec wrong = spec;
  SECTION("colour") {
    wrong.colour = "rgb";
    wrong.mean = wrong.std = {1, 1, 1};
    CHECK_THROWS_WITH(check_spec(wrong, graph),
                      "spec: colour rgb has 3 channels, the graph takes 1");
  }
  SECTION("size") {
    wrong.input_size = 5;
    CHECK_THROWS_WITH(check_spec(wrong, graph), "spec: input_size 5, the graph takes 4x4");
  }
  SECTION("labels") {
    wrong.heads[1].labels.push_back("neutral");
    CHECK_THROWS_WITH(check_spec(wrong, graph),
                      "spec: head 'ferplus' has 4 labels, the graph 3 classes");
  }
  SECTION("heads") {
    wrong.heads.push_back({"more", {"a"}, 1.0f, 0.0f});
    CHECK_THROWS_WITH(check_spec(wrong, graph), "spec: the graph has no head 'more'");
    wrong = spec;
    wrong.mixed_heads.clear();
    wrong.default_head = "fer2013";
    wrong.heads.pop_back();
    CHECK_THROWS_WITH(check_spec(wrong, graph), "spec: the graph's head 'ferplus' is missing");
  }
}

TEST_CASE("heads are found by name, mixed ones too") {
  const ModelSpec spec = two_heads();
  CHECK(spec.head("ferplus").temperature == 2.0f);
  CHECK_THROWS_WITH(spec.head("x"), Contains("there are fer2013, ferplus"));
  CHECK(labels_of(spec, "mean") == LabelList{"angry", "happy"});
  CHECK(labels_of(spec, "fer2013").size() == 3);
  CHECK(temperature(spec, "mean") == 2.0f);
  CHECK(temperature(spec, "fer2013") == spec.heads[0].temperature);
  CHECK_THROWS_AS(temperature(spec, "x"), Error);
  CHECK(uncertain_below(spec, "mean") == 0.5f);
  CHECK(uncertain_below(spec, "fer2013") == 0.25f);
  CHECK_THROWS_WITH(labels_of(spec, "x"), Contains("there are fer2013, ferplus, mean"));
  CHECK_THROWS_AS(uncertain_below(spec, "x"), Error);
}

TEST_CASE("preprocessing cuts the centre and scales") {
  ModelSpec spec = two_heads();  // 6 -> 4, mean .5, std .25, scale 1/255
  Image image(6, 6, 1);
  std::iota(image.pixels.begin(), image.pixels.end(), std::uint8_t{0});
  const HostTensor batch = preprocess(spec, std::vector{image, Image(6, 6, 1, 255)});
  CHECK(batch.shape == Shape{2, 1, 4, 4});
  const auto values = batch.floats();
  // Row 1, column 1 of 6 is pixel 7; row 4, column 4 is pixel 28.
  CHECK(values[0] == Approx((7 / 255.0 - 0.5) / 0.25));
  CHECK(values[15] == Approx((28 / 255.0 - 0.5) / 0.25));
  CHECK(values[16] == Approx(2.0));
}

TEST_CASE("preprocessing brings every colour and size to what the net was trained on") {
  ModelSpec spec = two_heads();
  spec.resize = spec.input_size = 2;
  spec.scale = 1;
  Image red(10, 8, 3);
  for (int i = 0; i < 80; ++i) red.pixels[3 * i] = 200;
  SECTION("gray by luma") {
    spec.mean = {10};
    spec.std = {2};
    Floats out;
    preprocess(spec, red, out);
    CHECK(out == Floats(4, (60 - 10) / 2.0f));  // .299 * 200 = 59.8
  }
  SECTION("gray3 is gray, whatever the picture") {
    spec.colour = "gray3";
    spec.mean = {0, 0, 0};
    spec.std = {1, 1, 1};
    Floats out;
    preprocess(spec, red, out);
    CHECK(out == Floats(12, 60));
  }
  SECTION("channels in the order of the spec, each with its mean") {
    spec.mean = {1, 2, 3};
    spec.std = {1, 1, 1};
    Floats rgb, bgr;
    spec.colour = "rgb";
    preprocess(spec, red, rgb);
    CHECK(rgb == Floats{199, 199, 199, 199, -2, -2, -2, -2, -3, -3, -3, -3});
    spec.colour = "bgr";
    preprocess(spec, red, bgr);
    CHECK(bgr == Floats{-1, -1, -1, -1, -2, -2, -2, -2, 197, 197, 197, 197});
  }
  SECTION("a gray picture fills all channels") {
    spec.colour = "rgb";
    spec.mean = {0, 0, 0};
    spec.std = {1, 1, 1};
    Floats out;
    preprocess(spec, Image(5, 5, 1, 9), out);
    CHECK(out == Floats(12, 9));
  }
  SECTION("an empty picture is refused") {
    Floats out;
    CHECK_THROWS_AS(preprocess(spec, Image(), out), Error);
  }
}

TEST_CASE("softmax sums to 1, is flattened by temperature and survives large logits") {
  const Floats even = softmax(Floats{std::log(1.0f), std::log(3.0f)});
  CHECK(even[0] == Approx(0.25));
  const Floats warm = softmax(Floats{0, 2 * std::log(3.0f)}, 2.0f);
  CHECK(warm[1] == Approx(0.75));
  const Floats large = softmax(Floats{-1e30f, 3e38f, 3e38f});
  CHECK(large == Floats{0, 0.5f, 0.5f});
}

TEST_CASE("logits become probabilities a head, mixed heads included") {
  const ModelSpec spec = two_heads();
  const auto log_of = [](Floats values, float temperature) {
    for (float& value : values) value = temperature * std::log(value);
    return values;
  };
  // fer2013: angry .5, disgusted .3, happy .2; ferplus (temperature 2): happy .4, angry .1, sad .5
  const std::map<std::string, HostTensor> logits = {
      {"fer2013", HostTensor::from_floats({1, 3}, log_of({0.5f, 0.3f, 0.2f}, 1))},
      {"ferplus", HostTensor::from_floats({1, 3}, log_of({0.4f, 0.1f, 0.5f}, 2))}};
  const auto rows = to_probabilities(spec, logits);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].at("fer2013")[1] == Approx(0.3));
  CHECK(rows[0].at("ferplus")[2] == Approx(0.5));
  // angry 1 * .5 + 3 * .1 = .8; happy 1 * .2 + 3 * .4 = 1.4; temperature 2: their square roots
  const double angry = std::sqrt(0.8), happy = std::sqrt(1.4);
  CHECK(rows[0].at("mean")[0] == Approx(angry / (angry + happy)));
  CHECK(rows[0].at("mean")[1] == Approx(happy / (angry + happy)));

  // Both heads certain of what the mixed one does not know.
  const std::map<std::string, HostTensor> elsewhere = {
      {"fer2013", HostTensor::from_floats({1, 3}, Floats{-1e9f, 1e9f, -1e9f})},
      {"ferplus", HostTensor::from_floats({1, 3}, Floats{-1e9f, -1e9f, 1e9f})}};
  CHECK(to_probabilities(spec, elsewhere)[0].at("mean") == Floats{0.5f, 0.5f});
}

TEST_CASE("logits of other heads, classes or batches are refused") {
  const ModelSpec spec = two_heads();
  std::map<std::string, HostTensor> logits = {{"fer2013", HostTensor::zeros({2, 3})}};
  CHECK_THROWS_WITH(to_probabilities(spec, logits), "no logits of head 'ferplus'");
  logits["ferplus"] = HostTensor::zeros({2, 4});
  CHECK_THROWS_WITH(to_probabilities(spec, logits), Contains("are [2, 4], expected [2, 3]"));
  logits["ferplus"] = HostTensor::zeros({1, 3});
  CHECK_THROWS_AS(to_probabilities(spec, logits), Error);
  // A net that overflows is not sure of the first label.
  for (const float broken : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    logits["ferplus"] = HostTensor::from_floats({2, 3}, Floats{0, 0, 0, 0, broken, 0});
    CHECK_THROWS_WITH(to_probabilities(spec, logits),
                      Contains("head 'ferplus': the net's answer is no number"));
  }
}

TEST_CASE("a classifier answers crops in order, in batches of the size asked for") {
  CountingClassifier classifier;
  std::vector<Image> crops;
  for (int i = 0; i < 7; ++i) crops.emplace_back(4, 4, 1, static_cast<std::uint8_t>(i));
  const auto rows = classifier.classify(crops, 3);
  CHECK(classifier.batches == std::vector{3, 3, 1});
  REQUIRE(rows.size() == 7);
  for (int i = 0; i < 7; ++i) {
    CHECK(rows[i].at("y")[0] == Approx(1 / (1 + std::exp(-i))));
  }
  CHECK(classifier.classify({}).empty());
  CHECK_THROWS_AS(classifier.classify(crops, 0), Error);
}
