#include "fer/vision/image_io.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/vision/video_probe.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

const std::array kFormats = {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kWebp,
                             ImageFormat::kBmp, ImageFormat::kTiff, ImageFormat::kPnm};

double mean_difference(const Image& a, const Image& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  REQUIRE(a.channels == b.channels);
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

void put_big(Bytes& bytes, std::uint32_t value, int size) {
  for (int i = size - 1; i >= 0; --i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_little(Bytes& bytes, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

Bytes text_bytes(const std::string& text) { return {text.begin(), text.end()}; }

// A little-endian EXIF block with nothing but the orientation.
Bytes exif(std::uint8_t orientation) {
  return {'I', 'I', 42, 0, 8, 0,           0, 0, 1, 0, 0x12, 0x01, 3,
          0,   1,   0,  0, 0, orientation, 0, 0, 0, 0, 0,    0,    0};
}

// The JPEG with an APP1 segment of that payload after its start marker.
Bytes with_app1(Bytes jpeg, const Bytes& payload) {
  Bytes segment = {0xFF, 0xE1};
  put_big(segment, static_cast<std::uint32_t>(payload.size() + 2), 2);
  segment.insert(segment.end(), payload.begin(), payload.end());
  jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
  return jpeg;
}

Bytes png_chunk(const std::string& type, const Bytes& data) {
  Bytes chunk;
  put_big(chunk, static_cast<std::uint32_t>(data.size()), 4);
  for (const char c : type) chunk.push_back(static_cast<std::uint8_t>(c));
  for (const std::uint8_t byte : data) chunk.push_back(byte);
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 4; i < chunk.size(); ++i) {
    crc ^= chunk[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  put_big(chunk, ~crc, 4);
  return chunk;
}

// An RGB TIFF, uncompressed and in one strip, with its orientation; `tile` names the side of tiles
// that it has not got. (TIFF 6.0)
Bytes tiff_file(const Image& image, int orientation, int tile = 0) {
  struct Entry {
    std::uint32_t tag, type, count, value;
  };
  constexpr std::uint32_t kShort = 3, kLong = 4, kDirectory = 8;
  const auto width = static_cast<std::uint32_t>(image.width),
             height = static_cast<std::uint32_t>(image.height);
  const std::uint32_t entries = tile > 0 ? 12 : 10, bits = kDirectory + 2 + 12 * entries + 4;
  std::vector<Entry> directory = {{256, kLong, 1, width},
                                  {257, kLong, 1, height},
                                  {258, kShort, 3, bits},  // a sample
                                  {259, kShort, 1, 1},     // no compression
                                  {262, kShort, 1, 2},     // RGB
                                  {273, kLong, 1, bits + 6},
                                  {274, kShort, 1, static_cast<std::uint32_t>(orientation)},
                                  {277, kShort, 1, 3},
                                  {278, kLong, 1, height},  // rows a strip
                                  {279, kLong, 1, static_cast<std::uint32_t>(image.pixels.size())}};
  for (const std::uint32_t tag : {322u, 323u}) {
    if (tile > 0) directory.push_back({tag, kShort, 1, static_cast<std::uint32_t>(tile)});
  }
  Bytes bytes = {'I', 'I', 42, 0, kDirectory, 0, 0, 0};
  put_little(bytes, entries, 2);
  for (const Entry& entry : directory) {
    put_little(bytes, entry.tag, 2);
    put_little(bytes, entry.type, 2);
    put_little(bytes, entry.count, 4);
    put_little(bytes, entry.value, 4);
  }
  put_little(bytes, 0, 4);  // no further directory
  for (int c = 0; c < 3; ++c) put_little(bytes, 8, 2);
  bytes.insert(bytes.end(), image.pixels.begin(), image.pixels.end());
  return bytes;
}

Bytes exif_segment(const Bytes& tiff) {
  const std::string name("Exif\0\0", 6);
  Bytes payload(name.begin(), name.end());
  for (const std::uint8_t byte : tiff) payload.push_back(byte);
  return payload;
}

// What a camera stores for an upright picture, from the words of EXIF 2.3: where the stored row 0
// and the stored column 0 are seen.
Image stored(const Image& upright, int orientation) {
  static constexpr std::array<const char*, 9> kSides = {"",   "TL", "TR", "BR", "BL",
                                                        "LT", "RT", "RB", "LB"};
  const std::string sides = kSides[static_cast<std::size_t>(orientation)];
  const bool swapped = sides[0] == 'L' || sides[0] == 'R';
  Image image(swapped ? upright.height : upright.width, swapped ? upright.width : upright.height,
              upright.channels);
  for (int row = 0; row < image.height; ++row) {
    for (int column = 0; column < image.width; ++column) {
      int x = 0, y = 0;
      const auto place = [&](char side, int at) {
        if (side == 'T') y = at;
        if (side == 'B') y = upright.height - 1 - at;
        if (side == 'L') x = at;
        if (side == 'R') x = upright.width - 1 - at;
      };
      place(sides[0], row);
      place(sides[1], column);
      for (int c = 0; c < image.channels; ++c) image.at(column, row, c) = upright.at(x, y, c);
    }
  }
  return image;
}

// Headers that promise a picture of width x height and hold none.
Bytes promise(ImageFormat format, std::uint32_t width, std::uint32_t height) {
  Bytes bytes = encode_image(corners(16, 16), format);
  const auto patch = [&](std::size_t at, std::uint32_t value, int size, bool big_endian) {
    for (int i = 0; i < size; ++i) {
      bytes.at(at + i) = static_cast<std::uint8_t>(value >> (8 * (big_endian ? size - 1 - i : i)));
    }
  };
  switch (format) {
    case ImageFormat::kPng:
      patch(16, width, 4, true);
      patch(20, height, 4, true);
      break;
    case ImageFormat::kJpeg: {
      const Bytes marker = {0xFF, 0xC0};
      const auto at =
          std::search(bytes.begin(), bytes.end(), marker.begin(), marker.end()) - bytes.begin();
      patch(at + 5, height, 2, true);
      patch(at + 7, width, 2, true);
      break;
    }
    case ImageFormat::kWebp:
      patch(26, width & 0x3FFF, 2, false);
      patch(28, height & 0x3FFF, 2, false);
      break;
    case ImageFormat::kBmp:
      patch(18, width, 4, false);
      patch(22, height, 4, false);
      break;
    case ImageFormat::kTiff: {
      const std::size_t directory = bytes[4] | bytes[5] << 8 | bytes[6] << 16;
      for (std::size_t entry = directory + 2; entry + 12 <= bytes.size(); entry += 12) {
        if (bytes[entry] == 0 && bytes[entry + 1] == 1)
          patch(entry + 8, width, bytes[entry + 2] == 3 ? 2 : 4, false);
        if (bytes[entry] == 1 && bytes[entry + 1] == 1)
          patch(entry + 8, height, bytes[entry + 2] == 3 ? 2 : 4, false);
      }
      break;
    }
    case ImageFormat::kPnm:
      bytes = text_bytes("P6\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n");
      break;
  }
  return bytes;
}

}  // namespace

TEST_CASE("an image comes back from each of the six formats, whatever it is called") {
  const Image image = corners(61, 37);
  for (const ImageFormat format : kFormats) {
    INFO(to_string(format));
    const Bytes bytes = encode_image(image, format, 95);
    const ImageInfo info = probe_image(bytes, "photo");
    CHECK(info.format == format);
    CHECK(info.width == 61);
    CHECK(info.height == 37);
    CHECK(info.orientation == 1);
    const Image decoded = decode_image(bytes, "photo.txt");
    const bool lossless = format != ImageFormat::kJpeg && format != ImageFormat::kWebp;
    CHECK(mean_difference(decoded, image) < (lossless ? 1e-9 : 2.5));
  }
}

TEST_CASE("a gray file stays gray, and alpha is dropped") {
  const Image gray = corners(20, 30, 1);
  for (const ImageFormat format :
       {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kTiff, ImageFormat::kPnm}) {
    INFO(to_string(format));
    CHECK(mean_difference(decode_image(encode_image(gray, format), "gray"), gray) < 1.5);
  }
  for (const ImageFormat format : {ImageFormat::kPng, ImageFormat::kPnm}) {
    CHECK(decode_image(encode_image(corners(9, 7, 4), format), "alpha") == corners(9, 7, 3));
  }
}

TEST_CASE("all eight EXIF orientations are turned upright, in JPEG, PNG and TIFF") {
  const Image upright = corners(48, 32);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO("orientation " << orientation);
    const Image turned = stored(upright, orientation);
    const Bytes tiff = exif(static_cast<std::uint8_t>(orientation));

    const Bytes jpeg = with_app1(encode_image(turned, ImageFormat::kJpeg, 100), exif_segment(tiff));
    CHECK(mean_difference(decode_image(jpeg, "a.jpg"), upright) < 1.5);

    Bytes png = encode_image(turned, ImageFormat::kPng);
    const Bytes chunk = png_chunk("eXIf", tiff);
    png.insert(png.begin() + 33, chunk.begin(), chunk.end());
    CHECK(decode_image(png, "a.png") == upright);

    const Bytes file = tiff_file(turned, orientation);
    const ImageInfo info = probe_image(file, "a.tiff");
    REQUIRE(info.orientation == orientation);
    CHECK(info.width == turned.width);
    CHECK(decode_image(file, "a.tiff") == upright);
  }
  // OpenCV turns each tile where it lies.
  CHECK(probe_image(tiff_file(upright, 1, 16), "a.tiff").width == 48);
  CHECK_THAT(message_of([&] { decode_image(tiff_file(upright, 6, 16), "a.tiff"); }),
             Catch::Contains("its tiles are stored turned"));
}

TEST_CASE("a PGM or PPM may hold comments, any value of white and two bytes a sample") {
  const auto decoded = [](const std::string& text) {
    return decode_image(text_bytes(text), "a.pgm");
  };
  Image gray(3, 1, 1);
  gray.pixels = {0, 119, 255};
  const std::string samples("\0\7\x0F", 3);
  for (const char* header : {"P5\n3 1\n15\n", "P5 3 1 15 ", "P5\r\t3\v1\f15\r",
                             "P5\n# 9 9\n3 # wide\n1\n#\n## high\r15\n", "P5\n003 01\n015\n"}) {
    INFO(header);
    CHECK(decoded(header + samples) == gray);
    CHECK(decoded(header + samples + "and more") == gray);
  }
  Image colour(1, 1, 3);
  colour.pixels = {0, 128, 255};
  CHECK(decoded(std::string("P6\n1 1\n65535\n\0\0\x80\x80\xFF\xFF", 19)) == colour);
  CHECK(decoded(std::string("P6\n1 1\n255\n\0\x80\xFF", 14)) == colour);

  const auto refused = [&](const std::string& text, const std::string& reason) {
    INFO(text);
    CHECK_THAT(message_of([&] { decoded(text); }), Catch::Contains(reason));
  };
  refused("P5\n3 1\n15\n\7\7", "broken PNM: it ends too early");
  refused("P6\n1 1\n256\n12345", "broken PNM: it ends too early");
  refused("P5\n3 1", "broken PNM: it ends too early");
  refused("P5\n0 1\n15\n", "broken PNM: it has no size");
  refused("P5\n3 1\n0\n123", "its value of white is not within 1 and 65535");
  refused("P5\n3 1\n65536\n123456", "its value of white is not within 1 and 65535");
  // OpenCV would read the digits of this comment as the height.
  refused("P5\n3#9\n1\n255\n123", "its header is not three numbers");
  refused("P5\n -3 1\n255\n123", "its header is not three numbers");
  refused("P5\n33333333333 1\n255\n123", "its header is not three numbers");
  refused("P2\n3 1\n15\n0 7 15\n", "a PGM or PPM in plain text");
}

TEST_CASE("a broken EXIF block turns no photo away") {
  const Image image = corners(32, 24);
  Bytes tiff = exif(6);
  tiff[4] = 200;  // the directory lies beyond the block
  const Bytes jpeg = with_app1(encode_image(image, ImageFormat::kJpeg, 100), exif_segment(tiff));
  CHECK(mean_difference(decode_image(jpeg, "a.jpg"), image) < 1.5);
  CHECK(probe_image(with_app1(encode_image(image, ImageFormat::kJpeg), exif_segment(exif(77))), "a")
            .orientation == 1);
}

TEST_CASE("a file that ends too early is an error in one line, never a half gray picture") {
  const Image image = noise(64, 64, 3, 1);
  for (const ImageFormat format : kFormats) {
    const Bytes whole = encode_image(image, format);
    for (const double part : {0.05, 0.3, 0.7, 0.98}) {
      INFO(to_string(format) << " cut at " << part);
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(
                                                         part * static_cast<double>(whole.size())));
      const std::string message = message_of([&] { decode_image(cut, "cut.img"); });
      CHECK_THAT(message, Catch::StartsWith("cut.img: "));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("the end marker of a thumbnail is not that of the photo") {
  const Bytes photo = encode_image(noise(64, 64, 3, 2), ImageFormat::kJpeg);
  const Bytes thumbnail = encode_image(noise(16, 16, 3, 3), ImageFormat::kJpeg);
  const Bytes whole = with_app1(photo, exif_segment(thumbnail));
  CHECK(decode_image(whole, "whole.jpg").width == 64);
  const Bytes cut(whole.begin(), whole.end() - 500);
  CHECK_THAT(message_of([&] { decode_image(cut, "cut.jpg"); }), Catch::Contains("ends too early"));
}

TEST_CASE("what is no image is named for what it is") {
  const auto message = [](std::string text) {
    text.resize(std::max<std::size_t>(text.size(), 64), ' ');
    return message_of([&] {
      decode_image({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "x");
    });
  };
  CHECK(message_of([] { decode_image({}, "empty.jpg"); }) ==
        "empty.jpg: the file is empty (0 bytes)");
  CHECK(message("hello") == "x: not an image (PNG, JPEG, WebP, BMP, TIFF, PGM or PPM)");
  CHECK_THAT(message("GIF89a"), Catch::Contains("GIF"));
  CHECK_THAT(message(std::string("\0\0\0\x18"
                                 "ftypheic",
                                 12)),
             Catch::Contains("HEIC"));
  CHECK_THAT(message(std::string("\0\0\0\x18"
                                 "ftypisom",
                                 12)),
             Catch::Contains("video"));
  CHECK_THAT(message("BMy diary"), Catch::Contains("not an image"));
  CHECK_THAT(message("P5 is my favourite key"), Catch::Contains("not an image"));
}

TEST_CASE("a picture that is too large is refused by its headers, before memory is taken") {
  for (const ImageFormat format : kFormats) {
    INFO(to_string(format));
    const std::uint32_t side = format == ImageFormat::kWebp ? 16'000 : 30'000;
    const Bytes bytes = promise(format, side, side);
    const std::string message = message_of([&] { decode_image(bytes, "bomb"); });
    // The uncompressed formats also lack the bytes they promise, whichever is seen first.
    CHECK_THAT(message, Catch::Contains("more than the 100000000 allowed") ||
                            Catch::Contains("ends too early"));
  }
  // The large header is the one that a decoder takes; a small one after it hides nothing.
  const Bytes small_png = encode_image(corners(16, 16), ImageFormat::kPng);
  const auto small_header = small_png.begin() + 8;
  Bytes header(small_header + 8, small_header + 21);
  for (const std::size_t side : {0u, 4u}) header[side + 2] = 0x75;  // 30,000 or so
  const Bytes large_header = png_chunk("IHDR", header);
  Bytes two_headers(small_png.begin(), small_header);
  two_headers.insert(two_headers.end(), large_header.begin(), large_header.end());
  two_headers.insert(two_headers.end(), small_header + 25, small_png.end());
  two_headers.insert(two_headers.end() - 12, small_header, small_header + 25);
  CHECK(message_of([&] { decode_image(two_headers, "bomb.png"); }) ==
        "bomb.png: broken PNG: it has more than one header");

  const Bytes small_jpeg = encode_image(corners(16, 16), ImageFormat::kJpeg);
  const Bytes marker = {0xFF, 0xC0};
  const auto frame =
      std::search(small_jpeg.begin(), small_jpeg.end(), marker.begin(), marker.end());
  REQUIRE(frame != small_jpeg.end());
  Bytes two_frames = promise(ImageFormat::kJpeg, 30'000, 30'000);
  two_frames.insert(two_frames.end() - 2, frame, frame + 2 + (frame[2] << 8 | frame[3]));
  CHECK(message_of([&] { decode_image(two_frames, "bomb.jpg"); }) ==
        "bomb.jpg: broken JPEG: it has more than one header");

  ImageLimits small;
  small.max_pixels = 1000;
  const Bytes png = encode_image(corners(40, 26), ImageFormat::kPng);
  CHECK(message_of([&] { decode_image(png, "p.png", small); }) ==
        "p.png: 40 x 26 pixels, more than the 1000 allowed");
  CHECK(message_of([&] {
          decode_image(encode_image(corners(40, 26), ImageFormat::kPnm), "p.ppm", small);
        }) == "p.ppm: 40 x 26 pixels, more than the 1000 allowed");
  small.max_pixels = 40 * 26;
  CHECK(decode_image(png, "p.png", small).width == 40);
}

TEST_CASE("a JPEG with a thousand scans is refused: each one would cost the whole picture") {
  Bytes jpeg = encode_image(corners(16, 16), ImageFormat::kJpeg);
  const Bytes scan = {0xFF, 0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x3F, 0x00, 0x55};
  for (int i = 0; i < 1000; ++i) jpeg.insert(jpeg.end() - 2, scan.begin(), scan.end());
  CHECK_THAT(message_of([&] { decode_image(jpeg, "scans.jpg"); }), Catch::Contains("more scans"));
}

TEST_CASE("flipped bytes give a picture or an error, nothing else") {
  const Image image = noise(24, 24, 3, 4);
  Rng rng(5);
  int errors = 0;
  for (const ImageFormat format : kFormats) {
    const Bytes whole = encode_image(image, format);
    for (int round = 0; round < 300; ++round) {
      Bytes bytes = whole;
      for (int i = 0; i < 3; ++i) {
        // The headers most of all.
        const auto range = static_cast<std::uint32_t>(
            round % 2 ? bytes.size() : std::min<std::size_t>(bytes.size(), 64));
        bytes[rng.below(range)] = static_cast<std::uint8_t>(rng.below(256));
      }
      ImageLimits limits;
      limits.max_pixels = 1'000'000;
      try {
        const Image decoded = decode_image(bytes, "fuzz", limits);
        CHECK(decoded.pixels.size() ==
              static_cast<std::size_t>(decoded.width) * decoded.height * decoded.channels);
      } catch (const Error&) {
        ++errors;
      }
    }
  }
  CHECK(errors > 100);
}

TEST_CASE("a file is read and written by its path, and every mistake names it") {
  const TempFolder folder;
  const Image image = corners(12, 10);
  for (const char* name : {"a.png", "a.PNG", "a.bmp", "a.tif", "a.tiff"}) {
    write_image(folder / name, image);
    CHECK(read_image(folder / name) == image);
  }
  write_bytes(folder / "a.ppm", encode_image(image, ImageFormat::kPnm));
  CHECK(read_image(folder / "a.ppm") == image);
  write_image(folder / "a.jpg", image);
  CHECK(image_decoder()(folder / "a.jpg").width == 12);
  CHECK_THAT(message_of([&] { write_image(folder / "a.gif", image); }), Catch::Contains("a.gif"));
  CHECK_THAT(message_of([&] { read_image(folder / "none.png"); }), Catch::Contains("none.png"));
  CHECK_THAT(message_of([&] { read_image(folder.path()); }), Catch::Contains("a folder"));
  ImageLimits small;
  small.max_file_bytes = 50;
  CHECK_THAT(message_of([&] { read_image(folder / "a.bmp", small); }),
             Catch::Contains("more than the 50 allowed"));
}

TEST_CASE("videos are told from images by their first bytes") {
  const auto video = [](std::string text) {
    text.resize(600, '\0');
    return looks_like_video({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(
      video(std::string("\0\0\0\x20"
                        "ftypisom",
                        12)));
  CHECK(video("\x1A\x45\xDF\xA3"));
  CHECK(video("RIFF....AVI LIST"));
  CHECK(video("YUV4MPEG2 W16 H16"));
  CHECK_FALSE(video("RIFF....WEBPVP8 "));
  CHECK_FALSE(
      video(std::string("\0\0\0\x20"
                        "ftypheic",
                        12)));
  for (const ImageFormat format : kFormats)
    CHECK_FALSE(looks_like_video(encode_image(corners(64, 64), format)));
}
