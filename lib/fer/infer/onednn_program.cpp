#include "fer/infer/onednn_program.h"

#include <omp.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "fer/core/error.h"
#include "fer/infer/onednn_constants_impl.h"
#include "fer/infer/onednn_plan_impl.h"

namespace fer {

using namespace onednn;

namespace {

using dnnl::memory;
using dnnl::primitive_attr;
using Dims = memory::dims;
using Type = memory::data_type;
using Tag = memory::format_tag;

// oneDNN takes its threads from OpenMP's setting of the calling thread, when it compiles and when
// it runs.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

constexpr auto kInference = dnnl::prop_kind::forward_inference;

Dims with_batch(int batch, const Shape& shape) {
  Dims dims = {batch};
  dims.insert(dims.end(), shape.begin(), shape.end());
  return dims;
}

bool is_int8(const memory::desc& md) {
  return md.data_type() == Type::s8 || md.data_type() == Type::u8;
}
memory::desc with_type(memory::desc md, Type type) {
  md.data.data_type = memory::convert_to_c(type);
  return md;
}

struct Quantization {
  Type type;
  float scale;
};
Quantization quantization(const Range& range) {
  const float largest = std::max(std::abs(range.low), std::abs(range.high));
  const Type type = range.low < 0 ? Type::s8 : Type::u8;
  return {type, largest > 0 ? largest / (type == Type::s8 ? 127.0f : 255.0f) : 1.0f};
}

class PlanBuilder {
 public:
  PlanBuilder(const dnnl::engine& engine, const FusedGraph& graph,
              std::vector<Constants>& constants, const Ranges& ranges, int batch,
              Precision precision)
      : engine_(engine),
        graph_(graph),
        constants_(constants),
        ranges_(ranges),
        batch_(batch),
        int8_(precision == Precision::kInt8),
        type_(precision == Precision::kBf16 || (int8_ && cpu_has_bf16()) ? Type::bf16 : Type::f32),
        uses_left_(graph.layers.size()),
        buffers_(1) {
    for (const FusedLayer& layer : graph.layers) {
      for (const int input : layer.inputs) ++uses_left_[input];
      if (layer.sum >= 0) ++uses_left_[layer.sum];
    }
    for (const auto& [head, layer] : graph.heads) ++uses_left_[layer];
  }

  Plan build() {
    for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
      index_ = static_cast<int>(i);
      results_.push_back(std::visit([this](const auto& o) { return emit(o); }, layer().operation));
      for (const int input : layer().inputs) --uses_left_[input];
      if (layer().sum >= 0) --uses_left_[layer().sum];
    }
    std::map<std::string, Tensor> heads;
    for (const auto& [head, index] : graph_.heads) {
      const Tensor& result = results_[index];
      heads[head] = reordered(result, plain(result.md.dims()));
    }
    for (const auto& [head, tensor] : heads) buffers_[tensor.buffer].use(INT_MAX);
    return Plan(engine_, steps_, std::move(buffers_), heads);
  }

 private:
  const FusedLayer& layer() const { return graph_.layers[index_]; }
  Constants& constants() { return constants_[index_]; }
  Dims result_dims() const { return with_batch(batch_, layer().shape); }
  // The input may be in float where the plan is in bfloat16, and a result in int8.
  Tensor input(int i = 0) {
    const Tensor& x = results_[layer().inputs[i]];
    return x.md.data_type() == type_ ? x : reordered(x, plain(x.md.dims(), type_));
  }

  Tensor new_tensor(const memory::desc& md) {
    buffers_.push_back({md.get_size()});
    return {static_cast<int>(buffers_.size()) - 1, md};
  }

