#include "fer/nn/augment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fer/core/error.h"
#include "fer/core/random.h"
#include "fer/core/text.h"

namespace fer {
namespace {

void in_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    fail_input(format("augment.%s: %g is not in [%g, %g]", name, value, low, high));
  }
}

at::Tensor per_channel(const std::vector<float>& values, const at::Tensor& like) {
  return at::tensor(values, like.options()).view({1, -1, 1, 1});
}

// x in [0, 1], one channel.
at::Tensor normalise(at::Tensor x, const ModelSpec& spec) {
  x = x * (255.0f * spec.scale);
  if (spec.channels() > 1) x = x.expand({-1, spec.channels(), -1, -1});
  const auto normal = (x - per_channel(spec.mean, x)) / per_channel(spec.std, x);
  auto result =
      at::empty(normal.sizes(), normal.options().memory_format(at::MemoryFormat::ChannelsLast));
  return result.copy_(normal);
}

// Draws of one sample; the order of the draws is part of a run's reproducibility.
struct Draw {
  bool flip;
  double angle, zoom, dx, dy, brightness, contrast;
  double erase_x = 0, erase_y = 0, erase_w = 0, erase_h = 0, erase_value = 0;
  double gamma, sharpness;
  double jpeg = 0;  // factor of the quantisation table; 0: none
};

// framing: the side of the crop over that of the picture.
Draw draw(const AugmentOptions& o, double framing, Rng rng) {
  Draw d{};
  d.flip = rng.uniform() < o.flip;
  d.angle = rng.uniform(-o.rotation, o.rotation) * std::numbers::pi / 180.0;
  d.zoom = rng.uniform(1.0 - o.zoom, 1.0 + o.zoom);
  // In the sampler's coordinates the picture spans [-1, 1].
  const double crop_play = 1.0 - framing;
  d.dx = rng.uniform(-1.0, 1.0) * crop_play + 2.0 * rng.uniform(-o.shift, o.shift);
  d.dy = rng.uniform(-1.0, 1.0) * crop_play + 2.0 * rng.uniform(-o.shift, o.shift);
  d.brightness = rng.uniform(-o.brightness, o.brightness);
  d.contrast = rng.uniform(1.0 - o.contrast, 1.0 + o.contrast);
  if (rng.uniform() < o.erasing) {
    const double area = rng.uniform(0.02, std::max(0.02, o.erasing_area));
    const double aspect = std::exp(rng.uniform(std::log(1.0 / 3.0), std::log(3.0)));
    d.erase_w = std::min(1.0, std::sqrt(area * aspect));
    d.erase_h = std::min(1.0, std::sqrt(area / aspect));
    d.erase_x = rng.uniform(0.0, 1.0 - d.erase_w);
    d.erase_y = rng.uniform(0.0, 1.0 - d.erase_h);
    d.erase_value = rng.uniform();
  }
  d.gamma = std::exp(rng.uniform(-o.gamma, o.gamma));
  d.sharpness = rng.uniform(-o.sharpness, o.sharpness);
  if (rng.uniform() < o.jpeg) {
    const double quality = rng.uniform(15.0, 75.0);  // libjpeg's scale
    d.jpeg = quality < 50 ? 50.0 / quality : 2.0 - quality / 50.0;
  }
  return d;
}

// The binomial 5x5 filter, about a Gaussian of one pixel; the border is repeated.
at::Tensor blurred(const at::Tensor& x) {
  const auto taps = at::tensor({1.0f, 4.0f, 6.0f, 4.0f, 1.0f}, x.options()) / 16.0f;
  const auto rows = at::conv2d(at::replication_pad2d(x, {2, 2, 2, 2}), taps.view({1, 1, 5, 1}));
  return at::conv2d(rows, taps.view({1, 1, 1, 5}));
}

