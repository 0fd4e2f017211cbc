// A gray drawing surface in integer arithmetic alone: the same strokes give the same bytes on every
// machine and compiler. It is drawn at four times the size of the picture and then averaged, which
// smooths the edges.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "fer/core/image.h"

namespace fer {

struct CanvasPoint {
  int x = 0;  // in sixteenths of a canvas pixel
  int y = 0;
};

// 4096 sin(angle), angle in tenths of a degree (Bhaskara's rational approximation, error under
// .002).
int fixed_sin(int angle);
int fixed_cos(int angle);

// `pieces` + 1 points of the quadratic Bezier curve a, b, c.
std::vector<CanvasPoint> curve(CanvasPoint a, CanvasPoint b, CanvasPoint c, int pieces = 16);

class Canvas {
 public:
  static constexpr int kOversampling = 4;
  static constexpr int kUnit = 16;  // CanvasPoint units a canvas pixel

  explicit Canvas(int picture_side);

  // Every call covers each pixel at most once: new = old + (tone - old) * alpha / 256, alpha up to
  // 256.
  void polygon(std::span<const CanvasPoint> corners, int tone, int alpha = 256);
  // Round brush along a path; its radius goes from `from` over `middle` to `to` (CanvasPoint
  // units).
  void stroke(std::span<const CanvasPoint> path, std::array<int, 3> radius, int tone,
              int alpha = 256);
  // An ellipse that is strongest in its centre and fades to nothing at its edge.
  void glow(CanvasPoint centre, int radius_x, int radius_y, int tone, int alpha);

  // Until unclip(), drawing reaches only the inside of `corners`.
  void clip(std::span<const CanvasPoint> corners);
  void unclip();

  Image picture() const;

 private:
  // Calls body(y, x_begin, x_end) for the rows of pixels whose centres lie inside.
  template <typename Body>
  void scan(std::span<const CanvasPoint> corners, const Body& body) const;
  std::size_t index(int x, int y) const { return static_cast<std::size_t>(y) * side_ + x; }

  int side_;
  std::vector<std::uint8_t> tones_;
  std::vector<std::uint8_t> mask_;          // 1: may be drawn on
  std::vector<std::uint16_t> last_stroke_;  // that covered this pixel
  std::uint16_t stroke_ = 0;
};

}  // namespace fer
