#include "fer/infer/onednn_classifier.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/reference.h"

namespace fer {
namespace {

Precision resolve(const std::string& name, const Checkpoint& checkpoint) {
  if (name == "auto") {
    if (!checkpoint.ranges.empty() && cpu_has_int8()) return Precision::kInt8;
    return cpu_has_bf16() ? Precision::kBf16 : Precision::kF32;
  }
  if (name == "fp32") return Precision::kF32;
  const bool bf16 = name == "bf16";
  if (!bf16 && name != "int8") {
    fail_input("precision '" + name + "': expected auto, fp32, bf16, int8" +
               did_you_mean(name, {"auto", "fp32", "bf16", "int8"}));
  }
  if (!(bf16 ? cpu_has_bf16() : cpu_has_int8())) {
    fail_input("precision " + name + ": this CPU has no instructions for it, use fp32");
  }
  return bf16 ? Precision::kBf16 : Precision::kInt8;
}

// How many samples to run next. Filling up a larger plan would cost more than it saves: a face in a
// batch is hardly cheaper than one alone.
int plan_size(std::int64_t remaining) { return remaining >= 64 ? 64 : remaining >= 8 ? 8 : 1; }

class OnednnClassifier : public Classifier {
 public:
  OnednnClassifier(const Checkpoint& checkpoint, const OnednnOptions& options)
      : graph_(checkpoint.graph),
        spec_(checkpoint.spec),
        program_(fuse(graph_, checkpoint.weights), resolve(options.precision, checkpoint),
                 options.threads > 0 ? options.threads : hardware_threads(), checkpoint.ranges) {
    check_spec(spec_, graph_);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    check_batch(graph_, batch);
    std::map<std::string, HostTensor> results;
    for (const Output& output : graph_.outputs()) {
      results[output.head] = HostTensor::zeros({batch.shape[0], graph_.shape(output.node)[0]});
    }
    run(batch, results);
    return results;
  }

 private:
  void run(const HostTensor& batch, std::map<std::string, HostTensor>& results) {
    const std::int64_t total = batch.shape[0];
    const std::span<const float> input = batch.floats();
    const std::size_t sample = input.size() / total;
    for (std::int64_t done = 0; done < total;) {
      const int size = plan_size(total - done);
      program_.run(size, input.data() + done * sample);
      for (auto& [head, result] : results) {
        const auto logits = program_.logits(size, head);
        std::ranges::copy(logits, result.floats().begin() + done * (logits.size() / size));
      }
      done += size;
    }
  }

  Graph graph_;
  ModelSpec spec_;
  OnednnProgram program_;
};

}  // namespace

std::unique_ptr<Classifier> make_onednn_classifier(const Checkpoint& checkpoint,
                                                   const OnednnOptions& options) {
  return std::make_unique<OnednnClassifier>(checkpoint, options);
}

Ranges calibrate(const Checkpoint& checkpoint, const HostTensor& batch) {
  check_batch(checkpoint.graph, batch);
  FusedGraph fused = fuse(checkpoint.graph, checkpoint.weights);
  std::vector<std::string> names;
  for (std::size_t i = 1; i < fused.layers.size(); ++i) {
    names.push_back(fused.layers[i].name);
    fused.heads[names.back()] = static_cast<int>(i);  // so that its values can be seen
  }
  OnednnProgram program(std::move(fused), Precision::kF32, hardware_threads());
  const std::int64_t samples = batch.shape[0];
  const std::size_t pixels = batch.floats().size() / samples;
  struct Extremes {
    std::vector<float> low, high;  // of each sample
  };
  std::map<std::string, Extremes> extremes;
  const auto add = [&](const std::string& name, std::span<const float> values) {
    const auto [low, high] = std::ranges::minmax(values);
    extremes[name].low.push_back(low);
    extremes[name].high.push_back(high);
  };
  for (std::int64_t i = 0; i < samples; ++i) {
    const auto sample = batch.floats().subspan(i * pixels, pixels);
    program.run(1, sample.data());
    add(checkpoint.graph.nodes()[0].name, sample);
    for (const std::string& name : names) add(name, program.logits(1, name));
  }
  Ranges ranges;
  for (auto& [name, of] : extremes) {
    std::ranges::sort(of.low);
    std::ranges::sort(of.high, std::greater());
    ranges[name] = {of.low[samples / 20], of.high[samples / 20]};
  }
  return ranges;
}

}  // namespace fer
