#include "fer/core/image.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

Image::Image(int image_width, int image_height, int image_channels, std::uint8_t value)
    : width(image_width),
      height(image_height),
      channels(image_channels),
      pixels(static_cast<std::size_t>(image_width) * image_height * image_channels, value) {}

void check_image(const Image& image) {
  const bool known = image.channels == 1 || image.channels == 3 || image.channels == 4;
  const bool sized = known && image.width >= 0 && image.height >= 0 &&
                     image.pixels.size() == static_cast<std::size_t>(image.width) *
                                                static_cast<std::size_t>(image.height) *
                                                static_cast<std::size_t>(image.channels);
  if (!sized) {
    fail_input(
        format("an image of %d x %d pixels, %d channels and %zu bytes: 1, 3 or 4 channels of "
               "a byte without padding are an image",
               image.width, image.height, image.channels, image.pixels.size()));
  }
}

float intersection_over_union(const Box& a, const Box& b) {
  const float width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const float height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const float overlap = width * height;
  return overlap / (a.width * a.height + b.width * b.height - overlap);
}

Image to_gray(const Image& image) {
  check_image(image);
  if (image.channels == 1) return image;
  Image gray(image.width, image.height, 1);
  const std::uint8_t* p = image.pixels.data();
  for (std::uint8_t& value : gray.pixels) {
    // The weights in 1/65536, as PIL has them; they add up to 65536.
    value =
        static_cast<std::uint8_t>((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
    p += image.channels;
  }
  return gray;
}

Image to_rgb(const Image& image) {
  check_image(image);
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  const int green = image.channels == 1 ? 0 : 1;
  const std::uint8_t* p = image.pixels.data();
  for (std::size_t i = 0; i < rgb.pixels.size(); i += 3) {
    rgb.pixels[i] = p[0];
    rgb.pixels[i + 1] = p[green];
    rgb.pixels[i + 2] = p[2 * green];
    p += image.channels;
  }
  return rgb;
}

namespace {

// How one output position of an axis is mixed from the input: weights[i] for input first + i.
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

// Output i covers [origin + i * step, origin + (i + 1) * step) of an input of `size` positions: the
// area average of what it covers where the step is above 1, else linear between the two nearest
// centres. What lies outside counts as the first or the last input.
std::vector<Taps> make_taps(double origin, double step, int count, int size) {
  std::vector<Taps> axis(count);
  const double last = size - 1;
  for (int i = 0; i < count; ++i) {
    Taps& taps = axis[i];
    const double begin = origin + i * step;
    if (step <= 1.0) {
      const double centre = std::clamp(begin + step / 2 - 0.5, 0.0, last);
      const int left = static_cast<int>(centre);
      const auto fraction = static_cast<float>(centre - left);
      taps.first = left;
      taps.weights = {1.0f - fraction};
      if (fraction > 0) taps.weights.push_back(fraction);
      continue;
    }
    const double end = begin + step;
    taps.first = static_cast<int>(std::clamp(std::floor(begin), 0.0, last));
    const int past = static_cast<int>(std::clamp(std::ceil(end) - 1, 0.0, last)) + 1;
    taps.weights.reserve(past - taps.first);
    for (int j = taps.first; j < past; ++j) {
      const double low = j == 0 ? begin : std::max(begin, static_cast<double>(j));
      const double high = j == size - 1 ? end : std::min(end, j + 1.0);
      taps.weights.push_back(static_cast<float>((high - low) / step));
    }
  }
  return axis;
}

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(value + 0.5f); }

// Rows first: whole rows add up in vectorised loops, and what is left for the columns is small.
Image resample(const Image& image, const Box& box, int width, int height) {
  const std::vector<Taps> columns =
      make_taps(box.x, static_cast<double>(box.width) / width, width, image.width);
  const std::vector<Taps> rows =
      make_taps(box.y, static_cast<double>(box.height) / height, height, image.height);
  const int channels = image.channels;
  const int left = columns.front().first;
  const int right = columns.back().first + static_cast<int>(columns.back().weights.size());
  const std::size_t span = static_cast<std::size_t>(right - left) * channels;

  Image result(width, height, channels);
  std::vector<float> line(span);
  for (int y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (std::size_t k = 0; k < rows[y].weights.size(); ++k) {
      const std::uint8_t* source =
          &image.pixels[image.index(left, rows[y].first + static_cast<int>(k), 0)];
      const float weight = rows[y].weights[k];
      for (std::size_t i = 0; i < span; ++i) line[i] += weight * source[i];
    }
    for (int x = 0; x < width; ++x) {
      const float* source = &line[static_cast<std::size_t>(columns[x].first - left) * channels];
      for (int c = 0; c < channels; ++c) {
        float sum = 0;
        for (std::size_t k = 0; k < columns[x].weights.size(); ++k) {
          sum += columns[x].weights[k] * source[k * channels + c];
        }
        result.at(x, y, c) = to_byte(std::min(sum, 255.0f));
      }
    }
  }
  return result;
}

float bilinear(const Image& image, float x, float y, int c) {
  x = std::clamp(x - 0.5f, 0.0f, static_cast<float>(image.width - 1));
  y = std::clamp(y - 0.5f, 0.0f, static_cast<float>(image.height - 1));
  const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
  const int x1 = std::min(x0 + 1, image.width - 1), y1 = std::min(y0 + 1, image.height - 1);
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  const auto mix = [](float a, float b, float t) { return a + (b - a) * t; };
  return mix(mix(image.at(x0, y0, c), image.at(x1, y0, c), fx),
             mix(image.at(x0, y1, c), image.at(x1, y1, c), fx), fy);
}

// The turned box out of a copy of its surroundings that is reduced by area to twice the wanted
// resolution: few samples are left to take, and none of them aliases.
Image rotated_crop(const Image& image, const Box& box, int width, int height, float roll) {
  const float step_x = box.width / static_cast<float>(width);
  const float step_y = box.height / static_cast<float>(height);
  const float reduction = std::max(1.0f, std::max(step_x, step_y) / 2);
  const float cosine = std::cos(roll), sine = std::sin(roll);
  const float centre_x = box.x + box.width / 2, centre_y = box.y + box.height / 2;
  const float reach_x =
      (std::abs(cosine) * box.width + std::abs(sine) * box.height) / 2 + reduction;
  const float reach_y =
      (std::abs(sine) * box.width + std::abs(cosine) * box.height) / 2 + reduction;
  // On whole pixels, so that a copy that is not reduced is exact.
  Box around{std::floor(centre_x - reach_x), std::floor(centre_y - reach_y), 0, 0};
  const int around_width =
      static_cast<int>(std::ceil((centre_x + reach_x - around.x) / reduction)) + 1;
  const int around_height =
      static_cast<int>(std::ceil((centre_y + reach_y - around.y) / reduction)) + 1;
  around.width = static_cast<float>(around_width) * reduction;
  around.height = static_cast<float>(around_height) * reduction;
  const Image reduced = resample(image, around, around_width, around_height);

  const int samples_x = std::max(1, static_cast<int>(std::ceil(step_x / reduction)));
  const int samples_y = std::max(1, static_cast<int>(std::ceil(step_y / reduction)));
  const float share = 1.0f / static_cast<float>(samples_x * samples_y);
  Image result(width, height, image.channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::array<float, 4> sum{};
      for (int j = 0; j < samples_y; ++j) {
        for (int i = 0; i < samples_x; ++i) {
          const float u = (static_cast<float>(x) +
                           (static_cast<float>(i) + 0.5f) / static_cast<float>(samples_x)) *
                              step_x -
                          box.width / 2;
          const float v = (static_cast<float>(y) +
                           (static_cast<float>(j) + 0.5f) / static_cast<float>(samples_y)) *
                              step_y -
                          box.height / 2;
          const float source_x = (centre_x + cosine * u - sine * v - around.x) / reduction;
          const float source_y = (centre_y + sine * u + cosine * v - around.y) / reduction;
          for (int c = 0; c < image.channels; ++c)
            sum[c] += bilinear(reduced, source_x, source_y, c);
        }
      }
      for (int c = 0; c < image.channels; ++c) result.at(x, y, c) = to_byte(sum[c] * share);
    }
  }
  return result;
}

void check_sizes(const char* what, const Image& image, int width, int height) {
  if (image.empty()) fail_input(format("%s: the image is empty", what));
  check_image(image);
  if (width < 1 || height < 1) fail_input(format("%s: %d x %d is no size", what, width, height));
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  check_sizes("resize", image, width, height);
  if (width == image.width && height == image.height) return image;
  const Box whole{0, 0, static_cast<float>(image.width), static_cast<float>(image.height)};
  return resample(image, whole, width, height);
}

Image crop(const Image& image, const Box& box, int width, int height, float roll_radians) {
  check_sizes("crop", image, width, height);
  // Beyond this a float cannot tell neighbouring pixels apart, and no picture is as large.
  constexpr float kFar = 1e6f;
  const auto sane = [](float value) { return std::abs(value) <= kFar; };  // false for NaN
  if (!sane(box.x) || !sane(box.y) || !(box.width > 0 && sane(box.width)) ||
      !(box.height > 0 && sane(box.height)) || !std::isfinite(roll_radians)) {
    fail_input(format("crop: the box x %g, y %g, width %g, height %g, roll %g is no box", box.x,
                      box.y, box.width, box.height, roll_radians));
  }
  return roll_radians == 0.0f ? resample(image, box, width, height)
                              : rotated_crop(image, box, width, height, roll_radians);
}

Box face_crop_box(const Box& face, float margin) {
  const float side = std::max(face.width, face.height) * (1 + 2 * margin);
  return {face.x + (face.width - side) / 2, face.y + (face.height - side) / 2, side, side};
}

}  // namespace fer