  template <class PrimitiveDesc>
  void add_step(const PrimitiveDesc& pd, std::vector<Argument> arguments, int cleared = -1) {
    if (pd.scratchpad_desc().get_size() > 0) {
      arguments.push_back({DNNL_ARG_SCRATCHPAD, new_tensor(pd.scratchpad_desc())});
    }
    const int step = static_cast<int>(steps_.size());
    for (const Argument& argument : arguments) {
      if (const auto* tensor = std::get_if<Tensor>(&argument.value)) {
        buffers_[tensor->buffer].use(step);
      }
    }
    steps_.push_back({dnnl::primitive(pd.get()), std::move(arguments), cleared});
  }

  void add_reorder(const Tensor& from, const Tensor& to, int cleared = -1) {
    primitive_attr attr = attributes();
    if (from.scale != to.scale) attr.set_output_scales(0, {from.scale / to.scale});
    const dnnl::reorder::primitive_desc pd(engine_, from.md, engine_, to.md, attr);
    add_step(pd, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, cleared);
  }

  Tensor reordered(const Tensor& x, const memory::desc& wanted, float scale = 1.0f) {
    if (x.md == wanted && x.scale == scale) return x;
    Tensor y = new_tensor(wanted);
    y.scale = scale;
    add_reorder(x, y);
    return y;
  }

  static primitive_attr attributes() {
    primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
  }

  static dnnl::algorithm algorithm(Activation activation) {
    return activation == Activation::kRelu      ? dnnl::algorithm::eltwise_relu
           : activation == Activation::kSigmoid ? dnnl::algorithm::eltwise_logistic
                                                : dnnl::algorithm::eltwise_swish;
  }
  static float alpha(Activation activation) {
    return activation == Activation::kSilu ? 1.0f : 0.0f;
  }

  // With the sum and the activation of the layer.
  primitive_attr fused_attributes() const {
    dnnl::post_ops post_ops;
    if (layer().sum >= 0) post_ops.append_sum();
    if (layer().activation != Activation::kNone) {
      post_ops.append_eltwise(1.0f, algorithm(layer().activation), alpha(layer().activation), 0.0f);
    }
    primitive_attr attr = attributes();
    attr.set_post_ops(post_ops);
    return attr;
  }

  // Where the layer's result goes: a place that already holds what it is added to. That is the
  // other operand itself when nobody needs it afterwards, else a copy.
  Tensor destination(const memory::desc& md) {
    if (layer().sum < 0) return new_tensor(md);
    const Tensor other = results_[layer().sum];
    Tensor held = {-1, md};  // an int8 result may be added to a signed or unsigned one of any scale
    if (is_int8(md)) {
      const Quantization q = quantization_of(layer().sum);
      held = {-1, with_type(md, q.type), q.scale};
    }
    const bool free = uses_left_[layer().sum] == 1 && other.buffer != kInputBuffer;
    if (free && other.md == held.md && other.scale == held.scale) return {other.buffer, md};
    held.buffer = new_tensor(md).buffer;
    add_reorder(other, held);
    return {held.buffer, md};
  }

  // How a layer's result is, or would be, in int8.
  Quantization quantization_of(int index) const {
    const Tensor& result = results_[index];
    if (is_int8(result.md)) return {result.md.data_type(), result.scale};
    return quantization(ranges_.at(graph_.layers[index].name));
  }

