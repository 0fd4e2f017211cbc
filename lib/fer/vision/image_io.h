// Image files in and out: PNG, JPEG, WebP, BMP, TIFF and binary PGM or PPM.
//
// An image is hostile until decoded: its type is told by its first bytes, never by its name; its
// size is read from its headers and capped before memory is taken; a file that ends too early is an
// error, not a half gray picture. Errors are fer::Error (kInput), one line, "name: reason".
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fer/core/image.h"
#include "fer/data/dataset.h"

namespace fer {

struct ImageLimits {
  std::int64_t max_pixels = 100'000'000;      // 300 MB as RGB; more than any phone's panorama
  std::int64_t max_file_bytes = 400'000'000;  // an uncompressed TIFF of as many pixels
};

enum class ImageFormat { kPng, kJpeg, kWebp, kBmp, kTiff, kPnm };  // kPnm: PGM or PPM
std::string to_string(ImageFormat format);  // PNG, JPEG, WebP, BMP, TIFF, PNM

struct ImageInfo {
  ImageFormat format = ImageFormat::kPng;
  int width = 0;  // as stored, before the orientation is applied
  int height = 0;
  int orientation =
      1;            // EXIF: 1 upright, 3 upside down, 6 and 8 a quarter turn, the others mirrored
  int white = 255;  // PGM and PPM: the value that stands for white, up to 65535
};

// Headers only. `name` stands in the messages. Throws on anything that is no complete image of the
// six types or is larger than the limits.
ImageInfo probe_image(std::span<const std::uint8_t> bytes, const std::string& name,
                      const ImageLimits& limits = {});

// Upright, 1 channel (gray) or 3 (R, G, B); alpha is dropped, 16 bits become 8.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                   const ImageLimits& limits = {});
Image read_image(const std::filesystem::path& path, const ImageLimits& limits = {});
// read_image as data sets of image files want it.
ImageDecoder image_decoder(const ImageLimits& limits = {});

// 1, 3 or 4 channels. quality: JPEG's and WebP's, 1 .. 100.
std::vector<std::uint8_t> encode_image(const Image& image, ImageFormat format, int quality = 92);
// The format by the name's extension (throws on an unknown one); whole or absent.
void write_image(const std::filesystem::path& path, const Image& image, int quality = 92);

}  // namespace fer
