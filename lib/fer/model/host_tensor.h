// Weights and inputs as plain bytes: what travels between files and back ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace fer {

enum class DType { kF32, kF16, kBF16, kI64, kU8 };
std::size_t size_of(DType dtype);
std::string to_string(DType dtype);  // safetensors' names: F32, F16, BF16, I64, U8

using Shape = std::vector<std::int64_t>;
std::int64_t element_count(
    const Shape& shape);  // 1 for a scalar; throws kInput on a negative or overflow
std::string to_string(const Shape& shape);  // [2, 3, 48, 48]

struct TensorType {
  DType dtype = DType::kF32;
  Shape shape;
};

// Contiguous, row-major (NCHW for images, OIHW for convolution weights), little-endian.
struct HostTensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::vector<std::byte> bytes;

  static HostTensor zeros(Shape shape, DType dtype = DType::kF32);
  static HostTensor from_floats(Shape shape, std::span<const float> values);  // F32

  std::int64_t count() const { return element_count(shape); }
  std::vector<float> to_floats() const;   // from F32, F16, BF16; throws on integers
  std::span<const float> floats() const;  // a view; throws unless F32
  std::span<float> floats();
  HostTensor converted(DType to) const;  // between F32, F16 and BF16, round to nearest even
};

using TensorMap = std::map<std::string, HostTensor>;  // by parameter name

float half_to_float(std::uint16_t bits);
std::uint16_t float_to_half(float value);
float bfloat16_to_float(std::uint16_t bits);
std::uint16_t float_to_bfloat16(float value);

}  // namespace fer
