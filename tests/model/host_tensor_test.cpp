#include "fer/model/host_tensor.h"

#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "fer/core/error.h"

using namespace fer;

TEST_CASE("shapes are counted, and negative or overflowing ones refused") {
  CHECK(element_count({}) == 1);
  CHECK(element_count({2, 3, 4}) == 24);
  CHECK(element_count({5, 0}) == 0);
  CHECK(to_string(Shape{2, 3, 48, 48}) == "[2, 3, 48, 48]");
  CHECK(to_string(Shape{}) == "[]");
  CHECK_THROWS_WITH(element_count({2, -1}), "shape [2, -1] has a negative extent");
  CHECK_THROWS_WITH(element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}),
                    Catch::Contains("overflows"));
}

TEST_CASE("a tensor holds exactly the values of its shape") {
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  const auto tensor = HostTensor::from_floats({2, 3}, values);
  CHECK(tensor.count() == 6);
  CHECK(tensor.floats()[5] == 6.0f);
  CHECK_THROWS_AS(HostTensor::from_floats({2, 2}, values), Error);
  CHECK(HostTensor::zeros({3}, DType::kI64).bytes.size() == 24);
  CHECK_THROWS_AS(HostTensor::zeros({3}, DType::kI64).floats(), Error);
  CHECK_THROWS_AS(HostTensor::zeros({3}, DType::kU8).to_floats(), Error);
  CHECK_THROWS_AS(tensor.converted(DType::kI64), Error);
}

TEST_CASE("half precision has the values of IEEE 754") {
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0xc000) == -2.0f);
  CHECK(half_to_float(0x7bff) == 65504.0f);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0x03ff) == 1023 * 0x1p-24f);
  CHECK(half_to_float(0x7c00) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half_to_float(0x7e01)));
  CHECK(std::signbit(half_to_float(0x8000)));
}

TEST_CASE("every half and bfloat16 survives the way through float") {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float from_half = half_to_float(half), from_bfloat = bfloat16_to_float(half);
    const bool same_half = std::isnan(from_half)
                               ? std::isnan(half_to_float(float_to_half(from_half)))
                               : float_to_half(from_half) == half;
    const bool same_bfloat = std::isnan(from_bfloat)
                                 ? std::isnan(bfloat16_to_float(float_to_bfloat16(from_bfloat)))
                                 : float_to_bfloat16(from_bfloat) == half;
    if (!same_half || !same_bfloat) FAIL("bits " << bits);
  }
}

TEST_CASE("floats round to the nearest half, and to the even one of two") {
  // Between neighbours a < b (both 1 + k / 1024), the middle goes to the one with an even last bit.
  CHECK(float_to_half(1.0f + 0x1p-11f) == 0x3c00);
  CHECK(float_to_half(1.0f + 3 * 0x1p-11f) == 0x3c02);
  CHECK(float_to_half(std::nextafter(1.0f + 0x1p-11f, 2.0f)) == 0x3c01);
  CHECK(float_to_half(65519.0f) == 0x7bff);
  CHECK(float_to_half(65520.0f) == 0x7c00);
  CHECK(float_to_half(1e9f) == 0x7c00);
  CHECK(float_to_half(0x1p-25f) == 0x0000);
  CHECK(float_to_half(std::nextafter(0x1p-25f, 1.0f)) == 0x0001);
  CHECK(float_to_half(-3 * 0x1p-25f) == 0x8002);
  CHECK(float_to_bfloat16(std::bit_cast<float>(0x3f808000u)) == 0x3f80);
  CHECK(float_to_bfloat16(std::bit_cast<float>(0x3f818000u)) == 0x3f82);
  CHECK(float_to_bfloat16(std::bit_cast<float>(0x3f808001u)) == 0x3f81);
  CHECK(float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("tensors convert between float types with the error of the narrower one") {
  const std::array<float, 4> values = {1.0f, -0.1f, 3.14159f, 1e-3f};
  const auto tensor = HostTensor::from_floats({4}, values);
  for (const auto& [dtype, error] : {std::pair{DType::kF16, 0x1p-11}, {DType::kBF16, 0x1p-8}}) {
    const auto narrow = tensor.converted(dtype);
    CHECK(narrow.bytes.size() == 8);
    const auto back = narrow.converted(DType::kF32);
    for (int i = 0; i < 4; ++i) CHECK(std::abs(back.floats()[i] / values[i] - 1) <= error);
  }
}
