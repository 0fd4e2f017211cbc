#include "fer/infer/onednn_constants_impl.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace fer::onednn {

using dnnl::memory;
using Dims = memory::dims;
using Type = memory::data_type;
using Tag = memory::format_tag;

memory::desc plain(const Dims& dims, Type type) {
  constexpr Tag kTags[] = {Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde};
  return {dims, type, kTags[dims.size() - 1]};
}

memory Constant::as(const memory::desc& wanted, const dnnl::engine& engine) {
  for (const memory& variant : variants_) {
    if (variant.get_desc() == wanted) return variant;
  }
  memory source = plain_ ? plain_ : variants_.front();
  memory result(wanted, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(source, result).execute(stream, source, result);
  stream.wait();
  variants_.push_back(result);
  // A variant holds the same from now on, but for int8, which may hold more than the weights.
  if (desc_.data_type() == Type::f32) plain_ = {};
  return result;
}

Constants constants_of(const FusedLayer& layer, const Shape& input, const dnnl::engine& engine) {
  Constants constants;
  if (layer.weight.empty()) return constants;
  const auto channels = layer.shape[0];
  const auto vector_of = [&](std::vector<float> values) {
    values.resize(channels);
    return Constant(plain({channels}), engine, values);
  };
  if (const auto* conv = std::get_if<op::Conv2d>(&layer.operation)) {
    Dims dims = {channels, input[0] / conv->groups, conv->kernel_height, conv->kernel_width};
    if (conv->groups > 1) {
      dims[0] /= conv->groups;
      dims.insert(dims.begin(), conv->groups);
    }
    constants.weight = Constant(plain(dims), engine, layer.weight);
  } else if (std::holds_alternative<op::Linear>(layer.operation)) {
    Dims dims = {channels};
    dims.insert(dims.end(), input.begin(), input.end());
    constants.weight = Constant(plain(dims), engine, layer.weight);
  } else {
    constants.weight = vector_of(layer.weight);
    constants.mean = vector_of({});
    constants.variance = vector_of(std::vector<float>(channels, 1.0f));
  }
  constants.bias = vector_of(layer.bias);
  return constants;
}

std::vector<float> channel_scales(Constants& constants) {
  const std::span<const float> weights = constants.weight.floats();
  std::vector<float> scales(constants.bias.floats().size());
  const std::size_t fan_in = weights.size() / scales.size();
  for (std::size_t c = 0; c < scales.size(); ++c) {
    float largest = 0;
    for (const float w : weights.subspan(c * fan_in, fan_in)) {
      largest = std::max(largest, std::abs(w));
    }
    scales[c] = largest > 0 ? largest / 127 : 1.0f;
  }
  return scales;
}

void quantize(Constants& constants, float input_scale, const dnnl::engine& engine) {
  const std::span<const float> weights = constants.weight.floats();
  const std::span<float> bias = constants.bias.floats();
  const std::size_t fan_in = weights.size() / bias.size();
  std::vector<std::int8_t> whole(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    whole[i] =
        static_cast<std::int8_t>(std::lround(weights[i] / constants.weight_scales[i / fan_in]));
  }
  for (std::size_t c = 0; c < bias.size(); ++c) {
    bias[c] /= input_scale * constants.weight_scales[c];
  }
  constants.weight = Constant(plain(constants.weight.plain().dims(), Type::s8), engine, whole);
}

}  // namespace fer::onednn
