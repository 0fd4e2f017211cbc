#include "fer/core/image.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "fer/core/error.h"
#include "fer/core/random.h"

using namespace fer;

namespace {

Image noise(int width, int height, int channels, std::uint64_t seed) {
  Image image(width, height, channels);
  Rng rng(seed);
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

// Smooth in x and y, so that any good filter gives nearly the same.
Image ramp(int width, int height) {
  Image image(width, height, 1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.at(x, y) = static_cast<std::uint8_t>(20 + 150.0 * x / width + 80.0 * y / height);
    }
  }
  return image;
}

double mean(const Image& image) {
  return std::accumulate(image.pixels.begin(), image.pixels.end(), 0.0) /
         static_cast<double>(image.pixels.size());
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  }
  return largest;
}

}  // namespace

TEST_CASE("gray is BT.601 luma, rounded, and takes the same colour from RGB and RGBA") {
  Image rgb(3, 1, 3);
  rgb.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255};
  CHECK(to_gray(rgb).pixels == std::vector<std::uint8_t>{76, 150, 29});
  Image rgba(1, 1, 4);
  rgba.pixels = {10, 200, 77, 3};
  CHECK(to_gray(rgba).pixels == std::vector<std::uint8_t>{129});  // 2.99 + 117.4 + 8.778
  CHECK(to_rgb(rgba).pixels == std::vector<std::uint8_t>{10, 200, 77});
  const Image gray = noise(5, 4, 1, 1);
  CHECK(to_gray(gray) == gray);
  CHECK(to_gray(to_rgb(gray)) == gray);
}

TEST_CASE("boxes overlap as their areas say") {
  const Box a{0, 0, 10, 10};
  CHECK(intersection_over_union(a, a) == 1);
  CHECK(intersection_over_union(a, {5, 0, 10, 10}) == Approx(1.0 / 3));
  CHECK(intersection_over_union(a, {10, 0, 10, 10}) == 0);
  CHECK(intersection_over_union(a, {2, 2, 5, 5}) == Approx(0.25));
}

TEST_CASE("shrinking averages areas") {
  Image image(4, 2, 1);
  image.pixels = {0,  10, 20, 30,  //
                  40, 50, 60, 70};
  CHECK(resize(image, 2, 1).pixels == std::vector<std::uint8_t>{25, 45});
  CHECK(resize(image, 1, 2).pixels == std::vector<std::uint8_t>{15, 55});
  // Thirds of pixels: (0 + 10/3) / (4/3) = 2.5, and so on.
  CHECK(resize(image, 3, 2).pixels == std::vector<std::uint8_t>{3, 15, 28, 43, 55, 68});
}

TEST_CASE("a checkerboard shrinks to flat gray: no aliasing") {
  Image board(101, 97, 1);
  for (int y = 0; y < board.height; ++y) {
    for (int x = 0; x < board.width; ++x) board.at(x, y) = (x + y) % 2 ? 255 : 0;
  }
  const Image small = resize(board, 12, 10);
  for (const int p : small.pixels) CHECK(std::abs(p - 128) <= 4);
  const Image turned = crop(board, {10, 10, 80, 80}, 10, 10, 0.5f);
  for (const int p : turned.pixels) CHECK(std::abs(p - 128) <= 8);
}

TEST_CASE("resizing keeps the mean, and a constant stays constant") {
  for (const auto& [w, h] : {std::pair{48, 48}, {31, 97}, {7, 5}, {200, 150}, {64, 300}}) {
    const Image image = noise(120, 90, 3, 7);
    if (w <= 120 && h <= 90) CHECK(mean(resize(image, w, h)) == Approx(mean(image)).margin(0.5));
    CHECK(mean(resize(image, w, h)) == Approx(mean(image)).margin(1.5));
    const Image flat(33, 17, 3, 200);
    CHECK(resize(flat, w, h) == Image(w, h, 3, 200));
    CHECK(crop(flat, {-5, 3, 20, 40}, w, h, 0.3f) == Image(w, h, 3, 200));
  }
  const Image image = noise(9, 8, 4, 2);
  CHECK(resize(image, 9, 8) == image);
}

TEST_CASE("enlarging is bilinear with centres at one half") {
  Image image(2, 1, 1);
  image.pixels = {0, 100};
  CHECK(resize(image, 4, 1).pixels == std::vector<std::uint8_t>{0, 25, 75, 100});
  Image both(2, 4, 1);  // one axis grows, the other shrinks
  both.pixels = {0, 100, 20, 120, 40, 140, 60, 160};
  CHECK(resize(both, 4, 2).pixels == std::vector<std::uint8_t>{10, 35, 85, 110, 50, 75, 125, 150});
}

TEST_CASE("a crop on whole pixels copies them, and what lies outside repeats the border") {
  const Image image = noise(20, 15, 3, 3);
  const Image inner = crop(image, {4, 5, 6, 7}, 6, 7);
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 6; ++x) {
      for (int c = 0; c < 3; ++c) REQUIRE(inner.at(x, y, c) == image.at(x + 4, y + 5, c));
    }
  }
  const Image corner = crop(image, {-3, -2, 5, 4}, 5, 4);
  CHECK(corner.at(0, 0) == image.at(0, 0));
  CHECK(corner.at(3, 1) == image.at(0, 0));
  CHECK(corner.at(4, 3) == image.at(1, 1));
  const Image beyond = crop(image, {100, 100, 50, 50}, 4, 4);
  CHECK(beyond.at(2, 2, 1) == image.at(19, 14, 1));
}

