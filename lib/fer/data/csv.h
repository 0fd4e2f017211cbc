// Comma-separated values as people's tools write them: quotes, CRLF, a byte order mark, stray
// spaces.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fer {

// Takes the fields of a row off `rest`, with its line end. Trimmed; "a ""quoted"", field", which
// may hold blanks at its ends and line breaks, loses its quotes.
std::vector<std::string> take_csv_row(std::string_view& rest);
// The same of one line.
std::vector<std::string> split_csv_line(std::string_view line);

// The column names of a file: its first line, trimmed. Throws kInput when there is none.
std::vector<std::string> read_csv_header(const std::filesystem::path& path);

// Position of `name` in `header`, not minding case.
std::optional<std::size_t> find_column(const std::vector<std::string>& header,
                                       std::string_view name);
// The same; throws kInput naming the file and the columns there are.
std::size_t require_column(const std::vector<std::string>& header, std::string_view name,
                           const std::string& file);

// A small csv as a whole. Rows count from 1 after the header and blank lines are skipped; a row
// whose number of fields differs from the header's throws kInput naming file and row.
struct CsvFile {
  std::string name;  // file name, for messages
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
CsvFile read_csv(const std::filesystem::path& path);

}  // namespace fer
