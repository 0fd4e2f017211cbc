#include "config_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

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

void flatten(const Json& node, const std::string& prefix, const std::string& file, Config& config) {
  const auto scalar = [&](const Json& v) -> std::string {
    if (v.is_string()) return v.get<std::string>();
    if (v.is_primitive() && !v.is_null()) return v.dump();
    fail_input(file + ": " + prefix + ": expected a value or a list of values");
  };
  if (node.is_object()) {
    for (const auto& [key, value] : node.items())
      flatten(value, prefix.empty() ? key : prefix + "." + key, file, config);
  } else if (node.is_array()) {
    std::vector<std::string>& values = config[prefix];
    for (const Json& v : node) values.push_back(scalar(v));
  } else if (!node.is_null()) {
    config[prefix] = {scalar(node)};
  }
}

#if FER_HAVE_YAML
void flatten(const YAML::Node& node, const std::string& prefix, const std::string& file,
             Config& config, int depth = 0) {
  if (depth > kMaxDepth)
    fail_input(format("%s: nested deeper than %d levels", file.c_str(), kMaxDepth));
  if (node.IsMap()) {
    for (const auto& pair : node) {
      const auto key = pair.first.as<std::string>();
      flatten(pair.second, prefix.empty() ? key : prefix + "." + key, file, config, depth + 1);
    }
  } else if (node.IsSequence()) {
    std::vector<std::string>& values = config[prefix];
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
    config[prefix] = {node.Scalar()};
  }
}
#endif

}  // namespace

bool is_yaml(const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

Config read_config(const std::string& path) {
  Config config;
  if (!fs::exists(path)) fail_input(path + ": no such file");
  if (is_yaml(path)) {
#if FER_HAVE_YAML
    try {
      flatten(YAML::LoadFile(path), "", path, config);
    } catch (const YAML::Exception& e) {
      fail_input(format("%s line %d: %s", path.c_str(), e.mark.line + 1, e.msg.c_str()));
    }
    return config;
#else
    fail_input(path + ": this build has no yaml-cpp and reads .json configurations only");
#endif
  }
  flatten(parse_json(read_text_file(path), path, kMaxDepth), "", path, config);
  return config;
}

Config config_from_json(const std::string& text) { return Json::parse(text).get<Config>(); }

std::vector<std::string> listed(const std::string& text,
                                [[maybe_unused]] const std::string& where) {
#if FER_HAVE_YAML
  if (text.starts_with('[')) {
    try {
      Config config;
      flatten(YAML::Load(text), where, "--set", config);
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
  return plain ? value : Json(value).dump();
}

}  // namespace fer::tools
