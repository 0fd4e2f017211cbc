#include "fer/model/reference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "fer/core/error.h"
#include "fer/model/json_reader.h"

namespace fer {
namespace {

// One result for the whole batch: [N, C, H, W] or [N, F].
struct Activation {
  std::int64_t batch = 0;
  Shape shape;  // of one sample
  std::vector<float> values;

  Activation(std::int64_t n, Shape s)
      : batch(n), shape(std::move(s)), values(n * element_count(shape)) {}

  std::int64_t channels() const { return shape[0]; }
  std::int64_t height() const { return shape.size() == 3 ? shape[1] : 1; }
  std::int64_t width() const { return shape.size() == 3 ? shape[2] : 1; }
  std::int64_t pixels() const { return height() * width(); }
  float* plane(std::int64_t n, std::int64_t c) { return &values[(n * channels() + c) * pixels()]; }
  const float* plane(std::int64_t n, std::int64_t c) const {
    return &values[(n * channels() + c) * pixels()];
  }
};

class Interpreter {
 public:
  Interpreter(const Graph& graph, const TensorMap& weights) : graph_(graph), weights_(weights) {}

  std::map<std::string, HostTensor> run(const HostTensor& input) {
    const std::int64_t batch = input.shape[0];
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      node_ = static_cast<int>(i);
      Activation result(batch, graph_.shape(node_));
      if (i == 0) {
        std::ranges::copy(input.floats(), result.values.begin());
      } else {
        std::visit([&](const auto& o) { apply(o, result); }, graph_.nodes()[i].operation);
      }
      results_.push_back(std::move(result));
    }
    std::map<std::string, HostTensor> logits;
    for (const Output& output : graph_.outputs()) {
      const Activation& y = results_[output.node];
      logits[output.head] = HostTensor::from_floats({batch, y.channels()}, y.values);
    }
    return logits;
  }

 private:
  const Activation& in(int i = 0) const { return results_[graph_.nodes()[node_].inputs[i]]; }

  std::vector<float> weight(const char* suffix) const {
    return weights_.at(graph_.nodes()[node_].name + "." + suffix).to_floats();
  }

  void apply(const op::Input&, Activation&) {}

