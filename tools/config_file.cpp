#include "config_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"
#if FER_HAVE_YAML
#include <yaml-cpp/yaml.h>
#endif

namespace fer::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Of keys in keys: far more than any option has, and an alias in YAML can name its own parent.
constexpr int kMaxDepth = 32;

// The values of a key, of which there was none before.
std::vector<std::string>& values_of(const std::string& key, const std::string& file,
                                    Config& config) {
  if (key.empty()) fail_input(file + ": expected keys with values");
  const auto [values, fresh] = config.try_emplace(key);
  if (!fresh) fail_input(file + ": the key '" + key + "' is there twice");
  return values->second;
}

void flatten(const Json& node, const std::string& prefix, const std::string& file, Config& config,
             std::vector<std::string>& bare) {
  const auto scalar = [&](const Json& v) -> std::string {
    if (v.is_string()) return v.get<std::string>();
    if (v.is_primitive() && !v.is_null()) return v.dump();
    fail_input(file + ": " + prefix + ": expected a value or a list of values");
  };
  if (node.is_object()) {
    for (const auto& [key, value] : node.items())
      flatten(value, prefix.empty() ? key : prefix + "." + key, file, config, bare);
  } else if (node.is_array()) {
    std::vector<std::string>& values = values_of(prefix, file, config);
    for (const Json& v : node) values.push_back(scalar(v));
  } else if (node.is_null()) {
    bare.push_back(prefix);
  } else {
    values_of(prefix, file, config) = {scalar(node)};
  }
}

#if FER_HAVE_YAML
void flatten(const YAML::Node& node, const std::string& prefix, const std::string& file,
             Config& config, std::vector<std::string>& bare, int depth = 0) {
  if (depth > kMaxDepth)
    fail_input(format("%s: nested deeper than %d levels", file.c_str(), kMaxDepth));
  if (node.IsMap()) {
    for (const auto& pair : node) {
      const auto key = pair.first.as<std::string>();
      flatten(pair.second, prefix.empty() ? key : prefix + "." + key, file, config, bare,
              depth + 1);
    }
  } else if (node.IsSequence()) {
    std::vector<std::string>& values = values_of(prefix, file, config);
    for (const auto& item : node) {
      if (!item.IsScalar()) {
        fail_input(format("%s line %d: %s: expected a list of values", file.c_str(),
                          item.Mark().line + 1, prefix.c_str()));
      }
      values.push_back(item.Scalar());
    }
  } else if (node.IsScalar()) {
    if (prefix.empty())
      fail_input(file + ": expected keys with values, found '" + node.Scalar() + "'");
    values_of(prefix, file, config) = {node.Scalar()};
  } else {
    bare.push_back(prefix);
  }
}
#endif

}  // namespace

bool is_yaml(const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

Config read_config(const std::string& path, std::vector<std::string>* bare) {
  Config config;
  std::vector<std::string> nothing;
  if (bare == nullptr) bare = &nothing;
  if (!fs::exists(path)) fail_input(path + ": no such file");
  if (is_yaml(path)) {
#if FER_HAVE_YAML
    try {
      const std::vector<YAML::Node> documents = YAML::LoadAll(read_text_file(path));
      if (documents.size() > 1) fail_input(path + ": holds several documents (---), expected one");
      for (const YAML::Node& document : documents) flatten(document, "", path, config, *bare);
    } catch (const YAML::Exception& e) {
      fail_input(format("%s line %d: %s", path.c_str(), e.mark.line + 1, e.msg.c_str()));
    }
    return config;
#else
    fail_input(path + ": this build has no yaml-cpp and reads .json configurations only");
#endif
  }
  flatten(parse_json(read_text_file(path), path, kMaxDepth), "", path, config, *bare);
  return config;
}

Config config_from_json(const std::string& text) { return Json::parse(text).get<Config>(); }

std::vector<std::string> listed(const std::string& text,
                                [[maybe_unused]] const std::string& where) {
#if FER_HAVE_YAML
  if (text.starts_with('[')) {
    try {
      Config config;
      std::vector<std::string> bare;
      flatten(YAML::Load(text), where, "--set", config, bare);
      return config[where];
    } catch (const YAML::Exception&) {
      fail_input("--set: " + where + ": '" + text + "' is no list");
    }
  }
#endif
  return split(text, ',');
}

std::string yaml_scalar(const std::string& value) {
  if (!is_utf8(value))
    fail_input("'" + value + "' is no UTF-8, which a configuration is written in");
  const bool plain = !value.empty() && value.find_first_not_of(
                                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789_./+-") == std::string::npos;
  // These mean something else to YAML.
  static const std::set<std::string> kWords = {"-", "---", "...", "null", "Null", "NULL"};
  return plain && !kWords.contains(value) ? value : Json(value).dump();
}

}  // namespace fer::tools
