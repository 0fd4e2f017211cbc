// What an image file's own headers say, read before a decoder and its memory come into play.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/vision/bytes_impl.h"
#include "fer/vision/image_io.h"
#include "fer/vision/video_probe.h"

namespace fer {

namespace {

// Thrown by a reader that runs out of bytes or meets nonsense; becomes one fer::Error with the
// name.
struct Broken {
  std::string reason;
};

std::uint64_t read_unsigned(Bytes bytes, std::size_t at, int size, bool big_endian) {
  if (at > bytes.size() || bytes.size() - at < static_cast<std::size_t>(size))
    throw Broken{"it ends too early"};
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    value |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * (big_endian ? size - 1 - i : i));
  }
  return value;
}
std::uint32_t big(Bytes bytes, std::size_t at, int size) {
  return static_cast<std::uint32_t>(read_unsigned(bytes, at, size, true));
}
std::uint32_t little(Bytes bytes, std::size_t at, int size) {
  return static_cast<std::uint32_t>(read_unsigned(bytes, at, size, false));
}

// The first directory of a TIFF file; EXIF is a TIFF file without a picture. (TIFF 6.0, section 2)
class TiffDirectory {
 public:
  explicit TiffDirectory(Bytes bytes) : bytes_(bytes) {
    big_endian_ = has_text(bytes, 0, "MM");
    if (number(2, 2) != 42) throw Broken{"its TIFF version is unknown"};
    at_ = number(4, 4);
    entries_ = number(at_, 2);
  }

  // Values of a tag of type BYTE, SHORT or LONG; empty when it is absent.
  std::vector<std::uint32_t> values(std::uint16_t tag) const {
    for (std::uint32_t i = 0; i < entries_; ++i) {
      const std::size_t entry = at_ + 2 + 12 * static_cast<std::size_t>(i);
      if (number(entry, 2) != tag) continue;
      const std::uint32_t type = number(entry + 2, 2), count = number(entry + 4, 4);
      const int size = type == 1 ? 1 : type == 3 ? 2 : 4;
      const std::size_t total = static_cast<std::size_t>(count) * size;
      const std::size_t first = total <= 4 ? entry + 8 : number(entry + 8, 4);
      if (first > bytes_.size() || total > bytes_.size() - first) throw Broken{"it ends too early"};
      std::vector<std::uint32_t> found(count);
      for (std::uint32_t k = 0; k < count; ++k)
        found[k] = number(first + static_cast<std::size_t>(k) * size, size);
      return found;
    }
    return {};
  }
  std::uint32_t value(std::uint16_t tag, std::uint32_t otherwise) const {
    const auto found = values(tag);
    return found.empty() ? otherwise : found[0];
  }
  int orientation() const {
    const std::uint32_t found = value(274, 1);
    return found >= 1 && found <= 8 ? static_cast<int>(found) : 1;
  }

 private:
  std::uint32_t number(std::size_t at, int size) const {
    return static_cast<std::uint32_t>(read_unsigned(bytes_, at, size, big_endian_));
  }
  Bytes bytes_;
  bool big_endian_;
  std::size_t at_ = 0;
  std::uint32_t entries_ = 0;
};

// Broken EXIF turns no picture away.
int exif_orientation(Bytes exif) {
  try {
    return TiffDirectory(exif).orientation();
  } catch (const Broken&) {
    return 1;
  }
}

struct Size {
  std::int64_t width = 0, height = 0;
};
struct Header {
  Size size;
  int orientation = 1;
  Size block;       // TIFF: of a tile, which is decoded whole, however small the picture
  int white = 255;  // PNM
};

// Decoders take the first, so that another one would hide the size that memory is taken for.
constexpr const char* kSecondHeader = "it has more than one header";

