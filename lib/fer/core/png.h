// PNG through libpng, so that training writes pictures without OpenCV.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "fer/core/image.h"

namespace fer {

bool png_available();  // false in a build without libpng; the calls below then throw

std::vector<std::uint8_t> encode_png(const Image& image);
// 8-bit result; 16-bit and palette files are converted. Throws on a broken file or one that has
// more than max_pixels, before memory is taken.
Image decode_png(std::span<const std::uint8_t> bytes, std::size_t max_pixels = 100'000'000);

// Written to a temporary name and renamed.
void write_png(const std::filesystem::path& path, const Image& image);
Image read_png(const std::filesystem::path& path);

}  // namespace fer
