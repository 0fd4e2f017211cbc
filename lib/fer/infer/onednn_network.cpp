#include "fer/infer/onednn_network.h"

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/infer/onednn_program.h"

namespace fer {
namespace {

class OnednnNetwork : public Network {
 public:
  OnednnNetwork(const Graph& graph, const TensorMap& weights)
      : program_(fuse(graph, weights), Precision::kF32, 1),
        input_size_(static_cast<std::size_t>(element_count(graph.shape(0)))) {}

  void run(std::span<const float> input) override {
    if (input.size() != input_size_) {
      fail_input(format("%zu values for a network that takes %zu", input.size(), input_size_));
    }
    program_.run(1, input.data());
  }
  std::span<const float> output(const std::string& head) const override {
    return program_.logits(1, head);
  }

 private:
  OnednnProgram program_;
  std::size_t input_size_;
};

}  // namespace

std::unique_ptr<Network> make_onednn_network(const Graph& graph, const TensorMap& weights) {
  return std::make_unique<OnednnNetwork>(graph, weights);
}

}  // namespace fer