  // A layer with weights in int8, where oneDNN has a fast kernel for it; else nothing.
  // describe: input type, weights' type, result type -> the operation's descriptor.
  template <class PrimitiveDesc, class Describe>
  std::optional<Tensor> emit_int8(const Describe& describe) {
    if (!int8_ || constants().int8 == false) return std::nullopt;
    const Quantization in = quantization_of(layer().inputs[0]);
    const Quantization out = quantization(ranges_.at(layer().name));
    if (constants().weight_scales.empty()) constants().weight_scales = channel_scales(constants());
    // What scales does so before the activation or, as a factor of the activation, after it.
    const bool active = layer().activation != Activation::kNone;
    const float before = active ? 1.0f : 1.0f / out.scale;
    std::vector<float> scales = constants().weight_scales;
    for (float& scale : scales) scale *= in.scale * before;
    dnnl::post_ops post_ops;
    if (layer().sum >= 0) {
      const Quantization other = quantization_of(layer().sum);
      post_ops.append_sum(other.scale * before, 0, other.type);
    }
    if (active) {
      post_ops.append_eltwise(1.0f / out.scale, algorithm(layer().activation),
                              alpha(layer().activation), 0.0f);
    }
    primitive_attr attr = attributes();
    attr.set_output_scales(1 << 1, scales);
    attr.set_post_ops(post_ops);
    const PrimitiveDesc pd(describe(in.type, Type::s8, out.type), attr, engine_, true);
    if (!constants().int8) {
      constants().int8 = pd && !std::string_view(pd.impl_info_str()).starts_with("ref");
      if (!*constants().int8) return std::nullopt;
      quantize(constants(), in.scale, engine_);
    }
    Tensor result = add_weighted(pd, in.scale);
    result.scale = out.scale;
    return result;
  }

  template <class PrimitiveDesc>
  Tensor add_weighted(const PrimitiveDesc& pd, float input_scale = 1.0f) {
    const Tensor x = reordered(results_[layer().inputs[0]], pd.src_desc(), input_scale);
    const Tensor y = destination(pd.dst_desc());
    add_step(pd, {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_WEIGHTS, constants().weight.as(pd.weights_desc(), engine_)},
                  {DNNL_ARG_BIAS, constants().bias.as(pd.bias_desc(), engine_)},
                  {DNNL_ARG_DST, y}});
    return y;
  }

  Tensor emit(const op::Input&) { return {kInputBuffer, plain(result_dims())}; }

  Tensor emit(const op::Conv2d& o) {
    const Dims in = results_[layer().inputs[0]].md.dims();
    using Primitive = dnnl::convolution_forward;
    const auto describe = [&](Type input_type, Type weight_type, Type result_type) {
      return Primitive::desc(kInference, dnnl::algorithm::convolution_direct,
                             {in, input_type, Tag::any}, constants().weight.desc(weight_type),
                             constants().bias.plain(), {result_dims(), result_type, Tag::any},
                             {o.stride, o.stride}, {o.padding.top, o.padding.left},
                             {o.padding.bottom, o.padding.right});
    };
    if (auto y = emit_int8<Primitive::primitive_desc>(describe)) return *y;
    return add_weighted(
        Primitive::primitive_desc(describe(type_, type_, type_), fused_attributes(), engine_));
  }

  Tensor emit(const op::Linear&) {
    const Dims in = results_[layer().inputs[0]].md.dims();
    const bool last = uses_left_[index_] == 1 && layer().sum < 0 &&
                      std::ranges::any_of(
                          graph_.heads, [this](const auto& head) { return head.second == index_; });
    using Primitive = dnnl::inner_product_forward;
    const auto describe = [&](Type input_type, Type weight_type, Type result_type) {
      return Primitive::desc(kInference, {in, input_type, Tag::any},
                             constants().weight.desc(weight_type), constants().bias.plain(),
                             {result_dims(), result_type, Tag::any});
    };
    if (!last) {  // logits are float, whose layer costs next to nothing
      if (auto y = emit_int8<Primitive::primitive_desc>(describe)) return *y;
    }
    return add_weighted(Primitive::primitive_desc(describe(type_, type_, last ? Type::f32 : type_),
                                                  fused_attributes(), engine_));
  }

