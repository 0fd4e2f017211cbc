#include "fer/model/architectures.h"

#include <algorithm>
#include <functional>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

struct Architecture {
  const char* name;
  int input_size;
  Graph (*make)(const ArchitectureOptions&);
  int channels;  // own, when none are asked for
  // Which options it has.
  bool blocks = false, dense = false, squeeze_excitation = false, variant = false;
};

constexpr Architecture kArchitectures[] = {
    {"cnn", 48, make_cnn, 1, /*blocks=*/true, /*dense=*/true},
    {"cnn-large", 40, make_cnn_large, 1, false, /*dense=*/true},
    {"compact", 44, make_compact, 1, /*blocks=*/true, false, /*squeeze_excitation=*/true},
    {"vgg16", 48, make_vgg16, 3, false, /*dense=*/true},
    {"vgg16_bn", 48, make_vgg16_bn, 3, false, /*dense=*/true},
    {"resnet50v2", 48, make_resnet50v2, 3, false, false, false, /*variant=*/true},
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

Scaling default_scaling(const std::string& name) {
  architecture(name);
  if (name.starts_with("vgg16")) {
    return {1.0f / 255.0f, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  }
  if (name == "resnet50v2") return {1.0f / 255.0f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
  return {};
}

void set_scaling(ModelSpec& spec, const Scaling& scaling, int channels) {
  spec.scale = scaling.scale;
  spec.mean = scaling.mean;
  spec.std = scaling.std;
  spec.colour = "gray3";
  if (channels != 1) return;
  const auto average = [](const std::vector<float>& v) { return (v[0] + v[1] + v[2]) / 3; };
  spec.mean = {average(scaling.mean)};
  spec.std = {average(scaling.std)};
  spec.colour = "gray";
}

Graph make_architecture(const ArchitectureOptions& options) {
  const Architecture& chosen = architecture(options.name);
  const auto refuse_unless = [&](bool has, bool given, const char* option) {
    if (given && !has) fail_input(options.name + " has no option " + option);
  };
  refuse_unless(chosen.blocks, std::ranges::any_of(options.blocks, std::identity{}), "blocks");
  refuse_unless(chosen.dense, options.dense_given, "dense");
  refuse_unless(chosen.squeeze_excitation, options.squeeze_excitation, "squeeze_excitation");
  refuse_unless(chosen.variant, !options.variant.empty(), "variant");
  for (const int blocks : options.blocks) {
    if (blocks < 0)
      fail_input(options.name + ": blocks " + std::to_string(blocks) + " is negative");
  }
  ArchitectureOptions complete = options;
  if (complete.channels == 0) complete.channels = chosen.channels;
  return chosen.make(complete);
}

}  // namespace fer
