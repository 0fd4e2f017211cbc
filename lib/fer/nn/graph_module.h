// A fer::Graph as libtorch computes and trains it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fer/model/graph.h"

namespace at {
class Tensor;
}

namespace fer {

at::Tensor to_torch(const HostTensor& tensor);    // a copy on the CPU
HostTensor from_torch(const at::Tensor& tensor);  // contiguous, F32 (or I64, U8)

struct ForwardOptions {
  bool training = false;   // batch statistics, dropout on
  bool track = true;       // in training: batch norm's running statistics move
  std::uint64_t seed = 0;  // of this step's dropout and stochastic depth
  float drop_path = 0.0f;  // stochastic depth (Huang et al. 2016): rate at the last residual sum of
                           // the longest way, rising linearly from 0; drops input 0 of an addition,
                           // a sample at a time
};

class GraphModule {
 public:
  // Parameters are allocated on `device` ("cpu", "cuda", ...), convolution weights channels-last.
  GraphModule(Graph graph, const std::string& device);
  ~GraphModule();
  GraphModule(const GraphModule&) = delete;
  GraphModule& operator=(const GraphModule&) = delete;

  const Graph& graph() const;
  const std::string& device() const;

  // Convolutions He-normal by fan-out (He et al. 2015), linear layers uniform in 1/sqrt(fan-in),
  // batch norm 1 and 0. Not 0 for the last one of a residual branch: on a few thousand faces such
  // nets sit at chance for epochs. A parameter's numbers depend on (seed, its name) alone.
  void initialise(std::uint64_t seed);
  void load(const TensorMap& weights);  // throws kInput on a missing, surplus or misshapen tensor
  TensorMap save() const;               // F32 on the host

  // Nodes, in graph order, that compute as in inference also in training - batch norm with its
  // running statistics - and whose parameters get no gradient. None at first.
  void set_frozen(std::vector<bool> frozen);

  // In graph order; the tensors share storage with the module. Trainable: without frozen ones.
  std::vector<std::string> trainable_names() const;
  std::vector<at::Tensor> trainable() const;
  std::vector<std::string> names() const;  // running statistics included
  std::vector<at::Tensor> tensors() const;

  // [N, C, H, W] normalised, on the device -> logits [N, classes] F32 by head. from: the node whose
  // value `input` is, when it is not the first (see features()).
  std::map<std::string, at::Tensor> forward(const at::Tensor& input,
                                            const ForwardOptions& options = {}, int from = 0);
  // Value of `node` in inference, without gradients.
  at::Tensor features(const at::Tensor& input, int node);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fer