  Tensor emit(const op::BatchNorm&) {
    using dnnl::normalization_flags;
    auto flags = normalization_flags::use_global_stats | normalization_flags::use_scale |
                 normalization_flags::use_shift;
    if (layer().activation == Activation::kRelu) flags |= normalization_flags::fuse_norm_relu;
    const Tensor x = input();
    const dnnl::batch_normalization_forward::primitive_desc pd({kInference, x.md, 0.0f, flags},
                                                               attributes(), engine_);
    const Tensor y = new_tensor(pd.dst_desc());
    const auto constant = [this](Constant& c) { return c.as(c.plain(), engine_); };
    add_step(pd, {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_MEAN, constant(constants().mean)},
                  {DNNL_ARG_VARIANCE, constant(constants().variance)},
                  {DNNL_ARG_SCALE, constant(constants().weight)},
                  {DNNL_ARG_SHIFT, constant(constants().bias)},
                  {DNNL_ARG_DST, y}});
    return y;
  }

  Tensor add_activation(Activation activation) {
    const Tensor x = input();
    const dnnl::eltwise_forward::primitive_desc pd(
        {kInference, algorithm(activation), x.md, alpha(activation), 0.0f}, attributes(), engine_);
    const Tensor y = new_tensor(pd.dst_desc());
    add_step(pd, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
    return y;
  }
  Tensor emit(const op::Relu&) { return add_activation(Activation::kRelu); }
  Tensor emit(const op::Sigmoid&) { return add_activation(Activation::kSigmoid); }
  Tensor emit(const op::Silu&) { return add_activation(Activation::kSilu); }

  Tensor add_pool(dnnl::algorithm algorithm, const Dims& result, const Dims& strides,
                  const Dims& kernel, const Padding& p) {
    // A maximum is the same in int8; a mean would be rounded.
    const Tensor& found = results_[layer().inputs[0]];
    const bool as_it_is = is_int8(found.md) && algorithm == dnnl::algorithm::pooling_max;
    const Tensor x = as_it_is ? found : input();
    const dnnl::pooling_forward::primitive_desc pd(
        {kInference,
         algorithm,
         x.md,
         memory::desc(result, x.md.data_type(), Tag::any),
         strides,
         kernel,
         {p.top, p.left},
         {p.bottom, p.right}},
        attributes(), engine_);
    Tensor y = new_tensor(pd.dst_desc());
    y.scale = x.scale;
    add_step(pd, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
    return y;
  }
  Tensor emit(const op::MaxPool& o) {
    return add_pool(dnnl::algorithm::pooling_max, result_dims(), {o.stride, o.stride},
                    {o.kernel, o.kernel}, o.padding);
  }
  Tensor emit(const op::AvgPool& o) {
    return add_pool(dnnl::algorithm::pooling_avg_include_padding, result_dims(),
                    {o.stride, o.stride}, {o.kernel, o.kernel}, o.padding);
  }
  Tensor emit(const op::GlobalAvgPool&) {
    const Dims in = results_[layer().inputs[0]].md.dims();
    const Dims window = {in[2], in[3]};
    const Tensor pooled = add_pool(dnnl::algorithm::pooling_avg_exclude_padding,
                                   {in[0], in[1], 1, 1}, window, window, {});
    const Tensor flat = reordered(pooled, plain(pooled.md.dims(), type_));
    return {flat.buffer, plain(result_dims(), type_)};
  }

  // Into the middle of a cleared picture.
  Tensor emit(const op::ZeroPad& o) {
    const Tensor x = results_[layer().inputs[0]];
    const Tensor y = new_tensor({result_dims(), type_, Tag::nhwc});
    const auto middle = y.md.submemory_desc(x.md.dims(), {0, 0, o.padding.top, o.padding.left});
    add_reorder(x, {y.buffer, middle}, y.buffer);
    return y;
  }

  Tensor add_binary(dnnl::algorithm algorithm, const Tensor& a, const Tensor& b) {
    const dnnl::binary::primitive_desc pd({algorithm, a.md, b.md, a.md}, fused_attributes(),
                                          engine_);
    const Tensor y = new_tensor(pd.dst_desc());
    add_step(pd, {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, y}});
    return y;
  }
  Tensor emit(const op::Add&) {
    const Tensor a = input(0);
    return add_binary(dnnl::algorithm::binary_add, a, reordered(input(1), a.md));
  }
  Tensor emit(const op::Scale&) {
    const Dims gates = {batch_, layer().shape[0], 1, 1};
    const Tensor gate = reordered(input(1), plain({batch_, layer().shape[0]}, type_));
    return add_binary(dnnl::algorithm::binary_mul, input(0), {gate.buffer, plain(gates, type_)});
  }

  // One behind the other.
  Tensor emit(const op::Concat&) {
    const Tensor y = new_tensor(plain(result_dims(), type_));
    memory::dim at = 0;
    for (const int i : {0, 1}) {
      const Tensor x = input(i);
      const auto part = y.md.submemory_desc(x.md.dims(), {0, at});
      add_reorder(x, {y.buffer, part});
      at += x.md.dims()[1];
    }
    return y;
  }

  Tensor emit(const op::Flatten&) {
    const Tensor x = results_[layer().inputs[0]];
    const Tensor y = new_tensor(plain(x.md.dims(), type_));
    add_reorder(x, y);
    return {y.buffer, plain(result_dims(), type_)};
  }

  // fuse() leaves none of it.
  Tensor emit(const op::Dropout&) { return input(); }

  const dnnl::engine& engine_;
  const FusedGraph& graph_;
  std::vector<Constants>& constants_;
  const Ranges& ranges_;
  int batch_;
  bool int8_;
  Type type_;                   // of what is not in int8
  std::vector<int> uses_left_;  // of each layer's result
  std::vector<Tensor> results_;
  std::vector<Buffer> buffers_;
  std::vector<Step> steps_;
  int index_ = 0;  // of the layer at hand
};

}  // namespace

