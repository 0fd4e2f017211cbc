#include "fer/model/host_tensor.h"

#include <bit>
#include <cstring>
#include <utility>

#include "fer/core/error.h"

namespace fer {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are little-endian in files and in memory");

// In the order of DType.
constexpr struct {
  const char* name;
  std::size_t size;
} kDTypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"U8", 1}};

std::uint16_t load_u16(const std::byte* bytes) {
  std::uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

}  // namespace

std::size_t size_of(DType dtype) { return kDTypes[static_cast<int>(dtype)].size; }

std::string to_string(DType dtype) { return kDTypes[static_cast<int>(dtype)].name; }

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) fail_input("shape " + to_string(shape) + " has a negative extent");
    if (__builtin_mul_overflow(count, extent, &count)) {
      fail_input("shape " + to_string(shape) + " overflows");
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

HostTensor HostTensor::zeros(Shape shape, DType dtype) {
  HostTensor tensor{dtype, std::move(shape), {}};
  tensor.bytes.resize(tensor.count() * size_of(dtype));
  return tensor;
}

HostTensor HostTensor::from_floats(Shape shape, std::span<const float> values) {
  HostTensor tensor{DType::kF32, std::move(shape), {}};
  if (tensor.count() != static_cast<std::int64_t>(values.size())) {
    fail_input("shape " + to_string(tensor.shape) + " does not hold " +
               std::to_string(values.size()) + " values");
  }
  const auto bytes = std::as_bytes(values);
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

std::span<const float> HostTensor::floats() const {
  if (dtype != DType::kF32) fail_input("a tensor of " + to_string(dtype) + " where F32 is needed");
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<float> HostTensor::floats() {
  const auto view = std::as_const(*this).floats();
  return {const_cast<float*>(view.data()), view.size()};
}

std::vector<float> HostTensor::to_floats() const {
  if (dtype == DType::kF32) {
    const auto view = floats();
    return {view.begin(), view.end()};
  }
  if (dtype != DType::kF16 && dtype != DType::kBF16) {
    fail_input("a tensor of " + to_string(dtype) + " where floats are needed");
  }
  const auto decode = dtype == DType::kF16 ? half_to_float : bfloat16_to_float;
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = decode(load_u16(&bytes[2 * i]));
  return values;
}

HostTensor HostTensor::converted(DType to) const {
  if (to == dtype) return *this;
  const std::vector<float> values = to_floats();
  if (to == DType::kF32) return from_floats(shape, values);
  if (to != DType::kF16 && to != DType::kBF16) {
    fail_input("floats cannot be converted to " + to_string(to));
  }
  const auto encode = to == DType::kF16 ? float_to_half : float_to_bfloat16;
  HostTensor result = zeros(shape, to);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = encode(values[i]);
    std::memcpy(&result.bytes[2 * i], &bits, sizeof bits);
  }
  return result;
}

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t magnitude = (bits & 0x7fffu) << 13;
  if (magnitude >= 0x0f800000u) return std::bit_cast<float>(sign | magnitude | 0x7f800000u);
  // Rebiases the exponent and normalises what is subnormal in half precision.
  return std::bit_cast<float>(
      sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
}

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00;  // not a number
  } else if (magnitude >= 0x47800000u) {
    half = 0x7c00;  // 65536 and more
  } else if (magnitude < 0x38800000u) {
    // Below 2^-14: the unit in the last place of .5 is half precision's smallest subnormal, so that
    // the addition rounds.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
           std::bit_cast<std::uint32_t>(0.5f);
  } else {
    const std::uint32_t rebiased = magnitude - (112u << 23);
    half = (rebiased + 0x0fffu + ((rebiased >> 13) & 1u)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);  // stays not a number
  }
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace fer
