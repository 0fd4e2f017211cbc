#include "fer/nn/graph_module.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fer/core/error.h"
#include "fer/core/hash.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/model/reference.h"
#include "fer/nn/runtime.h"

namespace fer {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

constexpr double kBatchNormMomentum = 0.1;

at::Tensor pad(const at::Tensor& x, const Padding& p, double value) {
  return at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, value);
}

bool is_symmetric(const Padding& p) { return p.top == p.bottom && p.left == p.right; }

at::Tensor keep_mask(const at::Tensor& like, at::IntArrayRef shape, double rate,
                     at::Generator& generator) {
  return at::empty(shape, like.options().dtype(at::kFloat))
      .bernoulli_(1.0 - rate, generator)
      .div_(1.0 - rate);
}

}  // namespace

at::Tensor to_torch(const HostTensor& tensor) {
  const auto copy = [&](const void* data, at::ScalarType type) {
    return at::from_blob(const_cast<void*>(data), tensor.shape, at::TensorOptions().dtype(type))
        .clone();
  };
  switch (tensor.dtype) {
    case DType::kF32:
      return copy(tensor.bytes.data(), at::kFloat);
    case DType::kI64:
      return copy(tensor.bytes.data(), at::kLong);
    case DType::kU8:
      return copy(tensor.bytes.data(), at::kByte);
    default: {
      const auto floats = tensor.to_floats();
      return copy(floats.data(), at::kFloat);
    }
  }
}

HostTensor from_torch(const at::Tensor& tensor) {
  HostTensor host;
  at::ScalarType type = at::kFloat;
  if (tensor.scalar_type() == at::kLong) {
    type = at::kLong;
    host.dtype = DType::kI64;
  } else if (tensor.scalar_type() == at::kByte) {
    type = at::kByte;
    host.dtype = DType::kU8;
  }
  const auto plain = tensor.detach().to(at::kCPU, type).contiguous();
  host.shape = plain.sizes().vec();
  host.bytes.resize(plain.nbytes());
  std::memcpy(host.bytes.data(), plain.data_ptr(), plain.nbytes());
  return host;
}

struct GraphModule::Impl {
  Graph graph;
  std::string device;
  std::vector<Parameter> parameters;
  std::vector<at::Tensor> tensors;           // parallel to parameters
  std::map<std::string, std::size_t> index;  // by parameter name
  std::vector<int> sums_before;  // of each node: residual sums on the way to it, its own, too
  int residual_sums = 0;         // on the longest way
  std::vector<bool> frozen;      // a node

  // Computes the nodes after `from`, whose value is `input`, up to `to`; values that no node after
  // it needs are dropped on the way.
  std::vector<at::Tensor> run(const at::Tensor& input, const ForwardOptions& options, int from,
                              int to) const;

  const at::Tensor& tensor(const Node& node, const char* suffix) const {
    return tensors[index.at(node.name + suffix)];
  }
  at::Tensor optional_tensor(const Node& node, const char* suffix) const {
    const auto found = index.find(node.name + suffix);
    return found == index.end() ? at::Tensor() : tensors[found->second];
  }
};

GraphModule::GraphModule(Graph graph, const std::string& device) : impl_(std::make_unique<Impl>()) {
  impl_->graph = std::move(graph);
  impl_->device = device;
  impl_->parameters = impl_->graph.parameters();
  for (const Parameter& parameter : impl_->parameters) {
    auto options = at::TensorOptions().dtype(at::kFloat).device(torch_device(device));
    // contiguous(ChannelsLast) leaves a one-channel tensor as it is and the stem would run NCHW, so
    // the format is asked for at allocation.
    if (parameter.shape.size() == 4)
      options = options.memory_format(at::MemoryFormat::ChannelsLast);
    auto tensor = at::empty(parameter.shape, options).zero_();
    tensor.set_requires_grad(parameter.trainable);
    impl_->index[parameter.name] = impl_->tensors.size();
    impl_->tensors.push_back(tensor);
  }
  impl_->frozen.resize(impl_->graph.nodes().size());
  for (const Node& node : impl_->graph.nodes()) {
    int sums = 0;
    for (const int input : node.inputs) sums = std::max(sums, impl_->sums_before[input]);
    if (std::holds_alternative<op::Add>(node.operation)) ++sums;
    impl_->sums_before.push_back(sums);
    impl_->residual_sums = std::max(impl_->residual_sums, sums);
  }
}

