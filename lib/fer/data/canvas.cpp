#include "fer/data/canvas.h"

#include <algorithm>
#include <cstdlib>

namespace fer {
namespace {

int square_root(int n) {
  int root = 0;
  for (int bit = 1 << 14; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= n) root += bit;
  }
  return root;
}

std::uint8_t blended(std::uint8_t old, int tone, int alpha) {
  return static_cast<std::uint8_t>(old + (tone - old) * alpha / 256);
}

}  // namespace

int fixed_sin(int angle) {
  angle = ((angle % 3600) + 3600) % 3600;
  const int sign = angle < 1800 ? 1 : -1;
  const std::int64_t a = angle % 1800;
  const std::int64_t product = a * (1800 - a);
  return sign * static_cast<int>(4096 * 4 * product / (4050000 - product));
}

int fixed_cos(int angle) { return fixed_sin(angle + 900); }

std::vector<CanvasPoint> curve(CanvasPoint a, CanvasPoint b, CanvasPoint c, int pieces) {
  std::vector<CanvasPoint> points;
  for (int t = 0; t <= pieces; ++t) {
    const int u = pieces - t;
    const int n = pieces * pieces;
    points.push_back({(u * u * a.x + 2 * u * t * b.x + t * t * c.x) / n,
                      (u * u * a.y + 2 * u * t * b.y + t * t * c.y) / n});
  }
  return points;
}

Canvas::Canvas(int picture_side)
    : side_(picture_side * kOversampling),
      tones_(static_cast<std::size_t>(side_) * side_),
      mask_(tones_.size(), 1),
      last_stroke_(tones_.size()) {}

template <typename Body>
void Canvas::scan(std::span<const CanvasPoint> corners, const Body& body) const {
  const auto [low, high] = std::minmax_element(
      corners.begin(), corners.end(), [](CanvasPoint a, CanvasPoint b) { return a.y < b.y; });
  const int first = std::max(0, low->y / kUnit - 1);
  const int last = std::min(side_ - 1, high->y / kUnit + 1);
  std::vector<int> crossings;
  for (int y = first; y <= last; ++y) {
    const int centre = y * kUnit + kUnit / 2;
    crossings.clear();
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const CanvasPoint a = corners[i];
      const CanvasPoint b = corners[(i + 1) % corners.size()];
      if ((a.y <= centre) != (b.y <= centre)) {
        crossings.push_back(a.x + (centre - a.y) * (b.x - a.x) / (b.y - a.y));
      }
    }
    std::sort(crossings.begin(), crossings.end());
    for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const int begin = std::max(0, (crossings[i] + kUnit / 2 - 1) >> 4);
      const int end = std::min(side_, (crossings[i + 1] + kUnit / 2 - 1) >> 4);
      if (begin < end) body(y, begin, end);
    }
  }
}

void Canvas::polygon(std::span<const CanvasPoint> corners, int tone, int alpha) {
  scan(corners, [&](int y, int begin, int end) {
    std::uint8_t* const row = &tones_[index(0, y)];
    const std::uint8_t* const mask = &mask_[index(0, y)];
    for (int x = begin; x < end; ++x) row[x] = blended(row[x], tone, alpha * mask[x]);
  });
}

void Canvas::stroke(std::span<const CanvasPoint> path, std::array<int, 3> radius, int tone,
                    int alpha) {
  ++stroke_;
  const int segments = static_cast<int>(path.size()) - 1;
  for (int s = 0; s < segments; ++s) {
    const CanvasPoint a = path[static_cast<std::size_t>(s)];
    const CanvasPoint b = path[static_cast<std::size_t>(s) + 1];
    const int steps = std::max({1, std::abs(b.x - a.x) / kUnit, std::abs(b.y - a.y) / kUnit});
    for (int k = 0; k <= steps; ++k) {
      const int along = 512 * (s * steps + k) / (segments * steps);  // 0 .. 512 over the path
      const int r = along < 256 ? radius[0] + (radius[1] - radius[0]) * along / 256
                                : radius[1] + (radius[2] - radius[1]) * (along - 256) / 256;
      const int cx = a.x + (b.x - a.x) * k / steps;
      const int cy = a.y + (b.y - a.y) * k / steps;
      for (int y = std::max(0, (cy - r) / kUnit); y <= std::min(side_ - 1, (cy + r) / kUnit); ++y) {
        const int dy = y * kUnit + kUnit / 2 - cy;
        if (dy * dy > r * r) continue;
        const int half = square_root(r * r - dy * dy);
        const int begin = std::max(0, (cx - half + kUnit / 2 - 1) >> 4);
        const int end = std::min(side_, (cx + half + kUnit / 2 - 1) >> 4);
        for (int x = begin; x < end; ++x) {
          const std::size_t i = index(x, y);
          if (last_stroke_[i] == stroke_) continue;
          last_stroke_[i] = stroke_;
          tones_[i] = blended(tones_[i], tone, alpha * mask_[i]);
        }
      }
    }
  }
}

void Canvas::glow(CanvasPoint centre, int radius_x, int radius_y, int tone, int alpha) {
  const int rx = std::max(1, radius_x / kUnit), ry = std::max(1, radius_y / kUnit);
  const int cx = centre.x / kUnit, cy = centre.y / kUnit;
  const int begin = std::max(0, cx - rx), end = std::min(side_, cx + rx + 1);
  std::vector<int> fall(static_cast<std::size_t>(side_));
  for (int x = begin; x < end; ++x)
    fall[static_cast<std::size_t>(x)] = 256 * (x - cx) * (x - cx) / (rx * rx);
  for (int y = std::max(0, cy - ry); y <= std::min(side_ - 1, cy + ry); ++y) {
    const int strength = 256 - 256 * (y - cy) * (y - cy) / (ry * ry);
    std::uint8_t* const row = &tones_[index(0, y)];
    const std::uint8_t* const mask = &mask_[index(0, y)];
    for (int x = begin; x < end; ++x) {
      const int share = std::max(0, strength - fall[static_cast<std::size_t>(x)]);
      row[x] = blended(row[x], tone, alpha * share / 256 * mask[x]);
    }
  }
}

void Canvas::clip(std::span<const CanvasPoint> corners) {
  std::fill(mask_.begin(), mask_.end(), 0);
  scan(corners, [&](int y, int begin, int end) {
    std::fill(&mask_[index(begin, y)], &mask_[index(begin, y)] + (end - begin), 1);
  });
}

void Canvas::unclip() { std::fill(mask_.begin(), mask_.end(), 1); }

Image Canvas::picture() const {
  constexpr int k = kOversampling;
  Image image(side_ / k, side_ / k, 1);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      int sum = k * k / 2;
      for (int j = 0; j < k; ++j) {
        for (int i = 0; i < k; ++i) sum += tones_[index(x * k + i, y * k + j)];
      }
      image.at(x, y) = static_cast<std::uint8_t>(sum / (k * k));
    }
  }
  return image;
}

}  // namespace fer
