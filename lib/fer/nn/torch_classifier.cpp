#include "fer/nn/torch_classifier.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>

#include "fer/core/error.h"
#include "fer/model/reference.h"
#include "fer/nn/graph_module.h"
#include "fer/nn/runtime.h"

namespace fer {
namespace {

// What goes wrong in libtorch is one line of a fer::Error for whoever is above.
template <typename Body>
void translated(const Body& body) {
  try {
    body();
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    fail_runtime("libtorch: " + what.substr(0, what.find('\n')));
  }
}

class TorchClassifier : public Classifier {
 public:
  TorchClassifier(const Checkpoint& checkpoint, const TorchClassifierOptions& options)
      : graph_(checkpoint.graph),
        spec_(checkpoint.spec),
        device_(resolve_device(options.device)),
        bf16_(options.bf16),
        module_(checkpoint.graph, device_) {
    module_.load(checkpoint.weights);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    check_batch(graph_, batch);
    std::map<std::string, HostTensor> result;
    translated([&] {
      c10::InferenceMode inference;
      auto input = at::empty(
          batch.shape,
          at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
      input.copy_(to_torch(batch));
      const Autocast autocast(bf16_, device_);
      for (const auto& [head, logits] : module_.forward(input.to(torch_device(device_)))) {
        result[head] = from_torch(logits);
      }
    });
    return result;
  }

 private:
  Graph graph_;
  ModelSpec spec_;
  std::string device_;
  bool bf16_;
  GraphModule module_;
};

class FrozenClassifier : public Classifier {
 public:
  explicit FrozenClassifier(const Checkpoint& checkpoint)
      : graph_(checkpoint.graph), spec_(checkpoint.spec) {
    GraphModule module(checkpoint.graph, "cpu");
    module.load(checkpoint.weights);
    for (const at::Tensor& weight : module.trainable()) weight.set_requires_grad(false);
    const auto& in = checkpoint.graph.input();
    const at::NoGradGuard no_grad;
    const auto forward = [&module](torch::jit::Stack inputs) {
      torch::jit::Stack outputs;
      for (const auto& [head, logits] : module.forward(inputs.at(0).toTensor())) {
        outputs.emplace_back(logits);
      }
      return outputs;
    };
    const auto traced =
        torch::jit::tracer::trace({at::zeros({1, in.channels, in.height, in.width})}, forward,
                                  [](const at::Tensor&) { return ""; });
    auto graph = traced.first->graph;
    torch::jit::OptimizeFrozenGraph(graph, /*optimize_numerics=*/true);
    executor_ = torch::jit::GraphExecutor(graph, "forward");
    for (const Output& output : checkpoint.graph.outputs()) heads_.push_back(output.head);
    std::ranges::sort(heads_);  // the order in which forward() gives them
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    check_batch(graph_, batch);
    std::map<std::string, HostTensor> result;
    translated([&] {
      const at::NoGradGuard no_grad;
      torch::jit::Stack stack = {to_torch(batch)};
      executor_.run(stack);
      for (std::size_t i = 0; i < heads_.size(); ++i) {
        result[heads_[i]] = from_torch(stack.at(i).toTensor());
      }
    });
    return result;
  }

 private:
  Graph graph_;
  ModelSpec spec_;
  torch::jit::GraphExecutor executor_;
  std::vector<std::string> heads_;
};

}  // namespace

std::unique_ptr<Classifier> make_torch_classifier(const Checkpoint& checkpoint,
                                                  const TorchClassifierOptions& options) {
  if (!options.frozen) return std::make_unique<TorchClassifier>(checkpoint, options);
  if (options.bf16 || resolve_device(options.device) != "cpu") {
    fail_input("a frozen network runs on the CPU in fp32 alone");
  }
  return std::make_unique<FrozenClassifier>(checkpoint);
}

}  // namespace fer