GraphModule::~GraphModule() = default;

const Graph& GraphModule::graph() const { return impl_->graph; }
const std::string& GraphModule::device() const { return impl_->device; }

void GraphModule::initialise(std::uint64_t seed) {
  at::NoGradGuard no_grad;
  const auto& nodes = impl_->graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const Parameter& parameter : impl_->graph.parameters(static_cast<int>(i))) {
      Fingerprint name;
      name.add(parameter.name);
      Rng rng{seed, name.value()};
      auto values = std::vector<float>(element_count(parameter.shape));
      const bool is_weight = parameter.name.ends_with(".weight");
      if (std::holds_alternative<op::Conv2d>(nodes[i].operation)) {
        if (is_weight) {
          const auto& s = parameter.shape;
          const double fan_out = static_cast<double>(s[0] * s[2] * s[3]) /
                                 std::get<op::Conv2d>(nodes[i].operation).groups;
          for (float& v : values) v = static_cast<float>(rng.normal() * std::sqrt(2.0 / fan_out));
        }
      } else if (std::holds_alternative<op::Linear>(nodes[i].operation)) {
        const double fan_in = static_cast<double>(impl_->graph.shape(nodes[i].inputs[0])[0]);
        const double bound = 1.0 / std::sqrt(fan_in);
        for (float& v : values) v = static_cast<float>(rng.uniform(-bound, bound));
      } else if (is_weight || parameter.name.ends_with(".running_var")) {
        std::fill(values.begin(), values.end(), 1.0f);
      }
      impl_->tensors[impl_->index.at(parameter.name)].copy_(
          to_torch(HostTensor::from_floats(parameter.shape, values)));
    }
  }
}

void GraphModule::load(const TensorMap& weights) {
  check_weights(impl_->graph, weights);
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < impl_->parameters.size(); ++i) {
    impl_->tensors[i].copy_(to_torch(weights.at(impl_->parameters[i].name)));
  }
}

TensorMap GraphModule::save() const {
  TensorMap weights;
  for (std::size_t i = 0; i < impl_->parameters.size(); ++i) {
    weights[impl_->parameters[i].name] = from_torch(impl_->tensors[i]);
  }
  return weights;
}

std::vector<std::string> GraphModule::names() const {
  std::vector<std::string> result;
  for (const Parameter& p : impl_->parameters) result.push_back(p.name);
  return result;
}

std::vector<at::Tensor> GraphModule::tensors() const { return impl_->tensors; }

void GraphModule::set_frozen(std::vector<bool> frozen) {
  impl_->frozen = std::move(frozen);
  std::size_t at = 0;
  for (std::size_t i = 0; i < impl_->graph.nodes().size(); ++i) {
    for (const Parameter& parameter : impl_->graph.parameters(static_cast<int>(i))) {
      impl_->tensors[at++].set_requires_grad(parameter.trainable && !impl_->frozen[i]);
    }
  }
}

std::vector<std::string> GraphModule::trainable_names() const {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < impl_->parameters.size(); ++i) {
    if (impl_->tensors[i].requires_grad()) result.push_back(impl_->parameters[i].name);
  }
  return result;
}

std::vector<at::Tensor> GraphModule::trainable() const {
  std::vector<at::Tensor> result;
  for (std::size_t i = 0; i < impl_->parameters.size(); ++i) {
    if (impl_->tensors[i].requires_grad()) result.push_back(impl_->tensors[i]);
  }
  return result;
}

