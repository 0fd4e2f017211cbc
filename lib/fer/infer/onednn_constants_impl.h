// The weights of a FusedGraph as oneDNN wants them. Internal to fer_infer.
#pragma once

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <span>
#include <vector>

#include "fer/infer/fused_graph.h"

namespace fer::onednn {

// Row by row, whatever the number of dimensions (1 to 5).
dnnl::memory::desc plain(const dnnl::memory::dims& dims,
                         dnnl::memory::data_type type = dnnl::memory::data_type::f32);

// Weights, in every layout that a plan has asked for.
class Constant {
 public:
  Constant() = default;
  template <class T>
  Constant(const dnnl::memory::desc& plain, const dnnl::engine& engine,
           const std::vector<T>& values)
      : desc_(plain), plain_(plain, engine) {
    std::memcpy(plain_.get_data_handle(), values.data(), values.size() * sizeof(T));
  }

  dnnl::memory as(const dnnl::memory::desc& wanted, const dnnl::engine& engine);
  dnnl::memory::desc desc(dnnl::memory::data_type type) const {
    return {desc_.dims(), type, dnnl::memory::format_tag::any};
  }
  dnnl::memory::desc plain() const { return desc_; }
  std::span<float> floats() {  // before the first as()
    return {static_cast<float*>(plain_.get_data_handle()), desc_.get_size() / sizeof(float)};
  }

 private:
  dnnl::memory::desc desc_;
  dnnl::memory plain_;
  std::vector<dnnl::memory> variants_;
};

struct Constants {
  Constant weight, bias;             // of Conv2d, Linear; scale and shift of BatchNorm
  Constant mean, variance;           // of BatchNorm: 0 and 1, for they are folded into the others
  std::optional<bool> int8;          // decided by the first plan
  std::vector<float> weight_scales;  // in int8: a weight is its whole number times this, a channel
};

// Of a layer whose input has this shape.
Constants constants_of(const FusedLayer& layer, const Shape& input, const dnnl::engine& engine);

// For int8, a channel: its largest weight becomes 127.
std::vector<float> channel_scales(Constants& constants);
// Weights as whole numbers from -127 to 127, and the bias in units of their products with inputs.
void quantize(Constants& constants, float input_scale, const dnnl::engine& engine);

}  // namespace fer::onednn
