#include "fer/data/csv.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"

namespace fer {
namespace {

constexpr std::size_t kMaxHeader = 1 << 16;

std::string_view without_bom(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

std::vector<std::string> take_csv_row(std::string_view& rest) {
  std::vector<std::string> fields;
  std::string field;
  bool open = false, quoted = false;  // within quotes; of a field that was quoted
  const auto end_field = [&] {
    fields.push_back(quoted ? field : trim(field));
    field.clear();
    quoted = false;
  };
  std::size_t i = 0;
  for (; i < rest.size() && (open || rest[i] != '\n'); ++i) {
    const char c = rest[i];
    if (open && c == '"' && i + 1 < rest.size() && rest[i + 1] == '"') {
      field += rest[++i];
    } else if (open && c == '"') {
      open = false;
    } else if (open) {
      field += c;
    } else if (c == '"' && !quoted && trim(field).empty()) {
      open = quoted = true;
      field.clear();
    } else if (c == ',') {
      end_field();
    } else if (!quoted || (c != ' ' && c != '\t' && c != '\r')) {
      field += c;
    }
  }
  end_field();
  rest.remove_prefix(std::min(i + 1, rest.size()));
  return fields;
}

std::vector<std::string> split_csv_line(std::string_view line) { return take_csv_row(line); }

std::vector<std::string> read_csv_header(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_input(path.string() + ": " + std::strerror(errno));
  std::string text(kMaxHeader, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  const std::size_t end = text.find('\n');
  if (end == std::string::npos && text.size() == kMaxHeader) {
    fail_input(path.string() + ": no line end in the first 64 KiB, so it is no csv");
  }
  const std::string_view line = without_return(without_bom(std::string_view(text).substr(0, end)));
  if (trim(line).empty())
    fail_input(path.string() + ": the first line is empty, expected column names");
  return split_csv_line(line);
}

std::optional<std::size_t> find_column(const std::vector<std::string>& header,
                                       std::string_view name) {
  const std::string wanted = to_lower(name);
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (to_lower(header[i]) == wanted) return i;
  }
  return std::nullopt;
}

std::size_t require_column(const std::vector<std::string>& header, std::string_view name,
                           const std::string& file) {
  const auto column = find_column(header, name);
  if (!column) {
    fail_input(file + ": column '" + std::string(name) +
               "' is missing (columns: " + join(header, ", ") + ")");
  }
  return *column;
}

CsvFile read_csv(const std::filesystem::path& path) {
  CsvFile csv{path.filename().string(), read_csv_header(path), {}};
  const std::string text = read_text_file(path);
  std::string_view rest = without_bom(text);
  take_csv_row(rest);
  while (!rest.empty()) {
    const std::size_t line = std::min(rest.find('\n'), rest.size());
    if (trim(rest.substr(0, line)).empty()) {
      rest.remove_prefix(std::min(line + 1, rest.size()));
      continue;
    }
    const bool quotes = rest.find('"') < line;
    csv.rows.push_back(take_csv_row(rest));
    if (csv.rows.back().size() != csv.header.size()) {
      fail_input(format("%s row %zu: %zu fields, expected %zu%s", csv.name.c_str(), csv.rows.size(),
                        csv.rows.back().size(), csv.header.size(),
                        !rest.empty()           ? ""
                        : !text.ends_with('\n') ? " (the file is cut inside this row)"
                        : quotes                ? " (a quote in it may not be closed)"
                                                : ""));
    }
  }
  return csv;
}

}  // namespace fer
