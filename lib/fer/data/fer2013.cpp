#include "fer/data/fer2013.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"
#include "fer/data/csv.h"

namespace fer {
namespace {

constexpr int kSide = 48;
constexpr std::size_t kPixels = kSide * kSide;
constexpr int kClasses = 7;
constexpr std::int64_t kPieceBytes = 1 << 20;
constexpr int kMostThreads = 8;  // each holds one piece
constexpr std::size_t kMaxRowBytes = 1 << 20;

struct Columns {
  std::size_t emotion = 0;
  std::size_t pixels = 0;
  std::optional<std::size_t> usage;
  std::size_t count = 0;
};

struct Row {
  Image image;
  int label = 0;
  Split split = Split::kTrain;
};

// The rows that begin in one piece of the file.
struct Piece {
  std::vector<Row> rows;
  std::string error;  // about the row after rows.back()
};

bool parse_pixels(std::string_view text, std::vector<std::uint8_t>& out) {
  out.resize(kPixels);
  const char* p = text.data();
  const char* const end = p + text.size();
  for (std::uint8_t& pixel : out) {
    while (p < end && *p == ' ') ++p;
    const char* const begin = p;
    unsigned value = 0;
    for (unsigned digit = 0;
         p < end && (digit = static_cast<unsigned>(*p - '0')) < 10 && p - begin < 3; ++p) {
      value = value * 10 + digit;
    }
    if (p == begin || value > 255 || (p < end && *p != ' ')) return false;
    pixel = static_cast<std::uint8_t>(value);
  }
  while (p < end && *p == ' ') ++p;
  return p == end;
}

// Why parse_pixels() refused: said slowly and exactly.
std::string pixel_error(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(' ', at);
    if (begin == std::string_view::npos) break;
    at = std::min(text.find(' ', begin), text.size());
    const std::string token(text.substr(begin, at - begin));
    ++count;
    long long value = 0;
    if (!parse_int(token, value) || value < 0 || value > 255 || token.size() > 3) {
      return format("pixel %zu is '%.20s', expected 0..255", count, token.c_str());
    }
  }
  return format("%zu pixels, expected %zu", count, kPixels);
}

std::string_view unquoted(std::string_view field) {
  const auto is_wrapping = [](char c) { return c == ' ' || c == '"' || c == '\r'; };
  while (!field.empty() && is_wrapping(field.front())) field.remove_prefix(1);
  while (!field.empty() && is_wrapping(field.back())) field.remove_suffix(1);
  return field;
}

// "" or what is wrong.
std::string parse_row(std::string_view line, const Columns& columns, Row& row) {
  std::size_t fields = 0;
  std::string_view emotion, pixels, usage;
  for (std::size_t at = 0; at <= line.size(); ++fields) {
    const std::size_t end = std::min(line.find(',', at), line.size());
    const std::string_view field = unquoted(line.substr(at, end - at));
    if (fields == columns.emotion) emotion = field;
    if (fields == columns.pixels) pixels = field;
    if (columns.usage && fields == *columns.usage) usage = field;
    at = end + 1;
  }
  // The pixels come first: of everything that can be wrong in a cut row they say most.
  if (fields > columns.pixels && !parse_pixels(pixels, row.image.pixels))
    return pixel_error(pixels);
  if (fields != columns.count) return format("%zu fields, expected %zu", fields, columns.count);
  long long label = 0;
  if (!parse_int(emotion, label) || label < 0 || label >= kClasses) {
    return format("emotion is '%.20s', expected 0..%d", std::string(emotion).c_str(), kClasses - 1);
  }
  row.label = static_cast<int>(label);
  if (columns.usage) {
    const auto split = find_split(std::string(usage));
    if (!split) {
      return format("Usage is '%.20s', expected Training, PublicTest or PrivateTest",
                    std::string(usage).c_str());
    }
    row.split = *split;
  }
  row.image.width = kSide;
  row.image.height = kSide;
  return "";
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path), file_bytes_(static_cast<std::int64_t>(std::filesystem::file_size(path))) {
    const std::vector<std::string> header = read_csv_header(path);
    const std::string name = path.filename().string();
    columns_.emotion = require_column(header, "emotion", name);
    columns_.pixels = require_column(header, "pixels", name);
    columns_.usage = find_column(header, "Usage");
    columns_.count = header.size();
  }

