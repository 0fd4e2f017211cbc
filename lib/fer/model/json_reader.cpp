#include "fer/model/json_reader.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "fer/core/error.h"

namespace fer {

using nlohmann::json;

namespace {

std::string dump(const json& value) {
  constexpr std::size_t kLongest = 60;
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

bool is_integer(const json& value, std::int64_t low, std::int64_t high) {
  if (!value.is_number_integer()) return false;
  // Beyond 2^63 a JSON integer is unsigned and would wrap.
  if (value.is_number_unsigned() && !std::in_range<std::int64_t>(value.get<std::uint64_t>())) {
    return false;
  }
  return value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high;
}

bool is_finite(const json& value) { return value.is_number() && std::isfinite(value.get<float>()); }

std::string range(std::int64_t low, std::int64_t high) {
  return "from " + std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

json parse_json(std::string_view text, const std::string& place, int max_depth) {
  constexpr int kMaxValues = 2'000'000;
  int values = 0;
  std::vector<std::set<std::string>> open_objects;
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > max_depth) {
      fail_input(place + ": nested deeper than " + std::to_string(max_depth) + " levels");
    }
    if (++values > kMaxValues) {
      fail_input(place + ": more than " + std::to_string(kMaxValues) + " values");
    }
    if (event == json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open_objects.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) {
        fail_input(place + ": key " + quote(key) + " stands twice");
      }
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& error) {
    fail_input(place + ": broken JSON at byte " + std::to_string(error.byte));
  } catch (const json::exception&) {
    fail_input(place + ": a number that cannot be represented");
  }
}

JsonReader::JsonReader(const json& value, std::string place)
    : json_(value), place_(std::move(place)) {
  if (!json_.is_object()) fail_input(place_ + ": expected an object, got " + json_.type_name());
}

const json& JsonReader::take(const std::string& key) {
  const auto found = json_.find(key);
  if (found == json_.end()) fail_input(place_ + ": '" + key + "' is missing");
  taken_.insert(key);
  return *found;
}

void JsonReader::refuse(const std::string& key, const std::string& wanted) const {
  const json& value = json_.at(key);
  const std::string got = value.is_structured() ? value.type_name() : dump(value);
  fail_input(place_ + ": '" + key + "' must be " + wanted + ", got " + got);
}

std::int64_t JsonReader::integer(const std::string& key, std::int64_t low, std::int64_t high) {
  const json& value = take(key);
  if (!is_integer(value, low, high)) refuse(key, "a whole number " + range(low, high));
  return value.get<std::int64_t>();
}

std::vector<std::int64_t> JsonReader::integers(const std::string& key, std::int64_t low,
                                               std::int64_t high) {
  std::vector<std::int64_t> values;
  for (const json& value : array(key)) {
    if (!is_integer(value, low, high)) refuse(key, "a list of whole numbers " + range(low, high));
    values.push_back(value.get<std::int64_t>());
  }
  return values;
}

float JsonReader::number(const std::string& key) {
  const json& value = take(key);
  if (!is_finite(value)) refuse(key, "a finite number");
  return value.get<float>();
}

std::vector<float> JsonReader::numbers(const std::string& key) {
  std::vector<float> values;
  for (const json& value : array(key)) {
    if (!is_finite(value)) refuse(key, "a list of finite numbers");
    values.push_back(value.get<float>());
  }
  return values;
}

bool JsonReader::boolean(const std::string& key) {
  const json& value = take(key);
  if (!value.is_boolean()) refuse(key, "true or false");
  return value.get<bool>();
}

std::string JsonReader::text(const std::string& key) {
  const json& value = take(key);
  if (!value.is_string()) refuse(key, "a text");
  return value.get<std::string>();
}

std::vector<std::string> JsonReader::texts(const std::string& key) {
  std::vector<std::string> values;
  for (const json& value : array(key)) {
    if (!value.is_string()) refuse(key, "a list of texts");
    values.push_back(value.get<std::string>());
  }
  return values;
}

const json& JsonReader::array(const std::string& key) {
  const json& value = take(key);
  if (!value.is_array()) refuse(key, "a list");
  return value;
}

const json& JsonReader::object(const std::string& key) {
  const json& value = take(key);
  if (!value.is_object()) refuse(key, "an object");
  return value;
}

bool JsonReader::has(const std::string& key) const { return json_.contains(key); }

void JsonReader::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (!taken_.contains(key)) fail_input(place_ + ": unknown key " + quote(key));
  }
}

std::string quote(std::string_view text) { return dump(json(text)); }

double shortest_decimal(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double result = 0;
  std::from_chars(text, end, result);
  return result;
}

}  // namespace fer
