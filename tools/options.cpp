#include "options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "option_pages.h"

namespace fer::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Values = std::vector<std::string>;

struct Layer {
  std::string source;  // "configs/compact.yaml", "--set", "command line"
  Config values;
};

struct Entry {
  std::string flag;  // the long one
  std::string key;
  bool list = false;
  // Takes the values or throws kInput; `where` names flag or key.
  std::function<void(const Values&, const std::string& where)> set;
  std::function<Values()> get;
  bool yes_or_no = false;
};

std::string long_flag(const std::string& flag) {
  const auto names = split(flag, ',');
  return names.back();
}

template <class T>
T parse_number(const std::string& text, const std::string& where) {
  if constexpr (std::is_floating_point_v<T>) {
    double value = 0;
    if (!parse_double(text, value)) fail_input(where + ": '" + text + "' is not a number");
    return static_cast<T>(value);
  } else {
    long long value = 0;
    const bool fits =
        parse_int(text, value) && (std::is_signed_v<T> || value >= 0) &&
        (sizeof(T) == sizeof(value) || value == static_cast<long long>(static_cast<T>(value)));
    if (!fits)
      fail_input(where + ": '" + text + "' is not a whole number" +
                 (std::is_signed_v<T> ? "" : " from 0 on"));
    return static_cast<T>(value);
  }
}

bool parse_bool(const std::string& text, const std::string& where) {
  const std::string lower = to_lower(text);
  if (lower == "true" || lower == "yes" || lower == "on" || lower == "1") return true;
  if (lower == "false" || lower == "no" || lower == "off" || lower == "0") return false;
  fail_input(where + ": '" + text + "' is neither true nor false");
}

template <class T>
std::string show(const T& value) {
  if constexpr (std::is_floating_point_v<T>) {
    // The shortest text that reads back as the same number; YAML 1.1 knows no number 5e-04.
    const T size = std::abs(value);
    const bool plain = value == 0 || (size >= T{1e-6} && size < T{1e9});
    std::array<char, 64> text;
    const auto end = plain ? std::to_chars(text.data(), text.data() + text.size(), value,
                                           std::chars_format::fixed)
                           : std::to_chars(text.data(), text.data() + text.size(), value);
    return {text.data(), end.ptr};
  } else {
    return std::to_string(value);
  }
}

// Of a list as it was given: "--set key=" empties it.
Values items(const Values& values) { return values == Values{""} ? Values{} : values; }

}  // namespace

struct Options::Impl {
  CLI::App app;
  std::string program;
  std::string current_group;
  std::vector<Entry> entries;
  std::map<std::string, Values> raw;  // by long flag, from the command line
  std::map<std::string, CLI::Option*> cli;
  std::vector<std::string> config_files, assignments;
  bool with_config = false;
  std::string print_config;  // yaml, json
  bool man_page = false, bash_completion = false;
  std::string purpose, examples;
  std::string expand_key, expand_prefix;
  std::set<std::string> ignored;

  void add(const std::string& flag, const std::string& help, Entry entry) {
    entry.flag = long_flag(flag);
    Values& holder = raw[entry.flag];
    auto* option = app.add_option(flag, holder, help);
    if (entry.list) {
      option->expected(1, CLI::detail::expected_max_vector_size);
    } else {
      option->expected(1)->take_last()->allow_extra_args(false);  // positionals may follow
    }
    const Values defaults = entry.get();
    const std::string shown = join(defaults, " ");
    if (!shown.empty()) option->default_str(shown);
    option->type_name(entry.list ? "..." : "")->group(current_group);
    cli[entry.flag] = option;
    entries.push_back(std::move(entry));
  }

  // By key, or by flag.
  std::vector<Entry>::const_iterator find(const std::string& key) const {
    if (key.empty()) return entries.end();  // as what has no key is listed
    return std::ranges::find(entries, key, key.starts_with("--") ? &Entry::flag : &Entry::key);
  }

  std::vector<Entry>::const_iterator known(const std::string& key,
                                           const std::string& source) const {
    const auto entry = find(key);
    if (entry != entries.end()) return entry;
    std::vector<std::string> keys;
    for (const Entry& e : entries) {
      if (!e.key.empty()) keys.push_back(e.key);
    }
    fail_input(source + ": unknown key '" + key + "'" + did_you_mean(key, keys));
  }

