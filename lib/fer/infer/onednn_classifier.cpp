#include "fer/infer/onednn_classifier.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/reference.h"

namespace fer {
namespace {

bool use_bf16(Precision precision) {
  if (precision == Precision::kBf16 && !cpu_has_bf16()) {
    fail_input("precision bf16: this CPU has no instructions for it, use fp32");
  }
  return precision != Precision::kF32 && cpu_has_bf16();
}

// How many samples to run next. Filling up a larger plan would cost more than it saves: a face in a
// batch is hardly cheaper than one alone.
int plan_size(std::int64_t remaining) { return remaining >= 64 ? 64 : remaining >= 8 ? 8 : 1; }

class OnednnClassifier : public Classifier {
 public:
  OnednnClassifier(Checkpoint checkpoint, const OnednnOptions& options)
      : graph_(std::move(checkpoint.graph)),
        spec_(std::move(checkpoint.spec)),
        program_(fuse(graph_, checkpoint.weights), use_bf16(options.precision),
                 options.threads > 0 ? options.threads : hardware_threads()) {
    check_spec(spec_, graph_);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    check_batch(graph_, batch);
    std::map<std::string, HostTensor> results;
    for (const Output& output : graph_.outputs()) {
      results[output.head] = HostTensor::zeros({batch.shape[0], graph_.shape(output.node)[0]});
    }
    try {
      run(batch, results);
    } catch (const dnnl::error& error) {
      fail_runtime(std::string("oneDNN: ") + error.what());
    }
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

std::unique_ptr<Classifier> make_onednn_classifier(Checkpoint checkpoint,
                                                   const OnednnOptions& options) {
  return std::make_unique<OnednnClassifier>(std::move(checkpoint), options);
}

}  // namespace fer