struct OnednnProgram::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  FusedGraph graph;
  Precision precision;
  Ranges ranges;
  int threads;
  std::vector<Constants> constants;
  std::map<int, Plan> plans;  // by batch size
};

namespace {
bool has_isa(dnnl::cpu_isa wanted) {
  const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (has & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}
}  // namespace

bool cpu_has_bf16() { return has_isa(dnnl::cpu_isa::avx512_core_bf16); }
bool cpu_has_int8() { return has_isa(dnnl::cpu_isa::avx512_core_vnni); }

namespace {
// What goes wrong in oneDNN is a fer::Error for whoever is above.
template <typename Body>
void translated(const Body& body) {
  try {
    body();
  } catch (const dnnl::error& error) {
    fail_runtime(std::string("oneDNN: ") + error.what());
  }
}
}  // namespace

OnednnProgram::OnednnProgram(FusedGraph graph, Precision precision, int threads, Ranges ranges) {
  translated([&] { state_ = std::make_unique<State>(); });
  state_->graph = std::move(graph);
  state_->precision = precision;
  state_->ranges = std::move(ranges);
  state_->threads = threads;
  for (FusedLayer& layer : state_->graph.layers) {
    if (precision == Precision::kInt8 && !state_->ranges.contains(layer.name)) {
      fail_input("int8: " + layer.name +
                 " has no range of values: let fer-export calibrate the checkpoint");
    }
    const Shape input =
        layer.inputs.empty() ? Shape() : state_->graph.layers[layer.inputs[0]].shape;
    translated([&] { state_->constants.push_back(constants_of(layer, input, state_->engine)); });
    layer.weight = layer.bias = {};
  }
}

OnednnProgram::~OnednnProgram() = default;

void OnednnProgram::run(int batch, const float* input) {
  const ThreadCount threads(state_->threads);
  translated([&] {
    auto found = state_->plans.find(batch);
    if (found == state_->plans.end()) {
      PlanBuilder builder(state_->engine, state_->graph, state_->constants, state_->ranges, batch,
                          state_->precision);
      found = state_->plans.emplace(batch, builder.build()).first;
    }
    found->second.run(input);
  });
}

std::span<const float> OnednnProgram::logits(int batch, const std::string& head) const {
  return state_->plans.at(batch).logits(head);
}

}  // namespace fer