// What JPEG leaves of x, [N, 1, H, W] in [0, 1]: blocks of 8x8 as cosines, rounded to multiples of
// the luminance table of ITU-T T.81, annex K.1, times `factors`, one a picture.
at::Tensor jpeg_lossy(const at::Tensor& x, const at::Tensor& factors) {
  constexpr std::int64_t kSide = 8;
  static constexpr float kTable[kSide * kSide] = {
      16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
      14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
      18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
      49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};
  std::vector<float> cosines(kSide * kSide);  // [pixel][frequency]
  for (std::int64_t pixel = 0; pixel < kSide; ++pixel) {
    for (std::int64_t f = 0; f < kSide; ++f) {
      const double scale = std::sqrt((f == 0 ? 1.0 : 2.0) / kSide);
      cosines[pixel * kSide + f] = static_cast<float>(
          scale * std::cos(std::numbers::pi * (static_cast<double>(pixel) + 0.5) *
                           static_cast<double>(f) / kSide));
    }
  }
  const auto transform = at::tensor(cosines, x.options()).view({kSide, kSide});
  const std::int64_t n = x.size(0), height = x.size(2), width = x.size(3);
  const std::int64_t down = (height + kSide - 1) / kSide, across = (width + kSide - 1) / kSide;
  const auto whole = at::replication_pad2d(x * 255.0f - 128.0f,
                                           {0, across * kSide - width, 0, down * kSide - height});
  // [N, down, row, across, column] -> blocks [N, down, across, row, column]
  const auto blocks = whole.view({n, down, kSide, across, kSide}).permute({0, 1, 3, 2, 4});
  const auto both_ways = [](const at::Tensor& b, const at::Tensor& matrix) {
    return at::matmul(at::matmul(b, matrix).transpose(-1, -2), matrix).transpose(-1, -2);
  };
  const auto step = at::from_blob(const_cast<float*>(kTable), {kSide, kSide}).to(x.device()) *
                    factors.view({n, 1, 1, 1, 1});
  const auto coarse = (both_ways(blocks, transform) / step).round_() * step;
  const auto pixels = both_ways(coarse, transform.t()).permute({0, 1, 3, 2, 4});
  return ((pixels.reshape({n, 1, down * kSide, across * kSide}) + 128.0f) / 255.0f)
      .slice(2, 0, height)
      .slice(3, 0, width)
      .clamp(0.0, 1.0);
}

}  // namespace

void check(const AugmentOptions& o) {
  in_range("flip", o.flip, 0, 1);
  in_range("rotation", o.rotation, 0, 180);
  in_range("zoom", o.zoom, 0, 0.9);
  in_range("shift", o.shift, 0, 0.5);
  in_range("brightness", o.brightness, 0, 1);
  in_range("contrast", o.contrast, 0, 1);
  in_range("gamma", o.gamma, 0, 3);
  in_range("sharpness", o.sharpness, 0, 5);
  in_range("jpeg", o.jpeg, 0, 1);
  in_range("erasing", o.erasing, 0, 1);
  in_range("erasing_area", o.erasing_area, 0, 1);
  in_range("mixup", o.mixup, 0, 10);
}

at::Tensor augment(const at::Tensor& images, std::span<const std::int64_t> draws,
                   const AugmentOptions& options, const ModelSpec& spec, std::uint64_t seed,
                   std::int64_t epoch) {
  return augment(images, draws, options, spec, seed, epoch, spec);
}