  void apply(const op::Conv2d& o, Activation& y) {
    const Activation& x = in();
    const auto kernel = weight("weight");
    const auto bias = o.bias ? weight("bias") : std::vector<float>(o.out_channels);
    const std::int64_t group_in = x.channels() / o.groups;
    const std::int64_t group_out = o.out_channels / o.groups;
    std::vector<double> sums(y.pixels());
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t out = 0; out < o.out_channels; ++out) {
        std::ranges::fill(sums, bias[out]);
        for (std::int64_t c = 0; c < group_in; ++c) {
          const float* plane = x.plane(n, out / group_out * group_in + c);
          const float* taps = &kernel[(out * group_in + c) * o.kernel_height * o.kernel_width];
          add_plane(o, x, plane, taps, y, sums);
        }
        std::ranges::copy(sums, y.plane(n, out));
      }
    }
  }

  // The outputs, of `count`, whose tap at `offset` from the window's start lies in [0, extent).
  static std::pair<std::int64_t, std::int64_t> inside(std::int64_t count, std::int64_t extent,
                                                      int stride, std::int64_t offset) {
    const std::int64_t begin = offset < 0 ? (-offset + stride - 1) / stride : 0;
    const std::int64_t end = offset < extent ? (extent - 1 - offset) / stride + 1 : 0;
    return {begin, std::min(end, count)};
  }

  // Adds the correlation of one input plane with one kernel plane.
  static void add_plane(const op::Conv2d& o, const Activation& x, const float* plane,
                        const float* taps, const Activation& y, std::vector<double>& sums) {
    for (int ky = 0; ky < o.kernel_height; ++ky) {
      const int dy = ky - o.padding.top;
      const auto [top, bottom] = inside(y.height(), x.height(), o.stride, dy);
      for (int kx = 0; kx < o.kernel_width; ++kx) {
        const int dx = kx - o.padding.left;
        const auto [left, right] = inside(y.width(), x.width(), o.stride, dx);
        const double tap = taps[ky * o.kernel_width + kx];
        for (std::int64_t oy = top; oy < bottom; ++oy) {
          const float* row = plane + (oy * o.stride + dy) * x.width() + dx;
          double* sum = &sums[oy * y.width()];
          for (std::int64_t ox = left; ox < right; ++ox) sum[ox] += tap * row[ox * o.stride];
        }
      }
    }
  }

  void apply(const op::BatchNorm& o, Activation& y) {
    const auto scale = weight("weight"), shift = weight("bias");
    const auto mean = weight("running_mean"), variance = weight("running_var");
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t c = 0; c < y.channels(); ++c) {
        const double factor = scale[c] / std::sqrt(double{variance[c]} + o.epsilon);
        const float* x = in().plane(n, c);
        std::transform(x, x + y.pixels(), y.plane(n, c), [&](float v) {
          return static_cast<float>((double{v} - mean[c]) * factor + shift[c]);
        });
      }
    }
  }

  template <class Function>
  void map(Activation& y, Function function) {
    std::ranges::transform(in().values, y.values.begin(), function);
  }
  static double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
  void apply(const op::Relu&, Activation& y) {
    map(y, [](float v) { return std::max(v, 0.0f); });
  }
  void apply(const op::Sigmoid&, Activation& y) {
    map(y, [](float v) { return static_cast<float>(sigmoid(v)); });
  }
  void apply(const op::Silu&, Activation& y) {
    map(y, [](float v) { return static_cast<float>(v * sigmoid(v)); });
  }
  void apply(const op::Dropout&, Activation& y) { y.values = in().values; }
  void apply(const op::Flatten&, Activation& y) { y.values = in().values; }

  // Folds the values under each window, padding left out, into `start`.
  template <class Pool, class Combine>
  void pool(const Pool& o, Activation& y, double start, Combine combine) {
    const Activation& x = in();
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t c = 0; c < y.channels(); ++c) {
        const float* plane = x.plane(n, c);
        for (std::int64_t oy = 0; oy < y.height(); ++oy) {
          for (std::int64_t ox = 0; ox < y.width(); ++ox) {
            const std::int64_t top = oy * o.stride - o.padding.top;
            const std::int64_t left = ox * o.stride - o.padding.left;
            double value = start;
            for (std::int64_t iy = std::max<std::int64_t>(top, 0);
                 iy < std::min(top + o.kernel, x.height()); ++iy) {
              for (std::int64_t ix = std::max<std::int64_t>(left, 0);
                   ix < std::min(left + o.kernel, x.width()); ++ix) {
                value = combine(value, plane[iy * x.width() + ix]);
              }
            }
            y.plane(n, c)[oy * y.width() + ox] = static_cast<float>(value);
          }
        }
      }
    }
  }
  void apply(const op::MaxPool& o, Activation& y) {
    pool(o, y, -std::numeric_limits<double>::infinity(),
         [](double best, double v) { return std::max(best, v); });
  }
  void apply(const op::AvgPool& o, Activation& y) {
    const double area = double{1} * o.kernel * o.kernel;
    pool(o, y, 0, [area](double sum, double v) { return sum + v / area; });
  }

  void apply(const op::GlobalAvgPool&, Activation& y) {
    const Activation& x = in();
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t c = 0; c < y.channels(); ++c) {
        double sum = 0;
        for (std::int64_t i = 0; i < x.pixels(); ++i) sum += x.plane(n, c)[i];
        *y.plane(n, c) = static_cast<float>(sum / static_cast<double>(x.pixels()));
      }
    }
  }

  void apply(const op::ZeroPad& o, Activation& y) {
    const Activation& x = in();
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t c = 0; c < y.channels(); ++c) {
        for (std::int64_t row = 0; row < x.height(); ++row) {
          std::copy_n(x.plane(n, c) + row * x.width(), x.width(),
                      y.plane(n, c) + (row + o.padding.top) * y.width() + o.padding.left);
        }
      }
    }
  }

  void apply(const op::Add&, Activation& y) {
    std::ranges::transform(in(0).values, in(1).values, y.values.begin(), std::plus<float>());
  }

  void apply(const op::Scale&, Activation& y) {
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t c = 0; c < y.channels(); ++c) {
        const float gate = *in(1).plane(n, c);
        const float* x = in(0).plane(n, c);
        std::transform(x, x + y.pixels(), y.plane(n, c), [gate](float v) { return v * gate; });
      }
    }
  }

  void apply(const op::Concat&, Activation& y) {
    auto out = y.values.begin();
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (const int i : {0, 1}) out = std::copy_n(in(i).plane(n, 0), in(i).channels(), out);
    }
  }

  void apply(const op::Linear& o, Activation& y) {
    const Activation& x = in();
    const auto matrix = weight("weight");
    const auto bias = o.bias ? weight("bias") : std::vector<float>(o.out_features);
    for (std::int64_t n = 0; n < y.batch; ++n) {
      for (std::int64_t out = 0; out < o.out_features; ++out) {
        double sum = bias[out];
        const float* row = &matrix[out * x.channels()];
        for (std::int64_t i = 0; i < x.channels(); ++i) sum += double{row[i]} * *x.plane(n, i);
        *y.plane(n, out) = static_cast<float>(sum);
      }
    }
  }

  const Graph& graph_;
  const TensorMap& weights_;
  std::vector<Activation> results_;
  int node_ = 0;
};

}  // namespace