std::vector<at::Tensor> GraphModule::Impl::run(const at::Tensor& input,
                                               const ForwardOptions& options, int from,
                                               int to) const {
  const auto& nodes = graph.nodes();
  std::vector<int> uses_left(nodes.size(), 0);
  for (const Node& node : nodes) {
    for (const int needed : node.inputs) ++uses_left[needed];
  }
  for (const Output& output : graph.outputs()) ++uses_left[output.node];
  ++uses_left[to];

  auto generator = options.training ? make_generator(device, options.seed) : at::Generator();
  std::vector<at::Tensor> values(nodes.size());
  values[from] = input;
  for (int i = from + 1; i <= to; ++i) {
    const Node& node = nodes[i];
    const bool training = options.training && !frozen[i];
    const auto in = [&](std::size_t k) -> const at::Tensor& { return values[node.inputs[k]]; };
    values[i] = std::visit(
        Overloaded{
            [&](const op::Input&) { return input; },
            [&](const op::Conv2d& o) {
              const auto& weight = tensor(node, ".weight");
              const auto bias = optional_tensor(node, ".bias");
              const bool inside = is_symmetric(o.padding);
              const auto x = inside ? in(0) : pad(in(0), o.padding, 0.0);
              const std::vector<std::int64_t> padding =
                  inside ? std::vector<std::int64_t>{o.padding.top, o.padding.left}
                         : std::vector<std::int64_t>{0, 0};
              return at::conv2d(x, weight, bias, {o.stride, o.stride}, padding, {1, 1}, o.groups);
            },
            [&](const op::BatchNorm& o) {
              const bool untouched = training && !options.track;
              const at::Tensor none;
              return at::batch_norm(in(0), tensor(node, ".weight"), tensor(node, ".bias"),
                                    untouched ? none : tensor(node, ".running_mean"),
                                    untouched ? none : tensor(node, ".running_var"), training,
                                    kBatchNormMomentum, o.epsilon, true);
            },
            [&](const op::Relu&) { return at::relu(in(0)); },
            [&](const op::Sigmoid&) { return at::sigmoid(in(0)); },
            [&](const op::Silu&) { return at::silu(in(0)); },
            [&](const op::MaxPool& o) {
              const bool inside = is_symmetric(o.padding) && 2 * o.padding.top <= o.kernel &&
                                  2 * o.padding.left <= o.kernel;
              const auto x = inside ? in(0) : pad(in(0), o.padding, -INFINITY);
              const std::vector<std::int64_t> padding =
                  inside ? std::vector<std::int64_t>{o.padding.top, o.padding.left}
                         : std::vector<std::int64_t>{0, 0};
              return at::max_pool2d(x, {o.kernel, o.kernel}, {o.stride, o.stride}, padding);
            },
            [&](const op::AvgPool& o) {
              const bool none = o.padding == Padding{};
              const auto x = none ? in(0) : pad(in(0), o.padding, 0.0);
              return at::avg_pool2d(x, {o.kernel, o.kernel}, {o.stride, o.stride});
            },
            [&](const op::GlobalAvgPool&) {
              return in(0).mean({2, 3});
            },
            [&](const op::ZeroPad& o) { return pad(in(0), o.padding, 0.0); },
            [&](const op::Add&) {
              const double rate = options.drop_path * sums_before[i] / residual_sums;
              if (!training || rate <= 0.0) return in(0) + in(1);
              const auto mask = keep_mask(in(0), {in(0).size(0), 1, 1, 1}, rate, generator);
              return in(0) * mask.to(in(0).scalar_type()) + in(1);
            },
            [&](const op::Scale&) { return in(0) * in(1).unsqueeze(-1).unsqueeze(-1); },
            [&](const op::Concat&) {
              return at::cat({in(0), in(1)}, 1);
            },
            [&](const op::Flatten&) { return in(0).contiguous().flatten(1); },
            [&](const op::Linear&) {
              return at::linear(in(0), tensor(node, ".weight"), optional_tensor(node, ".bias"));
            },
            [&](const op::Dropout& o) {
              if (!training || o.rate <= 0.0f) return in(0);
              return in(0) *
                     keep_mask(in(0), in(0).sizes(), o.rate, generator).to(in(0).scalar_type());
            },
        },
        node.operation);
    // Inference holds only what is still needed.
    for (const int used : node.inputs) {
      if (--uses_left[used] == 0) values[used] = at::Tensor();
    }
  }
  return values;
}

std::map<std::string, at::Tensor> GraphModule::forward(const at::Tensor& input,
                                                       const ForwardOptions& options, int from) {
  const int last = static_cast<int>(impl_->graph.nodes().size()) - 1;
  const auto values = impl_->run(input, options, from, last);
  std::map<std::string, at::Tensor> result;
  for (const Output& output : impl_->graph.outputs()) {
    result[output.head] = values[output.node].to(at::kFloat);
  }
  return result;
}

at::Tensor GraphModule::features(const at::Tensor& input, int node) {
  const at::NoGradGuard no_grad;
  return impl_->run(input, {}, 0, node).at(static_cast<std::size_t>(node));
}

}  // namespace fer