TEST_CASE("a crop and a resize of what it holds agree") {
  const Image image = ramp(300, 200);
  CHECK(largest_difference(crop(image, {0, 0, 300, 200}, 48, 40), resize(image, 48, 40)) == 0);
  const Image part = crop(image, {30, 20, 90, 60}, 90, 60);
  CHECK(largest_difference(crop(image, {30, 20, 90, 60}, 24, 24), resize(part, 24, 24)) <= 1);
}

TEST_CASE("a crop with roll turns the content upright") {
  // A quarter turn is exact: the content's right side was lower, so what lay below comes to the
  // right.
  const Image image = noise(16, 16, 1, 5);
  const auto quarter = static_cast<float>(std::numbers::pi / 2);
  const Image turned = crop(image, {0, 0, 16, 16}, 16, 16, quarter);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) REQUIRE(turned.at(x, y) == image.at(15 - y, x));
  }
  // Reduced, too.
  const Image smooth = ramp(160, 160);
  const Image small = crop(smooth, {0, 0, 160, 160}, 20, 20, quarter);
  const Image straight = resize(smooth, 20, 20);
  for (int y = 1; y < 19; ++y) {
    for (int x = 1; x < 19; ++x) REQUIRE(std::abs(small.at(x, y) - straight.at(19 - y, x)) <= 2);
  }
  // Eyes on a tilted line come out level: the right one is lower by tan(roll).
  Image face(200, 200, 1, 0);
  const float roll = 0.35f;
  for (int y = 0; y < 200; ++y) {
    for (int x = 0; x < 200; ++x) {
      for (const float side : {-40.0f, 40.0f}) {
        const float dx = x + 0.5f - (100 + side * std::cos(roll));
        const float dy = y + 0.5f - (100 + side * std::sin(roll));
        if (dx * dx + dy * dy < 64) face.at(x, y) = 255;
      }
    }
  }
  for (const int size : {50, 100, 300}) {
    const Image level = crop(face, {40, 40, 120, 120}, size, size, roll);
    const float scale = size / 120.0f;
    for (const float side : {-40.0f, 40.0f}) {
      const int x = static_cast<int>((60 + side) * scale), y = size / 2;
      CHECK(level.at(x, y) == 255);
      CHECK(level.at(x, y - static_cast<int>(12 * scale)) == 0);
      CHECK(level.at(x, y + static_cast<int>(12 * scale)) == 0);
    }
  }
}

TEST_CASE("a tiny roll changes nearly nothing") {
  const Image image = ramp(400, 400);
  for (const int size : {48, 200, 390, 700}) {
    const Image straight = crop(image, {20, 30, 350, 340}, size, size);
    CHECK(largest_difference(straight, crop(image, {20, 30, 350, 340}, size, size, 1e-6f)) <= 2);
  }
}

TEST_CASE("a crop that makes no sense is refused, a far one costs no memory") {
  const Image image(10, 10, 1, 50);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(crop(image, {0, 0, 0, 5}, 4, 4), Error);
  CHECK_THROWS_AS(crop(image, {nan, 0, 5, 5}, 4, 4), Error);
  CHECK_THROWS_AS(crop(image, {0, 0, 5, 5}, 4, 4, nan), Error);
  CHECK_THROWS_AS(crop(image, {0, 0, 1e30f, 5}, 4, 4), Error);
  CHECK_THROWS_AS(crop(image, {0, 0, 5, 5}, 0, 4), Error);
  CHECK_THROWS_AS(crop(Image(), {0, 0, 5, 5}, 4, 4), Error);
  CHECK_THROWS_AS(resize(image, 4, -1), Error);
  CHECK(crop(image, {-9e5f, -9e5f, 1e6f, 1e6f}, 4, 4, 1.0f) == Image(4, 4, 1, 50));
  CHECK(crop(image, {0, 0, 1e6f, 1e-3f}, 4, 4, 1.0f) == Image(4, 4, 1, 50));
}

TEST_CASE("the face crop is a square around the box, wider by the margin") {
  CHECK(face_crop_box({10, 20, 40, 60}, 0.0f) == Box{0, 20, 60, 60});
  CHECK(face_crop_box({10, 20, 40, 60}, 0.25f) == Box{-15, 5, 90, 90});
}

TEST_CASE("a face of 400 pixels is cropped in well under a millisecond") {
  const Image image = noise(640, 480, 1, 9);
  for (const float roll : {0.0f, 0.2f}) {
    double best = 1e9;
    for (int i = 0; i < 20; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const Image face = crop(image, {120, 40, 400, 400}, 48, 48, roll);
      const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
      REQUIRE(face.width == 48);
      best = std::min(best, ms.count());
    }
    INFO("roll " << roll << ": " << best << " ms");
#ifdef NDEBUG
    CHECK(best < 1.0);
#endif
  }
}

TEST_CASE("an image whose pixels are not those of its size is refused with the numbers") {
  Image image(4, 3, 3, 7);
  CHECK_NOTHROW(check_image(image));
  CHECK_NOTHROW(check_image(Image()));
  image.pixels.resize(4 * 3 * 3 - 1);
  CHECK_THROWS_WITH(check_image(image), Catch::Contains("4 x 3 pixels, 3 channels and 35 bytes"));
  CHECK_THROWS_AS(resize(image, 2, 2), Error);
  CHECK_THROWS_AS(crop(image, {0, 0, 2, 2}, 2, 2), Error);
  CHECK_THROWS_WITH(to_gray(image), Catch::Contains("35 bytes"));
  image.channels = 4;
  CHECK_THROWS_WITH(to_rgb(image), Catch::Contains("35 bytes"));
  image = Image(4, 3, 2);
  CHECK_THROWS_WITH(check_image(image), Catch::Contains("2 channels"));
  CHECK_THROWS_WITH(to_gray(image), Catch::Contains("2 channels"));
  image.channels = 1;
  image.width = -8;
  CHECK_THROWS_AS(check_image(image), Error);
}
