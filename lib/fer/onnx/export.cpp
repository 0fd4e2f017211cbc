#include "fer/onnx/export.h"

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/model/reference.h"

namespace fer {
namespace {

constexpr int kIrVersion = 7;  // of ONNX 1.7; initialisers need not be inputs since 4
constexpr std::int64_t kMaxBytes = 2'000'000'000;

class Writer {
 public:
  Writer(const Checkpoint& checkpoint, const OnnxOptions& options)
      : graph_(checkpoint.graph),
        spec_(checkpoint.spec),
        weights_(checkpoint.weights),
        options_(options),
        results_(checkpoint.graph.nodes().size()) {}

  std::string run() {
    model_.set_ir_version(kIrVersion);
    model_.set_producer_name("fer");
    model_.set_producer_version(version());
    model_.add_opset_import()->set_version(options_.opset);
    model_.mutable_graph()->set_name(spec_.architecture.empty() ? "fer" : spec_.architecture);
    add_metadata();
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      node_ = static_cast<int>(i);
      std::visit([this](const auto& o) { add(o); }, graph_.nodes()[i].operation);
    }
    for (const Output& output : graph_.outputs()) add_output(output);
    return model_.SerializeAsString();
  }

 private:
  const Node& node() const { return graph_.nodes()[node_]; }
  const std::string& input(int i = 0) const { return results_[node().inputs[i]]; }
  Shape input_shape(int i = 0) const { return graph_.shape(node().inputs[i]); }

  void describe(const std::string& key, const std::string& value) {
    auto* entry = model_.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }

  void add_metadata() {
    for (const HeadSpec& head : spec_.heads) {
      const std::string list = join(head.labels, ",");
      const bool plain = split(list, ',') == head.labels;
      describe("labels." + head.name, plain ? list : nlohmann::json(head.labels).dump());
    }
    const nlohmann::json spec = to_json(spec_);
    nlohmann::json preprocessing = {{"normalized_inside", options_.normalize},
                                    {"softmax_inside", options_.softmax}};
    for (const char* key :
         {"resize", "input_size", "colour", "scale", "mean", "std", "crop_margin"}) {
      preprocessing[key] = spec.at(key);
    }
    describe("preprocessing", preprocessing.dump());
    describe("fer.spec", spec.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  static void set_type(onnx::ValueInfoProto* value, const std::string& name, const Shape& shape) {
    value->set_name(name);
    auto* type = value->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape()->add_dim()->set_dim_param("batch");
    for (const auto size : shape) type->mutable_shape()->add_dim()->set_dim_value(size);
  }

  // A tensor of the file; returns its name.
  template <class T>
  std::string constant(const std::string& name, const Shape& shape, std::span<const T> values) {
    auto* tensor = model_.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(std::is_same_v<T, float> ? onnx::TensorProto::FLOAT
                                                   : onnx::TensorProto::INT64);
    for (const auto size : shape) tensor->add_dims(size);
    tensor->set_raw_data(values.data(), values.size_bytes());
    return name;
  }
  std::string parameter(const std::string& suffix) {
    const std::string name = node().name + "." + suffix;
    const HostTensor weight = weights_.at(name).converted(DType::kF32);
    return constant(name, weight.shape, weight.floats());
  }
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
    return constant(name, {static_cast<std::int64_t>(values.size())},
                    std::span<const std::int64_t>(values));
  }

  // A node whose result bears its name.
  onnx::NodeProto* emit(const std::string& type, const std::string& name,
                        const std::vector<std::string>& inputs) {
    auto* made = model_.mutable_graph()->add_node();
    made->set_op_type(type);
    made->set_name(name);
    for (const std::string& in : inputs) made->add_input(in);
    made->add_output(name);
    return made;
  }
  // What the node at hand gives, or a step of it. Neither a head nor a parameter can be called so.
  std::string value(const std::string& step = "") const { return "/" + node().name + step; }
  // The node at hand.
  onnx::NodeProto* emit(const std::string& type, const std::vector<std::string>& inputs) {
    results_[node_] = value();
    return emit(type, value(), inputs);
  }

  static void set(onnx::NodeProto* made, const std::string& name, std::int64_t value) {
    auto* attribute = made->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }
  static void set(onnx::NodeProto* made, const std::string& name, float value) {
    auto* attribute = made->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(value);
  }
  static void set(onnx::NodeProto* made, const std::string& name,
                  const std::vector<std::int64_t>& values) {
    auto* attribute = made->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const auto value : values) attribute->add_ints(value);
  }
  static std::vector<std::int64_t> pads(const Padding& p) {
    return {p.top, p.left, p.bottom, p.right};
  }

  void add(const op::Input& o) {
    set_type(model_.mutable_graph()->add_input(), "input", {o.channels, o.height, o.width});
    results_[node_] = "input";
    if (!options_.normalize) return;
    // (byte * scale - mean) / std as one product and one sum, which every runtime folds.
    std::vector<float> factor, shift;
    for (std::size_t c = 0; c < spec_.mean.size(); ++c) {
      factor.push_back(spec_.scale / spec_.std[c]);
      shift.push_back(-spec_.mean[c] / spec_.std[c]);
    }
    const Shape shape = {1, static_cast<std::int64_t>(factor.size()), 1, 1};
    const std::string scaled = value("/scaled"), normalized = value("/normalized");
    emit("Mul", scaled, {"input", constant<float>(value("/factor"), shape, factor)});
    emit("Add", normalized, {scaled, constant<float>(value("/shift"), shape, shift)});
    results_[node_] = normalized;
  }

