#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "fer/core/random.h"
#include "fer/nn/augment.h"
#include "fer/nn/graph_module.h"

using namespace fer;

namespace {

ModelSpec spec_of(int resize, int input) {
  ModelSpec spec;
  spec.resize = resize;
  spec.input_size = input;
  return spec;
}

AugmentOptions nothing() {
  AugmentOptions o;
  o.flip = o.rotation = o.zoom = o.shift = o.brightness = o.contrast = o.gamma = o.sharpness =
      o.jpeg = o.erasing = o.mixup = 0;
  return o;
}

// slope 2 stays below white, 4 goes on at black.
at::Tensor gradient_images(std::int64_t n, std::int64_t side, int slope = 4) {
  const auto row = at::arange(side, at::kFloat) * slope;
  return (row.view({1, 1, 1, side}) + row.view({1, 1, side, 1}) * 0.5)
      .expand({n, 1, side, side})
      .to(at::kByte)
      .contiguous();
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const std::vector<std::int64_t> kIndices = {4, 9, 2};

// Twenty draws of the picture, [48, 48] tones of 0 to 255 each.
std::vector<at::Tensor> drawn(const AugmentOptions& options, const ModelSpec& spec,
                              const at::Tensor& image) {
  std::vector<at::Tensor> pictures;
  for (std::int64_t i = 0; i < 20; ++i) {
    const std::vector<std::int64_t> index = {i};
    const auto batch = augment(image, index, options, spec, 3, 0);
    pictures.push_back((batch[0][0] * spec.std[0] + spec.mean[0]) * 255.0);
  }
  return pictures;
}

double tone(const at::Tensor& picture, int y, int x) { return picture[y][x].item<double>(); }

// Of a picture whose tones are a plane: tones a pixel, and where they rise.
struct Slope {
  double length, degrees;
};
Slope slope(const at::Tensor& picture) {
  const double x = (tone(picture, 24, 28) - tone(picture, 24, 20)) / 8;
  const double y = (tone(picture, 28, 24) - tone(picture, 20, 24)) / 8;
  return {std::hypot(x, y), std::atan2(y, x) * 180 / std::numbers::pi};
}

}  // namespace

TEST_CASE("with every strength at zero augmentation is the plain path") {
  const auto spec = spec_of(48, 48);
  const auto images = gradient_images(3, 48);
  CHECK(largest_difference(augment(images, kIndices, nothing(), spec, 1, 0),
                           plain_batch(images, spec)) < 1e-4);
}

TEST_CASE("the plain path is what preprocess does to a single crop") {
  const auto spec = spec_of(48, 44);
  Image image(48, 48, 1);
  Rng rng{1};
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  auto tensor = at::empty({1, 1, 48, 48}, at::kByte);
  std::copy(image.pixels.begin(), image.pixels.end(), tensor.data_ptr<std::uint8_t>());
  const auto wanted = to_torch(preprocess(spec, std::span<const Image>(&image, 1)));
  CHECK(largest_difference(plain_batch(tensor, spec), wanted) < 1e-5);
}

TEST_CASE("a flip mirrors the picture") {
  const auto spec = spec_of(48, 48);
  const auto images = gradient_images(3, 48);
  auto options = nothing();
  options.flip = 1.0;
  CHECK(largest_difference(augment(images, kIndices, options, spec, 1, 0),
                           plain_batch(images, spec).flip({3})) < 1e-4);
}

TEST_CASE("what has a probability happens to about that share of the pictures") {
  const auto spec = spec_of(48, 48);
  const auto image = gradient_images(1, 48, 2);
  const auto plain = drawn(nothing(), spec, image);
  for (double AugmentOptions::*const probability :
       {&AugmentOptions::flip, &AugmentOptions::erasing, &AugmentOptions::jpeg}) {
    auto options = nothing();
    options.*probability = 0.5;
    const auto pictures = drawn(options, spec, image);
    int changed = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i)
      changed += largest_difference(pictures[i], plain[i]) > 0.01;
    CHECK(changed > 3);
    CHECK(changed < 17);
  }
}

