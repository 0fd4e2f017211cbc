#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/data_file.h"
#include "fer/core/error.h"
#include "fer/data/dataset.h"
#include "fer/engine/light_engines.h"
#include "fer/model/architectures.h"
#include "fer/model/find_model.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/skip.h"
#if FER_HAVE_ALL_ENGINES
#include "all_engines.h"
#endif

using namespace fer;

namespace {

Checkpoint random_checkpoint(const std::string& architecture, int channels = 1, bool gates = false,
                             int size = 48) {
  ArchitectureOptions options;
  options.name = architecture;
  options.input_size = size;
  options.channels = channels;
  options.squeeze_excitation = gates;
  options.heads = {{"six", 6}, {"two", 2}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.weights = test::random_weights(checkpoint.graph, 11);
  ModelSpec& spec = checkpoint.spec;
  spec.resize = spec.input_size = size;
  if (channels == 3) {
    spec.colour = "bgr";
    spec.mean = spec.std = {0.5f, 0.5f, 0.5f};
  }
  spec.heads = {{"six", {"a", "b", "c", "d", "e", "f"}, 1.0f, 0.0f},
                {"two", {"x", "y"}, 1.0f, 0.0f}};
  spec.default_head = "six";
  return checkpoint;
}

// An engine that answers after a while.
Engine slow(const std::string& name, int milliseconds) {
  class Sleeper : public Classifier {
   public:
    Sleeper(ModelSpec spec, int milliseconds)
        : spec_(std::move(spec)), milliseconds_(milliseconds) {}
    const ModelSpec& spec() const override { return spec_; }
    std::map<std::string, HostTensor> logits(const HostTensor&) override {
      const timespec duration = {0, milliseconds_ * 1'000'000L};
      nanosleep(&duration, nullptr);
      return {};
    }

   private:
    ModelSpec spec_;
    int milliseconds_;
  };
  return {name, {"fp32"}, [milliseconds](const Checkpoint& checkpoint, const EngineOptions&) {
            return std::make_unique<Sleeper>(checkpoint.spec, milliseconds);
          }};
}

}  // namespace

TEST_CASE("the light engines are those whose libraries are built") {
  std::vector<std::string> names, wanted;
  for (const Engine& engine : light_engines()) names.push_back(engine.name);
  if (FER_EXPECT_ONEDNN) wanted.push_back("onednn");
  if (FER_EXPECT_OPENCV) wanted.push_back("opencv");
  CHECK(names == wanted);
}

TEST_CASE("every engine agrees with the reference on every architecture") {
  for (const std::string& name : architecture_names()) {
    const bool compact = name == "compact";
    const Checkpoint checkpoint = random_checkpoint(name, compact ? 3 : 1, compact);
    const HostTensor batch = test::random_batch(checkpoint.graph, compact ? 3 : 1, 3);
    const auto expected = run_reference(checkpoint.graph, checkpoint.weights, batch);
    for (const Engine& engine : light_engines()) {
      CAPTURE(name, engine.name);
      const auto classifier =
          make_classifier(checkpoint, {engine.name, "fp32", 1}, light_engines());
      CHECK(classifier->spec() == checkpoint.spec);
      CHECK(test::relative_error(classifier->logits(batch), expected) < 1e-4);
      CHECK_THROWS_AS(classifier->logits(HostTensor::zeros({1, 1, 40, 40})), Error);
    }
  }
}

#if FER_HAVE_ALL_ENGINES
TEST_CASE("a batch that does not fit the net is refused by every engine, libtorch's two, too") {
  const Checkpoint checkpoint = random_checkpoint("compact");
  for (const Engine& engine : tools::all_engines("cpu")) {
    CAPTURE(engine.name);
    const auto classifier = engine.make(checkpoint, {engine.name, "fp32", 1});
    for (const Shape& shape : {Shape{1, 1, 36, 36}, Shape{1, 3, 48, 48}, Shape{1, 48, 48}}) {
      CHECK_THROWS_AS(classifier->logits(HostTensor::zeros(shape)), Error);
    }
  }
}

namespace {

using Logits = std::map<std::string, HostTensor>;

// The largest difference between two engines' probabilities, over faces, heads and labels.
double largest_difference(const ModelSpec& spec, const Logits& found, const Logits& expected) {
  const auto a = to_probabilities(spec, found), b = to_probabilities(spec, expected);
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (const auto& [head, row] : a[i]) {
      for (std::size_t k = 0; k < row.size(); ++k) {
        largest = std::max<double>(largest, std::abs(row[k] - b[i].at(head)[k]));
      }
    }
  }
  return largest;
}

// As sure as a trained network is. Random weights make logits of up to thousands, which would hide
// a difference behind answers of 0 and 1, or show the rounding of large numbers instead.
void calm(ModelSpec& spec, const Logits& logits) {
  for (HeadSpec& head : spec.heads) {
    float largest = 0;
    for (const float v : logits.at(head.name).floats()) largest = std::max(largest, std::abs(v));
    head.temperature = largest / 5;
  }
}

void check_parity(const Checkpoint& checkpoint, const HostTensor& batch, bool random) {
  const std::vector<Engine> engines = tools::all_engines("cpu");
  REQUIRE(engines.back().name == "torch");
  const auto expected = engines.back().make(checkpoint, {"torch", "fp32", 1})->logits(batch);
  ModelSpec spec = checkpoint.spec;
  if (random) calm(spec, expected);
  for (const Engine& engine : engines) {
    if (engine.name == "torch") continue;
    CAPTURE(engine.name);
    const auto found = engine.make(checkpoint, {engine.name, "fp32", 1})->logits(batch);
    CHECK(test::relative_error(found, expected) < 1e-4);
    CHECK(largest_difference(spec, found, expected) < 1e-5);
  }
}

}  // namespace

