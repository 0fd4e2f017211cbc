// Weights that a formula of name and index decides, so that another program (a Python script) makes
// the very same ones.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "fer/core/hash.h"
#include "fer/model/host_tensor.h"

namespace fer::test {

// In [-1, 1): 24 bits of splitmix64 over FNV-1a of the name and the index.
inline HostTensor seeded_uniform(const std::string& name, Shape shape) {
  Fingerprint hash;
  hash.add(name);
  HostTensor tensor = HostTensor::zeros(std::move(shape));
  std::uint64_t state = hash.value();
  for (float& value : tensor.floats()) {
    std::uint64_t x = state += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    value = static_cast<float>((x ^ (x >> 31)) >> 40) * 0x1p-23f - 1.0f;
  }
  return tensor;
}

// Kernels keep the size of activations (He et al. 2015), batch statistics are away from 0 and 1.
// By torch's names: "….weight", "….bias", "….running_mean", "….running_var".
inline HostTensor seeded_tensor(const std::string& name, const Shape& shape) {
  HostTensor tensor = seeded_uniform(name, shape);
  float factor = 0.2f, offset = 0.0f;
  if (shape.size() > 1) {
    const auto fan_in = static_cast<double>(element_count(shape) / shape[0]);
    factor = static_cast<float>(std::sqrt(6 / fan_in));
  } else if (name.ends_with("weight") || name.ends_with("running_var")) {
    factor = 0.5f;
    offset = 1.0f;
  }
  for (float& value : tensor.floats()) value = offset + factor * value;
  return tensor;
}

}  // namespace fer::test
