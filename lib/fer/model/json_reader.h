// Strict reading of JSON that may be hostile: every key is asked for, none is left over, no number
// is out of range.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fer {

// Throws kInput, beginning with `place`, on broken JSON, a key that stands twice in an object,
// nesting deeper than `max_depth` and more than 2,000,000 values (so that memory stays in
// proportion).
nlohmann::json parse_json(std::string_view text, const std::string& place, int max_depth);

// One JSON object. Each call takes a key and throws kInput naming place and key when it is missing,
// of another type or out of range. Call finish() at the end: it throws on keys that nobody asked
// for. The JSON must outlive the reader.
class JsonReader {
 public:
  JsonReader(const nlohmann::json& value, std::string place);

  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high);
  std::vector<std::int64_t> integers(const std::string& key, std::int64_t low, std::int64_t high);
  float number(const std::string& key);
  std::vector<float> numbers(const std::string& key);
  bool boolean(const std::string& key);
  std::string text(const std::string& key);
  std::vector<std::string> texts(const std::string& key);
  const nlohmann::json& array(const std::string& key);
  const nlohmann::json& object(const std::string& key);
  bool has(const std::string& key) const;  // for keys that older files lack
  void finish() const;

  const std::string& place() const { return place_; }

 private:
  const nlohmann::json& take(const std::string& key);
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const;

  const nlohmann::json& json_;
  std::string place_;
  std::set<std::string> taken_;
};

// A text of unknown origin for an error message: in double quotes, escaped, cut when long.
std::string quote(std::string_view text);

// The double with the shortest decimal form that reads back as this float: 1e-05,
// not 9.99999974e-06.
double shortest_decimal(float value);

}  // namespace fer
