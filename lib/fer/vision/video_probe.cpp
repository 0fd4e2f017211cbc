#include "fer/vision/video_probe.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "fer/vision/bytes_impl.h"

namespace fer {
namespace {

namespace fs = std::filesystem;

// The transport stream's packets begin alike.
bool has_sync(Bytes bytes, std::size_t first, std::size_t packet) {
  constexpr std::uint8_t kSync = 0x47;
  return bytes.size() > first + 2 * packet && bytes[first] == kSync &&
         bytes[first + packet] == kSync && bytes[first + 2 * packet] == kSync;
}

// At most `most` bytes from `at`.
std::vector<std::uint8_t> read_at(std::ifstream& file, std::int64_t at, std::size_t most) {
  std::vector<std::uint8_t> bytes(most);
  file.clear();
  file.seekg(at);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

std::int64_t big_endian(Bytes bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t b : bytes) value = value << 8 | b;
  return static_cast<std::int64_t>(value & 0x7FFFFFFFFFFFFFFFull);
}

// Boxes that stand at the top of a file.
bool is_top_box(std::string_view type) {
  static const std::set<std::string_view> known = {
      "ftyp", "styp", "moov", "moof", "mdat", "mfra", "free", "skip", "wide", "uuid", "udta",
      "meta", "sidx", "ssix", "prft", "emsg", "pnot", "PICT", "pdin", "meco", "imda"};
  return known.contains(type);
}

// Where the last box of ISO/IEC 14496-12 ends; 0 when one has a size that none can have. Cameras
// put notes of their own behind the last one of a whole film.
std::int64_t end_of_boxes(std::ifstream& file, std::int64_t size) {
  constexpr int kMostBoxes = 100'000;
  std::int64_t at = 0;
  bool index = false, media = false;
  for (int box = 0; at < size && box < kMostBoxes; ++box) {
    const auto header = read_at(file, at, 16);
    const std::string_view type(reinterpret_cast<const char*>(header.data()) + 4,
                                header.size() < 8 ? 0 : 4);
    if (index && media && !is_top_box(type)) return at;
    if (header.size() < 8) return at + 8;
    index |= type == "moov";
    media |= type == "mdat" || type == "moof";
    const Bytes bytes(header);
    std::int64_t length = big_endian(bytes.first(4));
    if (length == 0) return size;  // up to the end
    if (length == 1 && header.size() < 16) return at + 16;
    if (length == 1) length = big_endian(bytes.subspan(8, 8));
    if (length < 8 || length > (std::int64_t{1} << 60)) return 0;
    at += length;
  }
  return at;
}

// An EBML number at `at` (RFC 8794): its value without the marker and its length; nothing where it
// is unknown or no number.
struct EbmlSize {
  std::int64_t value, length;
};
std::optional<EbmlSize> ebml_size(Bytes bytes, std::size_t at) {
  if (at >= bytes.size() || bytes[at] == 0) return {};
  std::size_t length = 1;
  for (std::uint8_t bit = 0x80; (bytes[at] & bit) == 0; bit >>= 1) ++length;
  if (bytes.size() < at + length) return {};
  const std::int64_t marker = std::int64_t{1} << (7 * length);
  const std::int64_t value = big_endian(bytes.subspan(at, length)) & (marker - 1);
  if (value == marker - 1) return {};
  return EbmlSize{value, static_cast<std::int64_t>(length)};
}

std::int64_t end_of_segment(Bytes bytes) {
  const auto header = ebml_size(bytes, 4);
  if (!header) return 0;
  const std::int64_t at = 4 + header->length + header->value;
  if (at < 0 || at > 400 || !has_text(bytes, static_cast<std::size_t>(at), "\x18\x53\x80\x67"))
    return 0;
  const auto segment = ebml_size(bytes, static_cast<std::size_t>(at) + 4);
  return segment ? at + 4 + segment->length + segment->value : 0;
}

}  // namespace

bool looks_like_video(Bytes bytes) {
  // What begins with four bytes of any value could be a text: FFmpeg would find a playlist in it
  // (DASH) and open the files that it names. A byte that no text has tells, if it stands before a
  // playlist could have ended.
  const Bytes beginning = bytes.first(std::min<std::size_t>(64, bytes.size()));
  const bool binary = std::ranges::any_of(
      beginning, [](std::uint8_t b) { return b < ' ' && b != '\t' && b != '\n' && b != '\r'; });
  if (binary && has_text(bytes, 4, "ftyp")) {
    return !has_text(bytes, 8, "heic") && !has_text(bytes, 8, "heix") &&
           !has_text(bytes, 8, "hevc") && !has_text(bytes, 8, "mif1") &&
           !has_text(bytes, 8, "msf1") && !has_text(bytes, 8, "avif");
  }
  const bool iso =
      has_text(bytes, 4, "moov") || has_text(bytes, 4, "mdat") || has_text(bytes, 4, "wide");
  return (binary && (iso || has_sync(bytes, 4, 192))) || has_text(bytes, 0, "YUV4MPEG2 ") ||
         has_text(bytes, 0, "\x1A\x45\xDF\xA3") ||
         (has_text(bytes, 0, "RIFF") && has_text(bytes, 8, "AVI ")) || has_text(bytes, 0, "OggS") ||
         has_text(bytes, 0, std::string_view("\x00\x00\x01\xBA", 4)) ||
         has_text(bytes, 0, std::string_view("\x00\x00\x01\xB3", 4)) ||
         has_text(bytes, 0, "FLV\x01") || has_text(bytes, 0, "\x30\x26\xB2\x75") ||
         has_sync(bytes, 0, 188);
}

bool is_video_file(const fs::path& path) {
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return false;
  std::ifstream file(path, std::ios::binary);
  return looks_like_video(read_at(file, 0, 512));
}

std::int64_t declared_bytes(const fs::path& path) {
  std::error_code none;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, none));
  std::ifstream file(path, std::ios::binary);
  if (none || !file) return 0;
  const auto head = read_at(file, 0, 512);
  const Bytes bytes(head);
  if (has_text(bytes, 0, "RIFF") && bytes.size() >= 8) {
    const std::int64_t length =
        bytes[4] | bytes[5] << 8 | bytes[6] << 16 | std::int64_t{bytes[7]} << 24;
    // A recorder that never came to its end left one of these.
    return length == 0 || length == 0xFFFFFFFF ? 0 : 8 + length;
  }
  if (has_text(bytes, 0, "\x1A\x45\xDF\xA3")) return end_of_segment(bytes);
  for (const char* box : {"ftyp", "moov", "mdat", "wide"}) {
    if (has_text(bytes, 4, box)) return end_of_boxes(file, size);
  }
  return 0;
}

}  // namespace fer