// Walks the markers to the end of the image, as a decoder does: what stands in a segment (a
// thumbnail has an end marker of its own) does not count. (ITU T.81, annex B)
Header read_jpeg(Bytes bytes) {
  // A progressive file may hold any number of scans over the whole picture; real ones have about
  // ten.
  constexpr int kMostScans = 200;
  Header header;
  bool sized = false;
  int scans = 0;
  std::size_t at = 2;
  for (;;) {
    // To the next marker: entropy-coded data ends at an FF that is neither stuffed nor a restart.
    while (at + 1 < bytes.size() &&
           (bytes[at] != 0xFF || bytes[at + 1] == 0x00 || bytes[at + 1] == 0xFF ||
            (bytes[at + 1] >= 0xD0 && bytes[at + 1] <= 0xD7))) {
      ++at;
    }
    if (at + 1 >= bytes.size()) throw Broken{"it ends too early (no end marker)"};
    const std::uint8_t marker = bytes[at + 1];
    at += 2;
    if (marker == 0xD9) break;
    if (marker == 0x01 || marker == 0xD8) continue;
    const std::uint32_t length = big(bytes, at, 2);
    if (length < 2 || length > bytes.size() - at) throw Broken{"it ends too early"};
    const Bytes segment = bytes.subspan(at + 2, length - 2);
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      if (std::exchange(sized, true)) throw Broken{kSecondHeader};
      header.size = {big(segment, 3, 2), big(segment, 1, 2)};
    }
    if (marker == 0xE1 && has_text(segment, 0, std::string_view("Exif\0\0", 6))) {
      header.orientation = exif_orientation(segment.subspan(6));
    }
    if (marker == 0xDA && ++scans > kMostScans)
      throw Broken{"it has more scans than a picture needs"};
    at += length;
  }
  if (scans == 0) throw Broken{"it holds no picture"};
  return header;
}

Header read_png(Bytes bytes) {
  Header header;
  bool sized = false;
  for (std::size_t at = 8;;) {
    const std::uint32_t length = big(bytes, at, 4);
    if (length > bytes.size() - at - 4 || bytes.size() - at - 4 - length < 8)
      throw Broken{"it ends too early"};
    const Bytes data = bytes.subspan(at + 8, length);
    if (has_text(bytes, at + 4, "IHDR")) {
      if (std::exchange(sized, true)) throw Broken{kSecondHeader};
      header.size = {big(data, 0, 4), big(data, 4, 4)};
    }
    if (has_text(bytes, at + 4, "eXIf")) header.orientation = exif_orientation(data);
    if (has_text(bytes, at + 4, "IEND")) return header;
    at += 12 + static_cast<std::size_t>(length);
  }
}

