// The one picture type that crosses room borders, so that no header names an image library.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace fer {

// 8-bit, interleaved, row-major, no padding: pixels[(y * width + x) * channels + c].
// channels: 1 (gray), 3 (R, G, B) or 4 (R, G, B, A). sRGB-encoded values, as files hold them.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 1;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int width, int height, int channels, std::uint8_t value = 0);

  bool empty() const { return pixels.empty(); }
  std::uint8_t& at(int x, int y, int c = 0) { return pixels[index(x, y, c)]; }
  std::uint8_t at(int x, int y, int c = 0) const { return pixels[index(x, y, c)]; }
  std::size_t index(int x, int y, int c) const {
    return (static_cast<std::size_t>(y) * width + x) * channels + c;
  }
  bool operator==(const Image&) const = default;
};

// Throws kInput, with the numbers, where the pixels are not those of the size and channels: what
// comes from elsewhere is checked once, before anything reads it.
void check_image(const Image& image);

// Axis-aligned, in pixels, origin top left, edges at x and x + width; may reach outside the image.
struct Box {
  float x = 0;
  float y = 0;
  float width = 0;
  float height = 0;
  bool operator==(const Box&) const = default;
};
float intersection_over_union(const Box& a, const Box& b);

// BT.601 luma (0.299 R + 0.587 G + 0.114 B, rounded), as OpenCV and PIL do; alpha is ignored.
Image to_gray(const Image& image);
Image to_rgb(const Image& image);  // gray repeated, alpha dropped

// Bilinear when enlarging, area average when shrinking (no aliasing); pixel centres at .5.
Image resize(const Image& image, int width, int height);

// Copy of `box` rotated by `roll_radians` about its centre (positive: the content's right side is
// lower than its left), resampled to `width` x `height` with area filtering; what lies outside
// repeats the border.
Image crop(const Image& image, const Box& box, int width, int height, float roll_radians = 0.0f);

// The one crop that training and prediction share: a square around the centre of a face detector's
// canonical box (hairline to chin, ear to ear; vision/face_detector.h). `margin` is the fraction of
// the box's longer side that is added on each side; 0 gives the frame that FER2013 has.
Box face_crop_box(const Box& face, float margin);

}  // namespace fer
