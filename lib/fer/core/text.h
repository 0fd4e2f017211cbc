// Small helpers for messages and tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fer {

// printf into a string, in the C locale: it writes data, too.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);  // keeps empty fields
std::string trim(std::string_view text);
std::string to_lower(std::string_view text);
std::string replace_all(std::string text, std::string_view from, std::string_view to);

// Text for a terminal: control characters become '?'. Widths are in code points of UTF-8, of which
// a stray byte is one.
std::string printable(std::string text);
std::size_t text_width(std::string_view text);
std::string cut_text(std::string_view text, std::size_t width);  // its beginning
std::string padded_text(std::string text, std::size_t width);    // printable, blanks behind it

bool is_utf8(std::string_view text);  // RFC 3629

// A field of a CSV line, in quotes where it holds a comma, a quote or a line break (RFC 4180).
std::string csv_field(const std::string& text);
// Text as it may stand in HTML, in a quoted attribute too.
std::string html_escape(std::string text);
std::string base64(std::span<const std::uint8_t> bytes);  // RFC 4648, padded

// The candidate with the least Damerau-Levenshtein distance, or "" when none is near enough to be a
// plausible typing error (distance at most max(2, a third of the length)).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);
// ", did you mean 'x'?" or "" - for the end of an error message.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

std::string human_count(double n);           // 1.26 M, 12.3 k
std::string with_thousands(std::int64_t n);  // 1,257,000
std::string human_duration(double seconds);  // 59s, 3m05s, 2h07m

// strtod and strtoll that take the whole text or fail, in the C locale.
bool parse_double(std::string_view text, double& value);
bool parse_int(std::string_view text, long long& value);

}  // namespace fer