Header read_webp(Bytes bytes) {
  const std::size_t end = 8 + static_cast<std::size_t>(little(bytes, 4, 4));
  if (end > bytes.size()) throw Broken{"it ends too early"};
  Header header;
  for (std::size_t at = 12; at + 8 <= end;) {
    const std::uint32_t length = little(bytes, at + 4, 4);
    const Bytes data = bytes.subspan(at + 8, std::min<std::size_t>(length, bytes.size() - at - 8));
    Size size;
    if (has_text(bytes, at, "VP8X")) {
      if (little(data, 0, 1) & 2) throw Broken{"animated WebP cannot be read"};
      size = {little(data, 4, 3) + std::int64_t{1}, little(data, 7, 3) + std::int64_t{1}};
    } else if (has_text(bytes, at, "VP8 ")) {
      size = {little(data, 6, 2) & 0x3FFF, little(data, 8, 2) & 0x3FFF};
    } else if (has_text(bytes, at, "VP8L")) {
      const std::uint32_t bits = little(data, 1, 4);
      size = {(bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1};
    } else if (has_text(bytes, at, "EXIF")) {
      const bool prefixed = has_text(data, 0, std::string_view("Exif\0\0", 6));
      header.orientation = exif_orientation(prefixed ? data.subspan(6) : data);
    }
    header.size = {std::max(header.size.width, size.width),
                   std::max(header.size.height, size.height)};
    at += 8 + static_cast<std::size_t>(length) + (length & 1);
  }
  return header;
}

Header read_bmp(Bytes bytes) {
  const std::uint32_t pixels_at = little(bytes, 10, 4), header_size = little(bytes, 14, 4);
  Header header;
  std::uint64_t bits = 0;
  bool packed =
      false;  // run lengths: the size of the data does not follow from that of the picture
  if (header_size == 12) {
    header.size = {little(bytes, 18, 2), little(bytes, 20, 2)};
    bits = little(bytes, 24, 2);
  } else {
    header.size = {static_cast<std::int32_t>(little(bytes, 18, 4)),
                   static_cast<std::int32_t>(little(bytes, 22, 4))};
    header.size.height = std::abs(header.size.height);  // negative: stored from the top
    bits = little(bytes, 28, 2);
    const std::uint32_t compression = little(bytes, 30, 4);
    if (compression > 3) throw Broken{"its compression is unknown"};
    packed = compression == 1 || compression == 2;
  }
  if (!packed && header.size.width > 0) {
    const std::uint64_t stride =
        (static_cast<std::uint64_t>(header.size.width) * bits + 31) / 32 * 4;
    if (pixels_at > bytes.size() || stride * header.size.height > bytes.size() - pixels_at) {
      throw Broken{"it ends too early"};
    }
  }
  return header;
}

Header read_tiff(Bytes bytes) {
  const TiffDirectory directory(bytes);
  Header header;
  header.size = {directory.value(256, 0), directory.value(257, 0)};
  header.orientation = directory.orientation();
  for (const auto& [offsets, counts] :
       {std::pair<std::uint16_t, std::uint16_t>{273, 279}, {324, 325}}) {
    const auto at = directory.values(offsets), length = directory.values(counts);
    for (std::size_t i = 0; i < std::min(at.size(), length.size()); ++i) {
      if (std::uint64_t{at[i]} + length[i] > bytes.size()) throw Broken{"it ends too early"};
    }
  }
  header.block = {directory.value(322, 0), directory.value(323, 0)};
  // The decoder would turn each tile where it lies.
  if (header.block.width > 0 && header.orientation != 1)
    throw Broken{"its tiles are stored turned, which cannot be read"};
  return header;
}

// "P5" or "P6", then width, height and the value of white in white space, one more of it, and the
// rows; comments run from # to the end of the line. (Netpbm: pgm(5), ppm(5))
Header read_pnm(Bytes bytes) {
  std::size_t at = 2;
  const auto next = [&] { return static_cast<int>(big(bytes, at++, 1)); };
  const auto number = [&] {
    int c = next();
    for (bool comment = false; comment || c == '#' || std::isspace(c); c = next()) {
      comment = (comment || c == '#') && c != '\n' && c != '\r';
    }
    std::int64_t value = 0;
    const std::size_t first = at;
    for (; std::isdigit(c) && at - first < 10; c = next()) value = 10 * value + (c - '0');
    // The decoder takes whatever ends a number for white space, the # of a comment, too.
    if (at == first || !std::isspace(c)) throw Broken{"its header is not three numbers"};
    return value;
  };
  Header header;
  header.size.width = number();
  header.size.height = number();
  const std::int64_t white = number();
  if (white < 1 || white > 65535) throw Broken{"its value of white is not within 1 and 65535"};
  header.white = static_cast<int>(white);
  const std::int64_t pixel = (bytes[1] == '6' ? 3 : 1) * (white > 255 ? 2 : 1);
  const auto rest = static_cast<std::int64_t>(bytes.size() - at);
  if (header.size.width > 0 && header.size.height > rest / (pixel * header.size.width))
    throw Broken{"it ends too early"};
  return header;
}

std::optional<ImageFormat> sniff(Bytes bytes) {
  if (has_text(bytes, 0, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (has_text(bytes, 0, "\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (has_text(bytes, 0, "RIFF") && has_text(bytes, 8, "WEBP")) return ImageFormat::kWebp;
  if (has_text(bytes, 0, std::string_view("II*\0", 4)) ||
      has_text(bytes, 0, std::string_view("MM\0*", 4))) {
    return ImageFormat::kTiff;
  }
  // Two letters are weak: the reserved words and the header's size must fit, too.
  if (has_text(bytes, 0, "BM") && bytes.size() >= 26 && little(bytes, 6, 4) == 0) {
    const std::uint32_t header_size = little(bytes, 14, 4);
    if (header_size == 12 || (header_size >= 40 && header_size <= 124)) return ImageFormat::kBmp;
  }
  if ((has_text(bytes, 0, "P5") || has_text(bytes, 0, "P6")) && bytes.size() > 3 &&
      std::isspace(bytes[2]) &&
      (std::isspace(bytes[3]) || std::isdigit(bytes[3]) || bytes[3] == '#')) {
    return ImageFormat::kPnm;
  }
  return std::nullopt;
}

// What people try next, named so that they know what to do.
std::string describe_foreign(Bytes bytes) {
  for (const char* brand : {"heic", "heix", "hevc", "mif1", "msf1"}) {
    if (has_text(bytes, 4, std::string("ftyp") + brand))
      return "a HEIC picture, which cannot be read; convert it to JPEG";
  }
  if (has_text(bytes, 4, "ftypavif"))
    return "an AVIF picture, which cannot be read; convert it to JPEG";
  if (has_text(bytes, 0, "GIF8")) return "a GIF, which cannot be read; convert it to PNG";
  if (looks_like_video(bytes)) return "a video, not an image";
  if (bytes.size() > 2 && (has_text(bytes, 0, "P2") || has_text(bytes, 0, "P3")) &&
      std::isspace(bytes[2])) {
    return "a PGM or PPM in plain text, which cannot be read; convert it to PNG";
  }
  return "not an image (PNG, JPEG, WebP, BMP, TIFF, PGM or PPM)";
}

Header read_header(Bytes bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return read_png(bytes);
    case ImageFormat::kJpeg:
      return read_jpeg(bytes);
    case ImageFormat::kWebp:
      return read_webp(bytes);
    case ImageFormat::kBmp:
      return read_bmp(bytes);
    case ImageFormat::kTiff:
      return read_tiff(bytes);
    case ImageFormat::kPnm:
      break;
  }
  return read_pnm(bytes);
}

}  // namespace

std::string to_string(ImageFormat format) {
  static constexpr std::array<const char*, 6> kNames = {"PNG", "JPEG", "WebP",
                                                        "BMP", "TIFF", "PNM"};
  return kNames[static_cast<std::size_t>(format)];
}

ImageInfo probe_image(Bytes bytes, const std::string& name, const ImageLimits& limits) {
  if (bytes.empty()) fail_input(name + ": the file is empty (0 bytes)");
  const auto type = sniff(bytes);
  if (!type) fail_input(name + ": " + describe_foreign(bytes));
  Header header;
  try {
    header = read_header(bytes, *type);
  } catch (const Broken& broken) {
    fail_input(name + ": broken " + to_string(*type) + ": " + broken.reason);
  }
  const auto [width, height] = header.size;
  if (width < 1 || height < 1) {
    fail_input(name + ": broken " + to_string(*type) + ": it has no size");
  }
  const auto too_large = [&](const Size& s) {
    // The sides first, so that the product cannot overflow; OpenCV takes no longer ones either.
    constexpr std::int64_t kLongestSide = 1 << 20;
    return s.width > kLongestSide || s.height > kLongestSide ||
           s.width * s.height > limits.max_pixels;
  };
  if (too_large(header.size) || too_large(header.block)) {
    const Size& s = too_large(header.size) ? header.size : header.block;
    fail_input(format("%s: %lld x %lld pixels, more than the %lld allowed", name.c_str(),
                      static_cast<long long>(s.width), static_cast<long long>(s.height),
                      static_cast<long long>(limits.max_pixels)));
  }
  return {*type, static_cast<int>(width), static_cast<int>(height), header.orientation,
          header.white};
}

}  // namespace fer
