#include <catch2/catch.hpp>

#include "fer/core/error.h"
#include "fer/engine/light_engines.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"

using namespace fer;

namespace {

Checkpoint random_checkpoint(const std::string& architecture, int channels = 1,
                             bool gates = false) {
  ArchitectureOptions options;
  options.name = architecture;
  options.input_size = 48;
  options.channels = channels;
  options.squeeze_excitation = gates;
  options.heads = {{"six", 6}, {"two", 2}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.weights = test::random_weights(checkpoint.graph, 11);
  ModelSpec& spec = checkpoint.spec;
  spec.resize = spec.input_size = 48;
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

TEST_CASE("auto takes the engine that answers first") {
  const std::vector<Engine> engines = {slow("snail", 30), slow("hare", 1), slow("tortoise", 15)};
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
