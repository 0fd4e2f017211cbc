#include "fer/model/architectures.h"

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

struct Architecture {
  const char* name;
  int input_size;
  Graph (*make)(const ArchitectureOptions&);
  // Which options it has.
  bool blocks, dense, squeeze_excitation;
};

constexpr Architecture kArchitectures[] = {
    {"cnn", 48, make_cnn, true, true, false},
    {"cnn-large", 40, make_cnn_large, false, true, false},
    {"compact", 44, make_compact, true, false, true},
};

const Architecture& architecture(const std::string& name) {
  for (const Architecture& candidate : kArchitectures) {
    if (name == candidate.name) return candidate;
  }
  const auto names = architecture_names();
  fail_input("unknown architecture '" + name + "'" + did_you_mean(name, names) + " (there are " +
             join(names, ", ") + ")");
}

}  // namespace

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& candidate : kArchitectures) names.emplace_back(candidate.name);
  return names;
}

int default_input_size(const std::string& name) { return architecture(name).input_size; }

Graph make_architecture(const ArchitectureOptions& options) {
  const Architecture& chosen = architecture(options.name);
  const auto refuse_unless = [&](bool has, bool given, const char* option) {
    if (given && !has) fail_input(options.name + " has no option " + option);
  };
  refuse_unless(chosen.blocks, options.blocks != 0, "blocks");
  refuse_unless(chosen.dense, options.dense_given, "dense");
  refuse_unless(chosen.squeeze_excitation, options.squeeze_excitation, "squeeze_excitation");
  if (options.blocks < 0) {
    fail_input(options.name + ": blocks " + std::to_string(options.blocks) + " is negative");
  }
  return chosen.make(options);
}

}  // namespace fer
