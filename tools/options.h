// The one place that knows CLI11, with option_pages.cpp: option structs of the library bound to
// flags and to keys of a configuration file by one table, so that both have the same words, checks
// and messages.
//
// Precedence: default < dataset YAML < --config YAML < --set key=value < flag.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config_file.h"

namespace fer::tools {

class Options {
 public:
  // `purpose` heads the help, `examples` are commands at its end that can be pasted.
  Options(std::string program, std::string purpose, std::string examples);
  ~Options();

  void group(const std::string& title);  // of the options added from here on, in --help
  // flag: "--lr" or "-c,--config". key: "train.lr", or "" when no configuration file sets it.
  void add(const std::string& flag, const std::string& key, std::string* value,
           const std::string& help);
  void add(const std::string& flag, const std::string& key, double* value, const std::string& help);
  void add(const std::string& flag, const std::string& key, float* value, const std::string& help);
  void add(const std::string& flag, const std::string& key, int* value, const std::string& help);
  void add(const std::string& flag, const std::string& key, std::uint64_t* value,
           const std::string& help);
  void add(const std::string& flag, const std::string& key, std::vector<std::string>* value,
           const std::string& help);
  void add(const std::string& flag, const std::string& key, std::vector<int>* value,
           const std::string& help);
  void add(const std::string& flag, const std::string& key, bool* value,
           const std::string& help);  // and --no-flag
  // A number or the word "auto", which stands for 0.
  void add_auto(const std::string& flag, const std::string& key, int* value,
                const std::string& help);
  // A list of at least one, given by repeating the flag.
  void add(const std::string& flag, const std::string& key, std::string* first,
           std::vector<std::string>* rest, const std::string& help);
  // A flag whose value may be left out: `value` is then `implied`.
  void add_optional(const std::string& flag, std::string* value, const std::string& implied,
                    const std::string& help);
  void add_positional(const std::string& name, std::vector<std::string>* value,
                      const std::string& help);
  // --config, --set and --print-config.
  void add_config_options();

  // A configuration may hold this key for other programs; here it says nothing.
  void ignore(const std::string& key);

  // A value of `key` that names a YAML stands for that file's keys under `prefix`; its own `key` is
  // what counts then, relative to the file. Of a list the first is expanded.
  void expand_yaml(const std::string& key, const std::string& prefix);

  // Parses the command line and applies every layer in order. Throws Help for --help, --version,
  // --print-config and, for packages, --man-page and --bash-completion, and fer::Error kInput,
  // naming flag or key and value, for anything wrong.
  void parse(int argc, char** argv);
  // The same from a stored configuration instead of a command line (resume).
  void apply(const Config& config, const std::string& source);

  bool given(const std::string& flag) const;  // on the command line
  std::vector<std::string> given() const;     // all of them, --config and --set too, in its order
  std::string effective_yaml() const;         // every key with its value
  std::string config_json() const;            // the same for builds without YAML
  std::string effective_json() const;         // as stored: {"train.lr": ["0.1"], ...}

  struct Help {
    std::string text;  // for stdout
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fer::tools