TEST_CASE("JPEG's loss takes the finest weak detail and leaves what is flat or coarse") {
  auto options = nothing();
  options.jpeg = 1.0;
  const auto spec = spec_of(44, 44);  // no whole number of blocks
  const auto gray_levels = [](const at::Tensor& batch) { return (batch * 0.25 + 0.5) * 255.0; };
  // A checkerboard of 2 gray levels about 101 is gone; at 120 levels it stays.
  const auto one = at::arange(44, at::kInt);
  const auto board = (one.view({1, 1, 44, 1}) + one.view({1, 1, 1, 44})).remainder(2);
  const auto weak = (board * 2 + 100).to(at::kByte).expand({3, 1, 44, 44}).contiguous();
  const auto strong = (board * 120 + 40).to(at::kByte).expand({3, 1, 44, 44}).contiguous();
  const auto flattened = gray_levels(augment(weak, kIndices, options, spec, 1, 0));
  CHECK(flattened.std().item<double>() < 3);  // each picture has its own, rounded, gray
  for (int i = 0; i < 3; ++i) {
    const auto inner = flattened[i].slice(1, 0, 40).slice(2, 0, 40);
    CHECK((inner.max() - inner.min()).item<double>() < 0.01);
    CHECK(inner.mean().item<double>() == Approx(101).margin(4));
  }
  CHECK(gray_levels(augment(strong, kIndices, options, spec, 1, 0)).std().item<double>() > 40);
  // A smooth picture is hardly changed, but changed.
  const auto smooth = gradient_images(3, 44, 2);
  const auto difference = (gray_levels(augment(smooth, kIndices, options, spec, 1, 0)) -
                           gray_levels(plain_batch(smooth, spec)))
                              .abs();
  CHECK(difference.max().item<double>() < 30);
  CHECK(difference.mean().item<double>() > 0.05);
  CHECK(difference.mean().item<double>() < 5);
}