std::map<std::string, HostTensor> run_reference(const Graph& graph, const TensorMap& weights,
                                                const HostTensor& input) {
  check_weights(graph, weights);
  check_batch(graph, input);
  return Interpreter(graph, weights).run(input);
}

void check_weights(const Graph& graph, const std::map<std::string, TensorType>& weights) {
  const std::vector<Parameter> parameters = graph.parameters();
  for (const Parameter& parameter : parameters) {
    const auto found = weights.find(parameter.name);
    if (found == weights.end()) fail_input("weights: " + parameter.name + " is missing");
    const auto& [dtype, shape] = found->second;
    if (shape != parameter.shape) {
      fail_input("weights: " + parameter.name + " is " + to_string(shape) + ", the graph needs " +
                 to_string(parameter.shape));
    }
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
      fail_input("weights: " + parameter.name + " is " + to_string(dtype) + ", not a float");
    }
  }
  if (weights.size() == parameters.size()) return;
  std::set<std::string> names;
  for (const Parameter& parameter : parameters) names.insert(parameter.name);
  for (const auto& [name, type] : weights) {
    if (!names.contains(name)) fail_input("weights: the graph has no parameter " + quote(name));
  }
}

void check_weights(const Graph& graph, const TensorMap& weights) {
  std::map<std::string, TensorType> types;
  for (const auto& [name, tensor] : weights) types[name] = {tensor.dtype, tensor.shape};
  check_weights(graph, types);
}

void check_batch(const Graph& graph, const HostTensor& batch) {
  const auto& [channels, height, width] = graph.input();
  const Shape wanted = {channels, height, width};
  const bool fits = batch.shape.size() == 4 && batch.shape[0] > 0 &&
                    std::ranges::equal(wanted, std::span(batch.shape).subspan(1));
  if (!fits || batch.dtype != DType::kF32) {
    fail_input("a batch of " + to_string(batch.dtype) + " " + to_string(batch.shape) +
               ", the graph needs F32 [N, " + to_string(wanted).substr(1));
  }
}

}  // namespace fer