  void add(const op::Conv2d& o) {
    std::vector<std::string> inputs = {input(), parameter("weight")};
    if (o.bias) inputs.push_back(parameter("bias"));
    auto* made = emit("Conv", inputs);
    set(made, "kernel_shape", {o.kernel_height, o.kernel_width});
    set(made, "strides", {o.stride, o.stride});
    set(made, "pads", pads(o.padding));
    set(made, "group", std::int64_t{o.groups});
  }
  void add(const op::BatchNorm& o) {
    set(emit("BatchNormalization", {input(), parameter("weight"), parameter("bias"),
                                    parameter("running_mean"), parameter("running_var")}),
        "epsilon", o.epsilon);
  }
  void add(const op::Relu&) { emit("Relu", {input()}); }
  void add(const op::Sigmoid&) { emit("Sigmoid", {input()}); }
  void add(const op::Silu&) {
    const std::string gate = value("/gate");
    emit("Sigmoid", gate, {input()});
    emit("Mul", {input(), gate});
  }
  void add_pool(const std::string& type, const std::string& from, int kernel, int stride,
                const Padding& padding) {
    auto* made = emit(type, {from});
    set(made, "kernel_shape", {kernel, kernel});
    set(made, "strides", {stride, stride});
    set(made, "pads", pads(padding));
  }
  void add(const op::MaxPool& o) { add_pool("MaxPool", input(), o.kernel, o.stride, o.padding); }
  void add(const op::AvgPool& o) {
    // Zeros count, but not every runtime heeds count_include_pad: so they are put in before.
    std::string source = input();
    if (o.padding != Padding{}) {
      source = value("/padded");
      emit_pad(source, input(), o.padding);
    }
    add_pool("AveragePool", source, o.kernel, o.stride, {});
  }
  void add(const op::GlobalAvgPool&) {
    const std::string pooled = value("/pooled");
    emit("GlobalAveragePool", pooled, {input()});
    set(emit("Flatten", {pooled}), "axis", std::int64_t{1});
  }
  void emit_pad(const std::string& name, const std::string& from, const Padding& p) {
    const std::vector<std::int64_t> both = {0, 0, p.top, p.left, 0, 0, p.bottom, p.right};
    constexpr int kPadsAreAnInput = 11;
    if (options_.opset < kPadsAreAnInput) {
      set(emit("Pad", name, {from}), "pads", both);
    } else {
      emit("Pad", name, {from, integers(name + "/pads", both)});
    }
  }
  void add(const op::ZeroPad& o) {
    emit_pad(value(), input(), o.padding);
    results_[node_] = value();
  }
  void add(const op::Add&) { emit("Add", {input(0), input(1)}); }
  void add(const op::Scale&) {
    const std::string gate = value("/gate");
    emit("Reshape", gate, {input(1), integers(value("/shape"), {-1, input_shape()[0], 1, 1})});
    emit("Mul", {input(0), gate});
  }
  void add(const op::Concat&) {
    set(emit("Concat", {input(0), input(1)}), "axis", std::int64_t{1});
  }
  void add(const op::Flatten&) { set(emit("Flatten", {input()}), "axis", std::int64_t{1}); }
  void add(const op::Linear& o) {
    std::vector<std::string> inputs = {input(), parameter("weight")};
    if (o.bias) inputs.push_back(parameter("bias"));
    constexpr int kBiasMayBeMissing = 11;
    if (!o.bias && options_.opset < kBiasMayBeMissing) {
      const std::vector<float> zeros(o.out_features);
      inputs.push_back(
          constant<float>(node().name + ".bias", {o.out_features}, std::span<const float>(zeros)));
    }
    set(emit("Gemm", inputs), "transB", std::int64_t{1});
  }
  void add(const op::Dropout&) { results_[node_] = input(); }

  void add_output(const Output& output) {
    if (output.head == "input") fail_input("ONNX: a head cannot be called as the net's input is");
    std::string result = results_[output.node];
    if (options_.softmax) {
      const float temperature = spec_.head(output.head).temperature;
      const std::string scaled = "/" + output.head + "/scaled";
      emit("Div", scaled,
           {result,
            constant<float>("/" + output.head + "/temperature", {1}, std::span(&temperature, 1))});
      set(emit("Softmax", output.head, {scaled}), "axis", std::int64_t{1});
    } else {
      emit("Identity", output.head, {result});
    }
    set_type(model_.mutable_graph()->add_output(), output.head, graph_.shape(output.node));
  }

  const Graph& graph_;
  const ModelSpec& spec_;
  const TensorMap& weights_;
  OnnxOptions options_;
  std::vector<std::string> results_;  // names, by node
  onnx::ModelProto model_;
  int node_ = 0;
};

}  // namespace

void check(const OnnxOptions& options) {
  if (options.opset < kMinOpset || options.opset > kMaxOpset) {
    fail_input(format("opset %d: expected %d to %d", options.opset, kMinOpset, kMaxOpset));
  }
}

std::string to_onnx(const Checkpoint& checkpoint, const OnnxOptions& options) {
  check(options);
  check_weights(checkpoint.graph, checkpoint.weights);
  if (parameter_count(checkpoint.graph) * 4 > kMaxBytes) {
    fail_input(human_count(static_cast<double>(parameter_count(checkpoint.graph))) +
               " parameters do not fit into an ONNX file of 2 GB");
  }
  return Writer(checkpoint, options).run();
}

void check_onnx(const std::string& bytes) {
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) fail_input("not an ONNX file");
  try {
    onnx::checker::check_model(model);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(),
                                       onnx::ShapeInferenceOptions{true, 1, false});
  } catch (const std::exception& error) {
    fail_input("ONNX: " + replace_all(trim(error.what()), "\n", " "));
  }
}

}  // namespace fer
