#include "fer/nn/torch_classifier.h"

#include <ATen/ATen.h>

#include "fer/nn/graph_module.h"
#include "fer/nn/runtime.h"

namespace fer {
namespace {

class TorchClassifier : public Classifier {
 public:
  TorchClassifier(const Checkpoint& checkpoint, const TorchClassifierOptions& options)
      : spec_(checkpoint.spec),
        device_(resolve_device(options.device)),
        bf16_(options.bf16),
        module_(checkpoint.graph, device_) {
    module_.load(checkpoint.weights);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    c10::InferenceMode inference;
    auto input = at::empty(
        batch.shape,
        at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
    input.copy_(to_torch(batch));
    std::map<std::string, HostTensor> result;
    const Autocast autocast(bf16_, device_);
    for (const auto& [head, logits] : module_.forward(input.to(torch_device(device_)))) {
      result[head] = from_torch(logits);
    }
    return result;
  }

 private:
  ModelSpec spec_;
  std::string device_;
  bool bf16_;
  GraphModule module_;
};

}  // namespace

std::unique_ptr<Classifier> make_torch_classifier(const Checkpoint& checkpoint,
                                                  const TorchClassifierOptions& options) {
  return std::make_unique<TorchClassifier>(checkpoint, options);
}

}  // namespace fer
