#include "fer/core/png.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/random.h"
#include "support/temp_folder.h"

using namespace fer;

namespace {

using Bytes = std::vector<std::uint8_t>;

Image noise(int width, int height, int channels) {
  Image image(width, height, channels);
  Rng rng(11);
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0u;
  for (const std::uint8_t b : bytes) {
    crc ^= b;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

void put(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

// The header of a PNG (IHDR's data begin at 16) with another size and a right checksum.
Bytes with_size(Bytes png, std::uint32_t width, std::uint32_t height) {
  put(png, 16, width);
  put(png, 20, height);
  put(png, 29, crc32(std::span(png).subspan(12, 17)));
  return png;
}

}  // namespace

TEST_CASE("PNG keeps every pixel of gray, RGB and RGBA pictures") {
  for (const int channels : {1, 3, 4}) {
    const Image image = noise(37, 23, channels);
    CHECK(decode_png(encode_png(image)) == image);
  }
  CHECK_THROWS_AS(encode_png(Image()), Error);
  CHECK_THROWS_AS(encode_png(Image(2, 2, 2)), Error);
  Image cut(4, 4, 1);
  cut.pixels.resize(15);
  CHECK_THROWS_AS(encode_png(cut), Error);
}

TEST_CASE("a written PNG reads back, and errors name the file") {
  const test::TempFolder folder;
  const Image image = noise(8, 9, 3);
  write_png(folder / "a.png", image);
  CHECK(read_png(folder / "a.png") == image);
  CHECK_THROWS_WITH(read_png(folder / "missing.png"), Catch::Contains("missing.png"));
  write_file_atomically(folder / "text.png", "no picture");
  CHECK_THROWS_WITH(read_png(folder / "text.png"), Catch::Contains("text.png: broken PNG"));
}

TEST_CASE("a broken PNG throws kInput wherever it was cut or changed") {
  const Bytes good = encode_png(noise(16, 16, 1));
  for (std::size_t length = 0; length + 12 < good.size(); ++length) {  // 12: IEND holds nothing
    try {
      decode_png(std::span(good).first(length));
      FAIL("cut to " << length << " bytes it was read");
    } catch (const Error& error) {
      REQUIRE(error.fault() == Fault::kInput);
    }
  }
  Rng rng(4);
  for (int i = 0; i < 500; ++i) {
    Bytes bad = good;
    bad[rng.below(static_cast<std::uint32_t>(bad.size()))] ^=
        static_cast<std::uint8_t>(1 + rng.below(255));
    try {
      decode_png(bad);  // a change outside the checksums may go unnoticed, a crash may not
    } catch (const Error&) {
    }
  }
}

TEST_CASE("a PNG with too many pixels is refused by its header") {
  const Bytes small = encode_png(Image(4, 4, 1));
  CHECK_THROWS_WITH(decode_png(with_size(small, 30000, 30000)), Catch::Contains("30000 x 30000"));
  CHECK_THROWS_AS(decode_png(with_size(small, 0xffffffff, 0xffffffff)), Error);
  CHECK_THROWS_AS(decode_png(with_size(small, 0, 4)), Error);
  CHECK_THROWS_AS(decode_png(small, 15), Error);
  CHECK(decode_png(small, 16).width == 4);
}

// Written with Python's zlib and struct: 2 x 1 pixels, 16-bit gray, 0x1234 and 0xff00.
TEST_CASE("a 16-bit PNG comes back as its upper bytes, a palette as its colours") {
  const Bytes deep = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                      0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01,
                      0x10, 0x00, 0x00, 0x00, 0x00, 0x81, 0xd9, 0xfc, 0x15, 0x00, 0x00, 0x00,
                      0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x10, 0x32, 0xf9, 0xcf,
                      0x00, 0x00, 0x02, 0xe7, 0x01, 0x46, 0x7f, 0xfb, 0x8c, 0x42, 0x00, 0x00,
                      0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  const Image gray = decode_png(deep);
  CHECK(gray.channels == 1);
  CHECK(gray.pixels == Bytes{0x12, 0xfe});  // rounded: 0xff00 / 257 = 254.0
  // The same with colour type 3 and the palette (1, 2, 3), (200, 100, 50).
  const Bytes palette = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
      0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x03, 0x00, 0x00, 0x00, 0xc3,
      0xfc, 0x8f, 0xb8, 0x00, 0x00, 0x00, 0x06, 0x50, 0x4c, 0x54, 0x45, 0x01, 0x02, 0x03, 0xc8,
      0x64, 0x32, 0x50, 0xb4, 0xae, 0x3f, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x60, 0x64, 0x00, 0x00, 0x00, 0x05, 0x00, 0x02, 0xd1, 0x66, 0x33, 0x78, 0x00,
      0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  const Image rgb = decode_png(palette);
  CHECK(rgb.channels == 3);
  CHECK(rgb.pixels == Bytes{200, 100, 50, 1, 2, 3});
}
