#include "fer/data/canvas.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace fer;

namespace {

constexpr int kPixel = Canvas::kUnit * Canvas::kOversampling;  // CanvasPoint units a picture pixel

std::vector<CanvasPoint> rectangle(int x0, int y0, int x1, int y1) {
  return {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
}

int sum(const Image& image) {
  int total = 0;
  for (const int p : image.pixels) total += p;
  return total;
}

}  // namespace

TEST_CASE("the fixed-point sine is within .002 of the true one") {
  for (int angle = -3700; angle <= 3700; ++angle) {
    const double truth = std::sin(angle * M_PI / 1800);
    REQUIRE(std::abs(fixed_sin(angle) / 4096.0 - truth) < 0.002);
    REQUIRE(std::abs(fixed_cos(angle) / 4096.0 - std::cos(angle * M_PI / 1800)) < 0.002);
  }
}

TEST_CASE("a polygon covers its area, with smooth edges") {
  Canvas canvas(8);
  canvas.polygon(rectangle(2 * kPixel, kPixel, 5 * kPixel, 3 * kPixel + kPixel / 2), 200);
  const Image image = canvas.picture();
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      const bool across = x >= 2 && x < 5;
      CHECK(image.at(x, y) == (across && y >= 1 && y < 3 ? 200 : across && y == 3 ? 100 : 0));
    }
  }
  Canvas triangle(32);
  triangle.polygon(std::vector<CanvasPoint>{{0, 0}, {32 * kPixel, 0}, {0, 32 * kPixel}}, 100);
  CHECK(sum(triangle.picture()) == Approx(100 * 32 * 32 / 2).epsilon(0.02));
}

TEST_CASE("a transparent shape blends once, however its strokes overlap") {
  Canvas canvas(16);
  const std::vector<CanvasPoint> there_and_back = {
      {2 * kPixel, 8 * kPixel}, {14 * kPixel, 8 * kPixel}, {2 * kPixel, 8 * kPixel}};
  canvas.stroke(there_and_back, {kPixel, kPixel, kPixel}, 200, 128);
  CHECK(canvas.picture().at(8, 7) == 100);
  CHECK(canvas.picture().at(8, 12) == 0);
  canvas.polygon(rectangle(0, 0, 16 * kPixel, 16 * kPixel), 0, 64);
  CHECK(canvas.picture().at(8, 7) == 75);
}

TEST_CASE("drawing outside the clip or the canvas changes nothing") {
  Canvas canvas(8);
  canvas.clip(rectangle(0, 0, 4 * kPixel, 8 * kPixel));
  canvas.polygon(rectangle(-9 * kPixel, -9 * kPixel, 20 * kPixel, 20 * kPixel), 50);
  canvas.stroke(std::vector<CanvasPoint>{{6 * kPixel, -40 * kPixel}, {6 * kPixel, 40 * kPixel}},
                {kPixel, kPixel, kPixel}, 99);
  canvas.glow({6 * kPixel, 4 * kPixel}, kPixel, kPixel, 99, 256);
  CHECK(sum(canvas.picture()) == 50 * 4 * 8);
  canvas.unclip();
  canvas.glow({6 * kPixel, 4 * kPixel}, kPixel, kPixel, 99, 256);
  CHECK(sum(canvas.picture()) > 50 * 4 * 8);
}

TEST_CASE("a curve starts and ends at its end points and bows towards its control point") {
  const std::vector<CanvasPoint> points = curve({0, 0}, {100, 200}, {200, 0});
  CHECK(points.front().x == 0);
  CHECK(points.back().x == 200);
  CHECK(points[points.size() / 2].y == 100);  // half way between chord and control point
}