at::Tensor augment(const at::Tensor& images, std::span<const std::int64_t> draws,
                   const AugmentOptions& options, const ModelSpec& spec, std::uint64_t seed,
                   std::int64_t epoch, const ModelSpec& framed_as) {
  if (!options.enabled) return plain_batch(images, spec);
  const auto n = static_cast<std::int64_t>(draws.size());
  const std::int64_t side = spec.input_size;
  const double framing = static_cast<double>(framed_as.input_size) / framed_as.resize;
  // Columns: the affine matrix (6), brightness, contrast, the erased rectangle (x0 y0 x1 y1), its
  // value, gamma, sharpness.
  constexpr int kColumns = 15;
  auto table = at::empty({n, kColumns}, at::kFloat);
  std::vector<std::int64_t> lossy;  // pictures that went through JPEG
  std::vector<float> lossy_factors;
  float* row = table.data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i, row += kColumns) {
    const Draw d =
        draw(options, framing,
             Rng{seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(draws[i])});
    const double scale = framing / d.zoom;
    const double c = std::cos(d.angle) * scale, s = std::sin(d.angle) * scale;
    const double mirror = d.flip ? -1.0 : 1.0;
    const double values[kColumns] = {mirror * c,
                                     -s,
                                     d.dx,
                                     mirror * s,
                                     c,
                                     d.dy,
                                     d.brightness,
                                     d.contrast,
                                     d.erase_x,
                                     d.erase_y,
                                     d.erase_x + d.erase_w,
                                     d.erase_y + d.erase_h,
                                     d.erase_value,
                                     d.gamma,
                                     d.sharpness};
    std::copy(std::begin(values), std::end(values), row);
    if (d.jpeg > 0) {
      lossy.push_back(i);
      lossy_factors.push_back(static_cast<float>(d.jpeg));
    }
  }
  const auto device = images.device();
  table = table.to(device);
  const auto column = [&](int k) { return table.select(1, k).view({n, 1, 1, 1}); };

  const auto theta = table.slice(1, 0, 6).reshape({n, 2, 3});
  const auto grid = at::affine_grid_generator(theta, {n, 1, side, side}, false);
  const auto pixels = images.to(at::kFloat).mul_(1.0f / 255.0f);
  constexpr int kBilinear = 0, kBorder = 1;
  auto x = at::grid_sampler(pixels, grid, kBilinear, kBorder, false);

  if (options.sharpness > 0) x = (x + column(14) * (x - blurred(x))).clamp_(0.0, 1.0);
  if (options.gamma > 0) x = x.pow(column(13));
  const auto mean = x.mean({1, 2, 3}, true);
  x = ((x - mean) * column(7) + mean + column(6)).clamp_(0.0, 1.0);
  if (!lossy.empty()) {
    const auto rows = at::tensor(lossy, x.options().dtype(at::kLong));
    const auto factors = at::tensor(lossy_factors, x.options());
    x.index_copy_(0, rows, jpeg_lossy(x.index_select(0, rows), factors));
  }
  if (options.erasing > 0) {
    const auto centre = (at::arange(side, x.options()) + 0.5f) / static_cast<float>(side);
    const auto xs = centre.view({1, 1, 1, side}), ys = centre.view({1, 1, side, 1});
    const auto erased =
        (xs >= column(8)) & (xs < column(10)) & (ys >= column(9)) & (ys < column(11));
    x = at::where(erased, column(12), x);
  }
  return normalise(x, spec);
}

at::Tensor plain_batch(const at::Tensor& images, const ModelSpec& spec) {
  const std::int64_t offset = (spec.resize - spec.input_size) / 2;
  auto x =
      images.slice(2, offset, offset + spec.input_size).slice(3, offset, offset + spec.input_size);
  return normalise(x.to(at::kFloat).mul_(1.0f / 255.0f), spec);
}

at::Tensor mixed(const at::Tensor& rows, double share) {
  return rows.lerp(rows.flip({0}), 1.0 - share);
}

at::Tensor shrink(const at::Tensor& batch, int side) {
  const auto small = at::_upsample_bilinear2d_aa(batch, {side, side}, false);
  auto result =
      at::empty(small.sizes(), small.options().memory_format(at::MemoryFormat::ChannelsLast));
  return result.copy_(small);
}

std::vector<Image> to_images(const at::Tensor& batch, const ModelSpec& spec) {
  auto x = batch.detach().to(at::kCPU, at::kFloat).contiguous();
  x = (x * per_channel(spec.std, x) + per_channel(spec.mean, x)) / spec.scale;
  if (spec.colour == "bgr") x = x.flip({1});
  x = x.round().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  std::vector<Image> images;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    Image image(static_cast<int>(x.size(2)), static_cast<int>(x.size(1)),
                static_cast<int>(x.size(3)));
    const auto* begin = x[i].data_ptr<std::uint8_t>();
    std::copy(begin, begin + image.pixels.size(), image.pixels.begin());
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace fer