TEST_CASE("mixup adds the share of a row and the rest of its opposite") {
  const auto rows = at::tensor(std::vector<float>{1, 0, 0, 1, 0.5f, 0.5f}).view({3, 2});
  const auto expected =
      at::tensor(std::vector<float>{0.85f, 0.15f, 0, 1, 0.65f, 0.35f}).view({3, 2});
  CHECK(largest_difference(mixed(rows, 0.7), expected) < 1e-6);
  CHECK(rows[0][0].item<float>() == 1);  // the rows themselves stay
  const auto images = at::rand({4, 1, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  CHECK(largest_difference(mixed(images, 0.7), images * 0.7 + images.flip({0}) * 0.3) < 1e-6);
  CHECK(mixed(at::rand({4, 3, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast), 0.6)
            .is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_CASE("a shrunk batch keeps its gray values, its gradients and its layout") {
  const auto spec = spec_of(48, 48);
  const auto batch = plain_batch(gradient_images(3, 48, 2), spec);
  const auto small = shrink(batch, 24);
  REQUIRE(small.sizes() == at::IntArrayRef({3, 1, 24, 24}));
  CHECK(small.suggest_memory_format() == at::MemoryFormat::ChannelsLast);
  // A pixel is the mean of the four it covers, but for the border, where the filter is cut.
  const auto inner = [](const at::Tensor& x) { return x.slice(2, 2, 22).slice(3, 2, 22); };
  CHECK(largest_difference(inner(small), inner(at::avg_pool2d(batch, {2, 2}))) < 1e-4);
  CHECK(largest_difference(shrink(at::full_like(batch, 0.7), 30), at::full({1}, 0.7)) < 1e-5);
}

TEST_CASE("a sample's picture depends on seed, epoch and its own number, not on its batch") {
  const auto spec = spec_of(48, 44);
  const AugmentOptions options;
  const auto images = gradient_images(3, 48);
  const auto batch = augment(images, kIndices, options, spec, 5, 7);
  const std::vector<std::int64_t> alone = {9};
  CHECK(largest_difference(batch.slice(0, 1, 2),
                           augment(images.slice(0, 1, 2), alone, options, spec, 5, 7)) == 0);
  CHECK(largest_difference(batch, augment(images, kIndices, options, spec, 5, 8)) > 0.1);
  CHECK(largest_difference(batch, augment(images, kIndices, options, spec, 6, 7)) > 0.1);
}

TEST_CASE("shift and crop move the picture along each side, at most by their share, every way") {
  const auto check_moves = [](const ModelSpec& spec, const AugmentOptions& options, double most) {
    // Slope 2 a pixel along x and 1 along y, and the other way round by the same draws: together
    // the middle's two changes tell how far the picture went along either.
    const auto image = gradient_images(1, 48, 2);
    const auto a = drawn(options, spec, image);
    const auto b = drawn(options, spec, image.transpose(2, 3).contiguous());
    const int middle = spec.input_size / 2;
    const double plain = 24 * 2 + 24;
    double low[2] = {}, high[2] = {};
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double p = tone(a[i], middle, middle) - plain, q = tone(b[i], middle, middle) - plain;
      const double moved[2] = {(2 * p - q) / 3, (2 * q - p) / 3};
      for (int k = 0; k < 2; ++k) {
        CHECK(std::abs(moved[k]) <= most + 0.05);
        low[k] = std::min(low[k], moved[k]);
        high[k] = std::max(high[k], moved[k]);
      }
      CHECK(slope(a[i]).length == Approx(std::sqrt(5)).epsilon(1e-3));
    }
    for (int k = 0; k < 2; ++k) {
      CHECK(low[k] < -most / 3);
      CHECK(high[k] > most / 3);
    }
  };
  auto shifted = nothing();
  shifted.shift = 0.25;
  check_moves(spec_of(48, 48), shifted, 12);
  check_moves(spec_of(48, 40), nothing(), 4);
}

TEST_CASE("a picture framed as for another net shows the same part of the face in its own size") {
  // The same plane of tones, x + y, in two sizes.
  const auto plane = [](std::int64_t side, int slope) {
    const auto row = at::arange(side, at::kFloat) * slope + (slope - 1) * 0.5;
    return (row.view({1, 1, 1, side}) + row.view({1, 1, side, 1}))
        .expand({3, 1, side, side})
        .to(at::kByte)
        .contiguous();
  };
  AugmentOptions o = nothing();
  o.flip = 0.5;
  const ModelSpec net = spec_of(96, 48), teacher = spec_of(48, 48);
  const auto inner = [](const at::Tensor& batch) { return batch.slice(2, 1, 47).slice(3, 1, 47); };
  for (const std::int64_t epoch : {0, 1, 2}) {
    const auto seen = augment(plane(96, 1), kIndices, o, net, 3, epoch);
    const auto alike = augment(plane(48, 2), kIndices, o, teacher, 3, epoch, net);
    CHECK(largest_difference(inner(seen), inner(alike)) < 1e-3);
    CHECK(largest_difference(seen, augment(plane(48, 2), kIndices, o, teacher, 3, epoch)) > 0.3);
  }
}

TEST_CASE("a rotation turns the picture about its middle, at most by its degrees, both ways") {
  const auto spec = spec_of(48, 48);
  auto options = nothing();
  options.rotation = 30;
  double least = 0, most = 0;
  for (const auto& picture : drawn(options, spec, gradient_images(1, 48, 2))) {
    const Slope found = slope(picture);
    CHECK(found.length == Approx(std::sqrt(5)).epsilon(1e-3));
    const double turned = found.degrees - std::atan2(1, 2) * 180 / std::numbers::pi;
    CHECK(std::abs(turned) <= 30.1);
    least = std::min(least, turned);
    most = std::max(most, turned);
    const double middle = (tone(picture, 23, 23) + tone(picture, 24, 24)) / 2;
    CHECK(middle == Approx(23.5 * 3).epsilon(1e-3));
  }
  CHECK(least < -15);
  CHECK(most > 15);
}

TEST_CASE("a zoom scales the picture, at most by its share, both ways") {
  const auto spec = spec_of(48, 48);
  auto options = nothing();
  options.zoom = 0.2;
  double least = 1, most = 1;
  for (const auto& picture : drawn(options, spec, gradient_images(1, 48, 2))) {
    const Slope found = slope(picture);
    CHECK(found.degrees == Approx(std::atan2(1, 2) * 180 / std::numbers::pi).epsilon(1e-3));
    const double scale = std::sqrt(5) / found.length;  // twice as large: half as steep
    CHECK(scale >= 0.799);
    CHECK(scale <= 1.201);
    least = std::min(least, scale);
    most = std::max(most, scale);
  }
  CHECK(least < 0.9);
  CHECK(most > 1.1);
}

TEST_CASE("brightness adds to all tones alike, and contrast spreads them about their mean") {
  const auto spec = spec_of(48, 48);
  auto images = at::full({1, 1, 48, 48}, 100, at::kByte);
  images.slice(3, 24).fill_(150);
  auto options = nothing();
  options.brightness = 0.2;
  double least = 0, most = 0;
  for (const auto& picture : drawn(options, spec, images)) {
    const double added = tone(picture, 20, 10) - 100;
    CHECK(std::abs(added) <= 0.2 * 255 + 0.01);
    CHECK(tone(picture, 20, 40) - 150 == Approx(added).margin(0.01));
    least = std::min(least, added);
    most = std::max(most, added);
  }
  CHECK(least < -25);
  CHECK(most > 25);

  options = nothing();
  options.contrast = 0.4;
  least = most = 1;
  for (const auto& picture : drawn(options, spec, images)) {
    const double factor = (tone(picture, 20, 40) - tone(picture, 20, 10)) / 50;
    CHECK(factor >= 0.599);
    CHECK(factor <= 1.401);
    CHECK(tone(picture, 20, 40) + tone(picture, 20, 10) == Approx(250).margin(0.02));
    least = std::min(least, factor);
    most = std::max(most, factor);
  }
  CHECK(least < 0.8);
  CHECK(most > 1.2);
}

TEST_CASE("erasing covers at most its share and puts one gray there") {
  const auto spec = spec_of(48, 48);
  auto options = nothing();
  options.erasing = 1.0;
  options.erasing_area = 0.2;
  const auto images = gradient_images(3, 48);
  const auto pictures = augment(images, kIndices, options, spec, 2, 0);
  const auto changed = (pictures - plain_batch(images, spec)).abs() > 1e-3;
  for (int i = 0; i < 3; ++i) {
    const double share = changed[i].to(at::kFloat).mean().item<double>();
    CHECK(share > 0.01);
    CHECK(share < 0.24);
    const auto grays = pictures[i].masked_select(changed[i]);
    CHECK((grays.max() - grays.min()).item<double>() == 0);
  }
}

TEST_CASE("gamma bends the gray values and keeps black and white") {
  const auto spec = spec_of(48, 48);
  auto options = nothing();
  options.gamma = 0.5;
  auto images = at::full({3, 1, 48, 48}, 64, at::kByte);
  images.select(2, 0).fill_(0);
  images.select(2, 47).fill_(255);
  const auto pictures = to_images(augment(images, kIndices, options, spec, 1, 0), spec);
  for (const Image& picture : pictures) {
    CHECK(picture.at(5, 0) == 0);
    CHECK(picture.at(5, 47) == 255);
    CHECK(picture.at(5, 20) != 64);
    CHECK(picture.at(5, 20) >= std::floor(255 * std::pow(64 / 255.0, std::exp(0.5))));
    CHECK(picture.at(5, 20) <= std::ceil(255 * std::pow(64 / 255.0, std::exp(-0.5))));
  }
}

TEST_CASE("sharpness changes edges, blurred to sharpened, and leaves flat parts alone") {
  const auto spec = spec_of(48, 48);
  auto options = nothing();
  options.sharpness = 1.0;
  auto images = at::full({3, 1, 48, 48}, 60, at::kByte);
  images.slice(3, 24).fill_(180);
  const std::vector<std::int64_t> indices = {0, 1, 2};
  bool some_blurred = false, some_sharpened = false;
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (const Image& picture :
         to_images(augment(images, indices, options, spec, 1, epoch), spec)) {
      CHECK(picture.at(10, 24) == 60);
      CHECK(picture.at(40, 24) == 180);
      some_blurred |= picture.at(23, 24) > 60;
      some_sharpened |= picture.at(23, 24) < 60;
    }
  }
  CHECK(some_blurred);
  CHECK(some_sharpened);
}

TEST_CASE("three channels repeat the gray picture, each with its own scaling") {
  auto spec = spec_of(48, 48);
  spec.colour = "rgb";
  spec.mean = {0.1f, 0.2f, 0.3f};
  spec.std = {1.0f, 0.5f, 0.25f};
  const auto batch = plain_batch(gradient_images(2, 48), spec);
  REQUIRE(batch.sizes().vec() == std::vector<std::int64_t>{2, 3, 48, 48});
  const auto first = batch.select(1, 0) * 1.0 + 0.1, last = batch.select(1, 2) * 0.25 + 0.3;
  CHECK(largest_difference(first, last) < 1e-5);
}

TEST_CASE("strengths out of range are refused by name") {
  AugmentOptions options;
  options.flip = 1.5;
  CHECK_THROWS_WITH(check(options), Catch::Contains("augment.flip") && Catch::Contains("1.5"));
}

TEST_CASE("a normalised batch turns back into its pictures") {
  const auto spec = spec_of(48, 48);
  const auto images = to_images(plain_batch(gradient_images(2, 48), spec), spec);
  REQUIRE(images.size() == 2);
  CHECK(images[0].at(10, 20) == 10 * 4 + 20 * 2);
}