  bool has_usage() const { return columns_.usage.has_value(); }
  std::int64_t pieces() const { return (file_bytes_ + kPieceBytes - 1) / kPieceBytes; }

  // Every line belongs to the piece that holds its first byte; the header is the first line of the
  // first.
  Piece read(std::int64_t index) const {
    const std::int64_t begin = index * kPieceBytes;
    const std::int64_t from = std::max<std::int64_t>(0, begin - 1);
    const std::int64_t to = std::min(begin + kPieceBytes, file_bytes_);
    Piece piece;
    std::string text;
    std::ifstream in(path_, std::ios::binary);
    in.seekg(from);
    append(in, static_cast<std::size_t>(to - from), text);
    const std::size_t own_bytes = text.size();

    std::size_t at = text.find('\n');  // the rest of a line of the piece before, or the header
    at = at == std::string::npos ? own_bytes : at + 1;
    while (at < own_bytes && piece.error.empty()) {
      std::size_t end = text.find('\n', at);
      while (end == std::string::npos && text.size() - at <= kMaxRowBytes) {
        const std::size_t seen = text.size();
        if (append(in, 1 << 14, text) == 0) break;
        end = text.find('\n', seen);
      }
      const bool whole = end != std::string::npos;
      if (!whole) end = text.size();
      const std::string_view line = std::string_view(text).substr(at, end - at);
      at = end + 1;
      if (unquoted(line).empty()) continue;
      Row row;
      piece.error = parse_row(line, columns_, row);
      if (piece.error.empty()) {
        piece.rows.push_back(std::move(row));
      } else if (!whole) {
        piece.error += " (the file is cut inside this row)";
      }
    }
    return piece;
  }

 private:
  std::size_t append(std::ifstream& in, std::size_t bytes, std::string& text) const {
    const std::size_t before = text.size();
    text.resize(before + bytes);
    in.read(text.data() + before, static_cast<std::streamsize>(bytes));
    if (in.bad()) fail_runtime(path_.string() + ": " + std::strerror(errno));
    text.resize(before + static_cast<std::size_t>(in.gcount()));
    return text.size() - before;
  }

  std::filesystem::path path_;
  std::int64_t file_bytes_;
  Columns columns_;
};

}  // namespace

bool is_fer2013_header(const std::vector<std::string>& header) {
  return find_column(header, "pixels") || find_column(header, "emotion");
}

FaceTable read_fer2013(const std::filesystem::path& path) {
  const Reader reader(path);
  std::vector<Piece> pieces(static_cast<std::size_t>(reader.pieces()));
  parallel_for(
      reader.pieces(),
      [&](std::int64_t i) { pieces[static_cast<std::size_t>(i)] = reader.read(i); },
      std::min(hardware_threads(), kMostThreads));

  FaceTable table;
  table.vocabulary = *label_preset("fer2013");
  const std::string name = path.filename().string();
  for (Piece& piece : pieces) {
    for (Row& row : piece.rows) {
      table.images.push_back(std::move(row.image));
      table.labels.push_back(row.label);
      if (reader.has_usage()) table.splits.push_back(row.split);
    }
    if (!piece.error.empty()) {
      fail_input(
          format("%s row %zu: %s", name.c_str(), table.images.size() + 1, piece.error.c_str()));
    }
    piece = {};
  }
  if (table.images.empty()) fail_input(name + ": no rows after the header");
  table.description = "FER2013 csv";
  table.origin = [name](std::int64_t i) { return name + " row " + std::to_string(i + 1); };
  return table;
}

}  // namespace fer