  // A file's configuration. A key without a value changes nothing, but it must be one, or the
  // beginning of some.
  Config read(const std::string& path, const std::string& prefix = "") const {
    std::vector<std::string> bare;
    Config config = read_config(path, &bare);
    for (const std::string& name : bare) {
      const std::string key = prefix + name;
      const auto begins = [&](const Entry& e) { return e.key.starts_with(key + "."); };
      if (name.empty() || ignored.contains(key) || std::ranges::any_of(entries, begins)) continue;
      known(key, path);
    }
    return config;
  }

  void apply(const Layer& layer) {
    for (const auto& [key, values] : layer.values) {
      if (ignored.contains(key)) continue;
      const auto entry = known(key, layer.source);
      const std::string where = key.starts_with("--") ? key : layer.source + ": " + key;
      if (!entry->list && values.size() != 1) {
        fail_input(where + format(": expected one value, found %zu", values.size()));
      }
      entry->set(values, where);
    }
  }

  // See expand_yaml() in the header.
  void expand(std::vector<Layer>& layers) {
    if (expand_key.empty()) return;
    const auto entry = find(expand_key);
    Values paths = entry->get();
    for (const Layer& layer : layers) {
      for (const auto& key : {expand_key, entry->flag}) {
        if (const auto found = layer.values.find(key); found != layer.values.end())
          paths = found->second;
      }
    }
    const std::string path = paths.empty() ? "" : paths[0];
    if (!is_yaml(path)) return;
    Layer dataset{path, {}};
    const fs::path folder = fs::path(path).parent_path();
    for (const auto& [key, values] : read(path, expand_prefix)) {
      Values copy = values;
      // Paths in the file are relative to it.
      if ((key == "path" || key == "votes") && copy.size() == 1 &&
          fs::path(copy[0]).is_relative() && copy[0] != "synthetic" &&
          !copy[0].starts_with("synthetic:")) {
        copy[0] = (folder / copy[0]).lexically_normal().string();
      }
      dataset.values[expand_prefix + key] = copy;
    }
    if (!dataset.values.contains(expand_key)) fail_input(path + ": the key 'path' is missing");
    Values& expanded = dataset.values[expand_key];
    expanded.insert(expanded.end(), paths.begin() + 1, paths.end());
    for (Layer& layer : layers) {
      layer.values.erase(expand_key);
      layer.values.erase(entry->flag);
    }
    layers.insert(layers.begin(), std::move(dataset));
  }
};

Options::Options(std::string program, std::string purpose, std::string examples)
    : impl_(std::make_unique<Impl>()) {
  impl_->program = program;
  impl_->app.name(std::move(program));
  impl_->app.description(purpose);
  impl_->app.footer("\nExamples:\n" + examples);
  impl_->purpose = std::move(purpose);
  impl_->examples = std::move(examples);
  constexpr const char* kHidden = "";
  impl_->app.add_flag("--man-page", impl_->man_page)->group(kHidden);
  impl_->app.add_flag("--bash-completion", impl_->bash_completion)->group(kHidden);
  impl_->app.allow_extras();
  impl_->app.set_version_flag("--version", std::string(version()) + " (" + commit() + ")");
  impl_->app.get_formatter()->column_width(34);
}

Options::~Options() = default;

void Options::group(const std::string& title) { impl_->current_group = title; }

void Options::add(const std::string& flag, const std::string& key, std::string* value,
                  const std::string& help) {
  impl_->add(flag, help,
             {"", key, false, [value](const Values& v, const std::string&) { *value = v[0]; },
              [value] { return Values{*value}; }});
}

void Options::add(const std::string& flag, const std::string& key, std::vector<std::string>* value,
                  const std::string& help) {
  impl_->add(flag, help,
             {"", key, true, [value](const Values& v, const std::string&) { *value = items(v); },
              [value] { return *value; }});
}

namespace {
template <class T>
Entry number_entry(const std::string& key, T* value) {
  return {
      "", key, false,
      [value](const Values& v, const std::string& where) { *value = parse_number<T>(v[0], where); },
      [value] { return Values{show(*value)}; }};
}
}  // namespace

