// Configurations as files and texts: YAML where the build has yaml-cpp, else JSON.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace fer::tools {

// Values by dotted key ("train.lr"), each a list of scalars as they were written.
using Config = std::map<std::string, std::vector<std::string>>;
// A YAML (or JSON) file. Throws kInput naming the file and the line. bare: keys that have no value,
// which are no part of the configuration.
Config read_config(const std::string& path, std::vector<std::string>* bare = nullptr);
bool is_yaml(const std::string& path);  // by its name

Config config_from_json(const std::string& text);  // as Options::effective_json() writes it

// The values of a list in "--set key=a,b", or as YAML has it and --print-config says it:
// [a, "b c"]. where: the key, for the message.
std::vector<std::string> listed(const std::string& text, const std::string& where);
// Text as a value in YAML, in quotes where it needs them. Throws kInput where it is no UTF-8.
std::string yaml_scalar(const std::string& value);

}  // namespace fer::tools
