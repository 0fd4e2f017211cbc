// A network described once, as data: every back end (reference interpreter, libtorch, oneDNN, ONNX)
// reads this and nothing else, so that there is one definition to change.
//
// The list of operations is closed and versioned (kGraphVersion); a graph is stored under the least
// version that has its operations. What only training needs -
// initialisation, freezing, stochastic depth, dropout schedules - is not here. A stored graph is
// hostile input: graph_from_json checks counts, names and shapes before anything is allocated.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

#include "fer/model/host_tensor.h"

namespace fer {

inline constexpr int kGraphVersion = 2;  // 2: concat

struct Padding {
  int top = 0, left = 0, bottom = 0, right = 0;
  static Padding all(int n) { return {n, n, n, n}; }
  bool operator==(const Padding&) const = default;
};

// Shapes: image [N, C, H, W], features [N, F]. Parameters are named "<node>.<suffix>".
namespace op {
// [N, channels, height, width]: the one entry of a network; normalised values (see ModelSpec).
struct Input {
  int channels = 1, height = 48, width = 48;
  bool operator==(const Input&) const = default;
};
// Cross-correlation; zero padding. weight [out, in / groups, kh, kw], bias [out] if `bias`.
struct Conv2d {
  int out_channels = 0, kernel_height = 3, kernel_width = 3, stride = 1;
  Padding padding = {};
  int groups = 1;
  bool bias = false;
  bool operator==(const Conv2d&) const = default;
};
// Per channel of an image or feature: (x - running_mean) / sqrt(running_var + epsilon) * weight +
// bias.
struct BatchNorm {
  float epsilon = 1e-5f;
  bool operator==(const BatchNorm&) const = default;
};
struct Relu {
  bool operator==(const Relu&) const = default;
};
struct Sigmoid {
  bool operator==(const Sigmoid&) const = default;
};
struct Silu {
  bool operator==(const Silu&) const = default;
};  // x * sigmoid(x)
// Window maximum; padding never wins (minus infinity).
struct MaxPool {
  int kernel = 2, stride = 2;
  Padding padding = {};
  bool operator==(const MaxPool&) const = default;
};
// Window mean over the full kernel area; padded zeros count.
struct AvgPool {
  int kernel = 2, stride = 2;
  Padding padding = {};
  bool operator==(const AvgPool&) const = default;
};
struct GlobalAvgPool {
  bool operator==(const GlobalAvgPool&) const = default;
};  // [N,C,H,W] -> [N,C]
struct ZeroPad {
  Padding padding = {};
  bool operator==(const ZeroPad&) const = default;
};
struct Add {
  bool operator==(const Add&) const = default;
};  // two inputs of one shape
// Image [N,C,H,W] times gate [N,C], channel by channel (squeeze-and-excitation). Inputs: image,
// gate.
struct Scale {
  bool operator==(const Scale&) const = default;
};
struct Concat {
  bool operator==(const Concat&) const = default;
};  // features [N, F] and [N, G] -> [N, F + G]
struct Flatten {
  bool operator==(const Flatten&) const = default;
};  // [N,C,H,W] -> [N, C*H*W]
// y = x weight^T + bias; weight [out, in], bias [out] if `bias`.
struct Linear {
  int out_features = 0;
  bool bias = true;
  bool operator==(const Linear&) const = default;
};
// Identity outside training; there each element is zeroed with probability `rate` and the rest
// divided by 1 - rate.
struct Dropout {
  float rate = 0.5f;
  bool operator==(const Dropout&) const = default;
};
}  // namespace op

using Operation =
    std::variant<op::Input, op::Conv2d, op::BatchNorm, op::Relu, op::Sigmoid, op::Silu, op::MaxPool,
                 op::AvgPool, op::GlobalAvgPool, op::ZeroPad, op::Add, op::Scale, op::Flatten,
                 op::Linear, op::Dropout, op::Concat>;
std::string operation_name(const Operation& operation);  // "conv2d", "batch_norm", "relu", ...

struct Node {
  std::string name;  // unique, [A-Za-z0-9_.]+, prefix of its parameters
  Operation operation;
  std::vector<int> inputs;  // indices of earlier nodes: the list is in topological order
  bool operator==(const Node&) const = default;
};

// A named output: logits [N, classes] of a head.
struct Output {
  std::string head;
  int node = 0;
  bool operator==(const Output&) const = default;
};

struct Parameter {
  std::string name;
  Shape shape;
  bool trainable;  // false: running statistics of batch norm
};

class Graph {
 public:
  // Appends a node and returns its index. Throws kInput on a duplicate or bad name, a wrong number
  // of inputs, shapes that do not fit, values out of range, more than 10,000 nodes, a result of
  // more than 2^26 elements or all of them together more than 2^31, a parameter of more than 2^31
  // or all of them together more than 2^33. What is refused changes nothing, so a Graph in hand is
  // always valid.
  int add(std::string name, Operation operation, std::vector<int> inputs = {});
  void add_output(std::string head, int node);  // head: unique, [A-Za-z0-9_]+

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  bool is_output(int node) const;                // some head's
  const op::Input& input() const;                // of node 0
  int find(const std::string& node_name) const;  // -1 when absent
  // Shape of a node's result for one sample, without the batch: [C, H, W] or [F].
  const Shape& shape(int node) const { return shapes_.at(node); }
  // Of one node, or of all in node order.
  std::vector<Parameter> parameters(int node) const;
  std::vector<Parameter> parameters() const;

  bool operator==(const Graph& other) const {
    return nodes_ == other.nodes_ && outputs_ == other.outputs_;
  }

 private:
  std::vector<Node> nodes_;
  std::vector<Output> outputs_;
  std::vector<Shape> shapes_;
  std::int64_t result_elements_ = 0, parameter_elements_ = 0;
};

// The one place that knows how an operation changes a shape (without the batch dimension).
// Throws kInput naming the operation and the shapes.
Shape infer_shape(const Operation& operation, const std::vector<Shape>& inputs);

std::int64_t parameter_count(
    const Graph& graph);  // trainable and running statistics: as Keras' "total"
std::int64_t trainable_parameter_count(const Graph& graph);
// Multiply-adds of convolutions and linear layers for one sample, counted as 2 operations each
// (their biases not at all); input, flatten and dropout count nothing, the others one an output
// element.
std::int64_t flops(const Graph& graph, int node);
std::int64_t flops(const Graph& graph);

// A table: layer, operation, output shape, parameters, FLOPs, and the sums.
std::string summary(const Graph& graph);

nlohmann::json to_json(const Graph& graph);
// Throws kInput on an unknown operation, key or version, on an operation of a later version, and on
// everything that Graph::add refuses.
Graph graph_from_json(const nlohmann::json& json);

// What `node` needs, with the same names and without the outputs: a backbone. Its last node is
// `node`.
Graph backbone(const Graph& graph, int node);

// The node that all heads look at, as linear layers; -1 where there is none such.
int shared_features(const Graph& graph);

// The same layers, and so the same weights, over pictures of another side. Throws kInput naming a
// layer that counts the pixels (one that is dense over a map of them), for which too few are left,
// or that averages squares of the input which do not fill it, and sides below 8.
Graph with_input_side(const Graph& graph, int side);

}  // namespace fer