void Options::add(const std::string& flag, const std::string& key, double* value,
                  const std::string& help) {
  impl_->add(flag, help, number_entry(key, value));
}
void Options::add(const std::string& flag, const std::string& key, float* value,
                  const std::string& help) {
  impl_->add(flag, help, number_entry(key, value));
}
void Options::add(const std::string& flag, const std::string& key, int* value,
                  const std::string& help) {
  impl_->add(flag, help, number_entry(key, value));
}
void Options::add(const std::string& flag, const std::string& key, std::uint64_t* value,
                  const std::string& help) {
  impl_->add(flag, help, number_entry(key, value));
}

void Options::add_auto(const std::string& flag, const std::string& key, int* value,
                       const std::string& help) {
  impl_->add(flag, help,
             {"", key, false,
              [value](const Values& v, const std::string& where) {
                *value = v[0] == "auto" ? 0 : parse_number<int>(v[0], where);
              },
              [value] { return Values{*value == 0 ? "auto" : show(*value)}; }});
}

void Options::add(const std::string& flag, const std::string& key, std::string* first,
                  std::vector<std::string>* rest, const std::string& help) {
  impl_->add(flag, help,
             {"", key, true,
              [first, rest](const Values& v, const std::string& where) {
                if (v.empty()) fail_input(where + ": expected at least one value");
                *first = v[0];
                rest->assign(v.begin() + 1, v.end());
              },
              [first, rest] {
                Values all = {*first};
                all.insert(all.end(), rest->begin(), rest->end());
                return all;
              }});
  impl_->cli[long_flag(flag)]->expected(1)->take_all()->allow_extra_args(false)->type_name("");
}

void Options::add(const std::string& flag, const std::string& key, std::vector<int>* value,
                  const std::string& help) {
  impl_->add(flag, help,
             {"", key, true,
              [value](const Values& v, const std::string& where) {
                value->clear();
                for (const auto& text : items(v)) value->push_back(parse_number<int>(text, where));
              },
              [value] {
                Values shown;
                for (const int n : *value) shown.push_back(show(n));
                return shown;
              }});
}

void Options::add(const std::string& flag, const std::string& key, bool* value,
                  const std::string& help) {
  Entry entry{
      long_flag(flag),
      key,
      false,
      [value](const Values& v, const std::string& where) { *value = parse_bool(v[0], where); },
      [value] { return Values{*value ? "true" : "false"}; },
      true};
  Values& holder = impl_->raw[entry.flag];
  const std::string negated = "!--no-" + entry.flag.substr(2);
  impl_->cli[entry.flag] =
      impl_->app.add_flag(flag + "," + negated, holder, help)->group(impl_->current_group);
  impl_->entries.push_back(std::move(entry));
}

void Options::add_optional(const std::string& flag, std::string* value, const std::string& implied,
                           const std::string& help) {
  Entry entry{long_flag(flag), "", false,
              [value, implied](const Values& v, const std::string&) {
                *value = v.empty() || v[0].empty() ? implied : v[0];
              },
              [value] { return Values{*value}; }};
  impl_->cli[entry.flag] = impl_->app.add_option(flag, impl_->raw[entry.flag], help)
                               ->expected(0, 1)
                               ->type_name("")
                               ->group(impl_->current_group);
  impl_->entries.push_back(std::move(entry));
}

void Options::add_positional(const std::string& name, std::vector<std::string>* value,
                             const std::string& help) {
  impl_->app.add_option(name, *value, help)->type_name("");
}

void Options::add_config_options() {
  group("Configuration");
  impl_->with_config = true;
  impl_->app.add_option("-c,--config", impl_->config_files, "YAML file of options; later ones win")
      ->type_name("FILE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)  // positionals may follow
      ->group(impl_->current_group);
  impl_->app
      .add_option("--set", impl_->assignments,
                  "key=value for any key of the YAML, e.g. train.lr=1e-3")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)
      ->group(impl_->current_group);
  impl_->app
      .add_flag("--print-config{yaml}", impl_->print_config,
                "[=json] print the effective configuration as YAML, or as JSON, and end")
      ->group(impl_->current_group);
}

void Options::ignore(const std::string& key) { impl_->ignored.insert(key); }

void Options::expand_yaml(const std::string& key, const std::string& prefix) {
  impl_->expand_key = key;
  impl_->expand_prefix = prefix;
}

