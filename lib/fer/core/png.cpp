#include "fer/core/png.h"

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"

#if FER_HAVE_PNG
#include <png.h>
#endif

namespace fer {

#if FER_HAVE_PNG

namespace {

// libpng's own struct, freed on every way out.
struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
};

}  // namespace

bool png_available() { return true; }

std::vector<std::uint8_t> encode_png(const Image& image) {
  PngImage png;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  switch (image.channels) {
    case 1:
      png.format = PNG_FORMAT_GRAY;
      break;
    case 3:
      png.format = PNG_FORMAT_RGB;
      break;
    case 4:
      png.format = PNG_FORMAT_RGBA;
      break;
    default:
      fail_input(format("encode_png: %d channels, expected 1, 3 or 4", image.channels));
  }
  check_image(image);
  if (image.empty()) fail_input("encode_png: the image is empty");
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::uint8_t> bytes(size);
  if (!png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr)) {
    fail_runtime(std::string("encode_png: ") + png.message);
  }
  bytes.resize(size);
  return bytes;
}

Image decode_png(std::span<const std::uint8_t> bytes, std::size_t max_pixels) {
  PngImage png;
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) {
    fail_input(std::string("broken PNG: ") + png.message);
  }
  if (static_cast<std::size_t>(png.width) * png.height > max_pixels) {
    fail_input(format("PNG of %u x %u pixels, more than %zu", png.width, png.height, max_pixels));
  }
  // 16-bit samples without a colour space of their own are taken as sRGB, as every viewer does.
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const bool alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  const bool colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  png.format = alpha ? PNG_FORMAT_RGBA : colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Image image(static_cast<int>(png.width), static_cast<int>(png.height),
              alpha    ? 4
              : colour ? 3
                       : 1);
  if (!png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr)) {
    fail_input(std::string("broken PNG: ") + png.message);
  }
  return image;
}

#else

bool png_available() { return false; }
std::vector<std::uint8_t> encode_png(const Image&) { fail_runtime("this build has no libpng"); }
Image decode_png(std::span<const std::uint8_t>, std::size_t) {
  fail_runtime("this build has no libpng");
}

#endif

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file_atomically(path, encode_png(image));
}

Image read_png(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = read_binary_file(path);
  try {
    return decode_png(bytes);
  } catch (const Error& error) {
    throw Error(error.fault(), path.string() + ": " + error.what());
  }
}

}  // namespace fer
