// Layers as a textbook writes them, on pictures [H, W, C]: an independent forward of published
// nets.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fer/model/host_tensor.h"

namespace fer::test {

struct Volume {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<float> values;

  Volume(std::int64_t h, std::int64_t w, std::int64_t c, float value = 0)
      : height(h), width(w), channels(c), values(h * w * c, value) {}
  float* pixel(std::int64_t y, std::int64_t x) { return &values[(y * width + x) * channels]; }
  const float* pixel(std::int64_t y, std::int64_t x) const {
    return &values[(y * width + x) * channels];
  }
};

inline Volume pad(const Volume& x, std::int64_t n, float value) {
  Volume y(x.height + 2 * n, x.width + 2 * n, x.channels, value);
  for (std::int64_t row = 0; row < x.height; ++row) {
    std::copy_n(x.pixel(row, 0), x.width * x.channels, y.pixel(row + n, n));
  }
  return y;
}

// kernel [kh, kw, in, out]; no padding; bias may be null.
inline Volume conv(const Volume& x, const HostTensor& kernel, const HostTensor* bias,
                   std::int64_t stride) {
  const std::int64_t kh = kernel.shape[0], kw = kernel.shape[1], in = kernel.shape[2];
  const std::int64_t out = kernel.shape[3];
  Volume y((x.height - kh) / stride + 1, (x.width - kw) / stride + 1, out);
  const auto taps = kernel.floats();
  for (std::int64_t oy = 0; oy < y.height; ++oy) {
    for (std::int64_t ox = 0; ox < y.width; ++ox) {
      float* to = y.pixel(oy, ox);
      if (bias != nullptr) std::ranges::copy(bias->floats(), to);
      for (std::int64_t ky = 0; ky < kh; ++ky) {
        for (std::int64_t kx = 0; kx < kw; ++kx) {
          const float* from = x.pixel(oy * stride + ky, ox * stride + kx);
          for (std::int64_t i = 0; i < in; ++i) {
            const float* row = &taps[((ky * kw + kx) * in + i) * out];
            for (std::int64_t o = 0; o < out; ++o) to[o] += from[i] * row[o];
          }
        }
      }
    }
  }
  return y;
}

inline Volume batch_norm(Volume x, const HostTensor& gamma, const HostTensor& beta,
                         const HostTensor& mean, const HostTensor& variance, double epsilon) {
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const std::size_t c = i % static_cast<std::size_t>(x.channels);
    x.values[i] =
        static_cast<float>((x.values[i] - mean.floats()[c]) /
                               std::sqrt(variance.floats()[c] + epsilon) * gamma.floats()[c] +
                           beta.floats()[c]);
  }
  return x;
}

inline Volume relu(Volume x) {
  for (float& v : x.values) v = std::max(v, 0.0f);
  return x;
}

inline Volume max_pool(const Volume& x, std::int64_t kernel, std::int64_t stride) {
  Volume y((x.height - kernel) / stride + 1, (x.width - kernel) / stride + 1, x.channels,
           -std::numeric_limits<float>::infinity());
  for (std::int64_t oy = 0; oy < y.height; ++oy) {
    for (std::int64_t ox = 0; ox < y.width; ++ox) {
      for (std::int64_t k = 0; k < kernel * kernel; ++k) {
        const float* from = x.pixel(oy * stride + k / kernel, ox * stride + k % kernel);
        float* to = y.pixel(oy, ox);
        for (std::int64_t c = 0; c < x.channels; ++c) to[c] = std::max(to[c], from[c]);
      }
    }
  }
  return y;
}

inline Volume add(Volume x, const Volume& y) {
  for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
  return x;
}

inline std::vector<float> channel_means(const Volume& x) {
  std::vector<double> sums(static_cast<std::size_t>(x.channels));
  for (std::size_t i = 0; i < x.values.size(); ++i) sums[i % sums.size()] += x.values[i];
  std::vector<float> means;
  for (const double sum : sums) means.push_back(static_cast<float>(sum / (x.height * x.width)));
  return means;
}

// [1, C, H, W]
inline HostTensor as_batch(const Volume& x) {
  HostTensor batch = HostTensor::zeros({1, x.channels, x.height, x.width});
  const auto values = batch.floats();
  for (std::int64_t p = 0; p < x.height * x.width; ++p) {
    for (std::int64_t c = 0; c < x.channels; ++c) {
      values[c * x.height * x.width + p] = x.values[p * x.channels + c];
    }
  }
  return batch;
}

inline HostTensor hwio(const HostTensor& oihw) {
  const std::int64_t out = oihw.shape[0], in = oihw.shape[1], taps = oihw.shape[2] * oihw.shape[3];
  HostTensor kernel = HostTensor::zeros({oihw.shape[2], oihw.shape[3], in, out});
  const auto to = kernel.floats();
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t t = 0; t < taps; ++t) {
        to[(t * in + i) * out + o] = oihw.floats()[(o * in + i) * taps + t];
      }
    }
  }
  return kernel;
}

// Largest difference over the largest value of `wanted`.
inline double relative_difference(std::span<const float> found, std::span<const float> wanted) {
  if (found.size() != wanted.size()) return INFINITY;
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double here = std::abs(double{found[i]} - wanted[i]);
    if (!std::isfinite(here)) return INFINITY;  // which no comparison below would see
    difference = std::max(difference, here);
    largest = std::max(largest, std::abs(double{wanted[i]}));
  }
  return difference / largest;
}

inline double deviation(std::span<const float> values) {
  double sum = 0, square = 0;
  for (const float v : values) sum += v, square += double{v} * v;
  const auto n = static_cast<double>(values.size());
  return std::sqrt(square / n - sum / n * sum / n);
}

}  // namespace fer::test