void Options::parse(int argc, char** argv) {
  try {
    impl_->app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    throw Help{impl_->app.help()};
  } catch (const CLI::CallForVersion& e) {
    throw Help{impl_->program + " " + e.what() + "\n"};
  } catch (const CLI::ArgumentMismatch& e) {
    const std::string text = e.what();
    fail_input(text.substr(0, text.find(':')) + ": a value is missing");
  } catch (const CLI::ParseError& e) {
    fail_input(e.what());
  }
  if (impl_->man_page) throw Help{man_page(impl_->app, impl_->purpose, impl_->examples)};
  if (impl_->bash_completion) throw Help{bash_completion(impl_->app)};
  for (const std::string& extra : impl_->app.remaining()) {
    if (!extra.starts_with("-")) fail_input("unexpected argument '" + extra + "'");
    std::vector<std::string> flags = {"--help", "--version"};
    if (impl_->with_config) flags.insert(flags.end(), {"--config", "--set", "--print-config"});
    for (const Entry& e : impl_->entries) flags.push_back(e.flag);
    const std::string name = extra.substr(0, extra.find('='));
    fail_input("unknown flag " + name + did_you_mean(name, flags));
  }
  std::vector<Layer> layers;
  for (const std::string& file : impl_->config_files) layers.push_back({file, impl_->read(file)});
  Layer assigned{"--set", {}};
  for (const std::string& text : impl_->assignments) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) fail_input("--set '" + text + "': expected key=value");
    const std::string key = text.substr(0, equals), value = text.substr(equals + 1);
    const auto entry = impl_->find(key);
    const bool list = entry != impl_->entries.end() && entry->list;
    assigned.values[key] = list ? listed(value, key) : Values{value};
  }
  layers.push_back(std::move(assigned));
  Layer flags{"command line", {}};
  for (const Entry& entry : impl_->entries) {
    if (!given(entry.flag)) continue;
    Values& all = flags.values[entry.flag];
    all = impl_->raw[entry.flag];
    if (entry.yes_or_no) all = {all.back()};  // the last one counts, as of every option
    // An optional value that was left out is none, but it was given.
    if (all.empty()) all = {""};
  }
  layers.push_back(std::move(flags));
  impl_->expand(layers);
  for (const Layer& layer : layers) impl_->apply(layer);
  const std::string& print = impl_->print_config;
  if (print == "yaml") throw Help{effective_yaml()};
  if (print == "json") throw Help{config_json()};
  if (!print.empty()) fail_input("--print-config " + print + ": expected yaml or json");
}

void Options::apply(const Config& config, const std::string& source) {
  impl_->apply({source, config});
}

bool Options::given(const std::string& flag) const {
  const auto found = impl_->cli.find(flag);
  return found != impl_->cli.end() && found->second->count() > 0;
}

std::vector<std::string> Options::given() const {
  std::vector<std::string> flags;
  for (const CLI::Option* option : impl_->app.parse_order()) {
    if (!option->get_lnames().empty()) flags.push_back("--" + option->get_lnames().front());
  }
  return flags;
}

std::string Options::effective_yaml() const {
  std::string text, section;
  std::map<std::string, std::string> lines;  // sections together, keys in alphabetical order
  for (const Entry& e : impl_->entries) {
    if (e.key.empty()) continue;
    Values values = e.get();
    for (std::string& v : values) v = yaml_scalar(v);
    lines[e.key] = e.list ? "[" + join(values, ", ") + "]" : values[0];
  }
  for (const auto& [key, value] : lines) {
    const auto dot = key.find('.');
    const std::string head = dot == std::string::npos ? "" : key.substr(0, dot);
    if (head != section && !head.empty()) text += head + ":\n";
    section = head;
    text += (head.empty() ? key : "  " + key.substr(dot + 1)) + ": " + value + "\n";
  }
  return text;
}

std::string Options::config_json() const {
  Json config;
  for (const Entry& e : impl_->entries) {
    if (e.key.empty()) continue;
    Json values = Json::array();
    for (const std::string& text : e.get()) {
      const Json value = Json::parse(text, nullptr, false);
      const bool plain = value.is_number() || value.is_boolean();
      values.push_back(plain && value.dump() == text ? value : Json(text));
    }
    config[Json::json_pointer("/" + replace_all(e.key, ".", "/"))] = e.list ? values : values[0];
  }
  return config.dump(2) + "\n";
}

std::string Options::effective_json() const {
  Config config;
  for (const Entry& e : impl_->entries) {
    if (!e.key.empty()) config[e.key] = e.get();
  }
  return Json(config).dump();
}

}  // namespace fer::tools