TEST_CASE("every engine gives libtorch's probabilities, whatever network, size and batch") {
  for (const std::string& name : architecture_names()) {
    for (const int size : {40, 48, 64}) {
      const bool gates = size == 48 && name == "compact";
      const Checkpoint checkpoint = random_checkpoint(name, 1, gates, size);
      for (const int samples : {1, 9}) {
        CAPTURE(name, size, samples);
        check_parity(checkpoint, test::random_batch(checkpoint.graph, samples, 3), true);
      }
    }
  }
}

TEST_CASE("every engine gives libtorch's probabilities with the shipped model") {
  const auto model = find_data_file(kShippedModel);
  if (model.empty()) {
    test::skip(std::string("models/") + kShippedModel + " is not there");
    return;
  }
  const Checkpoint checkpoint = load_checkpoint(model);
  DatasetOptions drawn;
  drawn.path = "synthetic:40";
  const OpenedDataset data = open_dataset(drawn);
  std::vector<Image> faces;
  for (std::int64_t i = 0; i < 9; ++i) faces.push_back(data.train->image(i));
  for (const std::size_t samples : {1, 9}) {
    CAPTURE(samples);
    check_parity(checkpoint, preprocess(checkpoint.spec, std::span(faces).first(samples)), false);
  }
}
#endif

TEST_CASE("auto takes the engine that answers first") {
  const std::vector<Engine> engines = {slow("snail", 160), slow("hare", 1), slow("tortoise", 80)};
  CHECK(choose_engine({}, engines).name == "hare");
  CHECK(choose_engine({.precision = "fp32"}, engines).name == "hare");
  CHECK(choose_engine({.engine = "snail"}, engines).name == "snail");
}

TEST_CASE("an engine or a precision that is not there is refused by name") {
  const std::vector<Engine> engines = {slow("snail", 1), slow("hare", 1)};
  CHECK_THROWS_WITH(choose_engine({.engine = "snale"}, engines),
                    "engine 'snale': this program has auto, snail, hare, did you mean 'snail'?");
  CHECK_THROWS_WITH(choose_engine({.engine = "hare", .precision = "bf16"}, engines),
                    "precision 'bf16': not offered by the engine hare");
  CHECK_THROWS_WITH(choose_engine({.precision = "fp64"}, engines),
                    "precision 'fp64': not offered by the engine snail, hare");
}

TEST_CASE("the fastest of the engines that were built in answers like each of them") {
  const Checkpoint checkpoint = random_checkpoint("compact");
  const HostTensor batch = test::random_batch(checkpoint.graph, 2, 3);
  const auto chosen = make_classifier(checkpoint, {"auto", "fp32", 1}, light_engines());
  CHECK(test::relative_error(chosen->logits(batch),
                             run_reference(checkpoint.graph, checkpoint.weights, batch)) < 1e-4);
}
