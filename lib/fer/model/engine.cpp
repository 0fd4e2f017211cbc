#include "fer/model/engine.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/model/architectures.h"

namespace fer {
namespace {

// Large enough for its convolutions to count, small enough to be ready at once.
Checkpoint probe_network() {
  ArchitectureOptions options;
  options.input_size = 24;
  options.stages = {32, 64};
  options.heads = {{"probe", 2}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  Rng rng{1, 1};
  for (const Parameter& parameter : checkpoint.graph.parameters()) {
    std::vector<float> values(element_count(parameter.shape));
    for (float& value : values) value = static_cast<float>(rng.uniform(0.5, 1.0));
    checkpoint.weights[parameter.name] = HostTensor::from_floats(parameter.shape, values);
  }
  ModelSpec& spec = checkpoint.spec;
  spec.resize = spec.input_size = options.input_size;
  spec.heads = {{"probe", {"a", "b"}, 1.0f, 0.0f}};
  spec.default_head = "probe";
  return checkpoint;
}

double seconds_a_face(const Engine& engine, const EngineOptions& options) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRuns = 4;  // the first one compiles
  const auto classifier = engine.make(probe_network(), options);
  const ModelSpec& spec = classifier->spec();
  const HostTensor face = HostTensor::zeros({1, spec.channels(), spec.input_size, spec.input_size});
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    const auto start = Clock::now();
    classifier->logits(face);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

bool offers(const Engine& engine, const std::string& precision) {
  return precision == "auto" || std::ranges::count(engine.precisions, precision) > 0;
}

}  // namespace

const Engine& choose_engine(const EngineOptions& options, const std::vector<Engine>& engines) {
  std::vector<std::string> names;
  std::vector<const Engine*> fitting;
  for (const Engine& engine : engines) {
    names.push_back(engine.name);
    if (options.engine != "auto" && options.engine != engine.name) continue;
    if (offers(engine, options.precision)) fitting.push_back(&engine);
  }
  if (options.engine != "auto" && std::ranges::count(names, options.engine) == 0) {
    fail_input("engine '" + options.engine + "': this program has auto, " + join(names, ", ") +
               did_you_mean(options.engine, names));
  }
  if (fitting.empty()) {
    fail_input("precision '" + options.precision + "': not offered by the engine " +
               (options.engine == "auto" ? join(names, ", ") : options.engine));
  }
  if (fitting.size() == 1) return *fitting.front();
  const Engine* fastest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  EngineOptions probe = options;
  if (probe.precision == "int8") probe.precision = "auto";  // the probe network has no ranges
  for (const Engine* engine : fitting) {
    const double seconds = seconds_a_face(*engine, probe);
    log_debug(format("engine %s: %.3f ms for the probe", engine->name.c_str(), seconds * 1e3));
    if (seconds < least) fastest = engine;
    least = std::min(least, seconds);
  }
  return *fastest;
}

std::unique_ptr<Classifier> make_classifier(const Checkpoint& checkpoint,
                                            const EngineOptions& options,
                                            const std::vector<Engine>& engines) {
  return choose_engine(options, engines).make(checkpoint, options);
}

}  // namespace fer
