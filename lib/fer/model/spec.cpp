#include "fer/model/spec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"

namespace fer {

using nlohmann::json;

namespace {

constexpr int kMaxSide = 1 << 13;

void check_range(const std::string& name, float value, float low, float high) {
  if (!(value >= low && value <= high)) {
    fail_input(format("spec: %s %g is not between %g and %g", name.c_str(), value, low, high));
  }
}

// Names and labels stand in tables, file names, pages and JSON.
void check_word(const std::string& what, const std::string& text) {
  constexpr std::size_t kLongest = 200;
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; };
  if (text.empty() || text.size() > kLongest || std::ranges::any_of(text, control)) {
    fail_input("spec: " + what + " " + quote(text) + " is empty, long or has control characters");
  }
  if (!is_utf8(text)) fail_input("spec: " + what + " " + quote(text) + " is no UTF-8");
}

void check_labels(const std::string& head, const LabelList& labels) {
  if (labels.empty()) fail_input("spec: head '" + head + "' has no labels");
  std::set<std::string> seen;
  for (const std::string& label : labels) {
    check_word("label", label);
    if (!seen.insert(label).second) {
      fail_input("spec: head '" + head + "' has label '" + label + "' twice");
    }
  }
}

void check_mixed_head(const ModelSpec& spec, const MixedHeadSpec& mixed) {
  check_range("temperature of " + mixed.name, mixed.temperature, 1e-3f, 1e3f);
  check_range("uncertain_below of " + mixed.name, mixed.uncertain_below, 0, 1);
  if (mixed.parts.empty()) fail_input("spec: mixed head '" + mixed.name + "' has no parts");
  std::set<std::string> parts;
  for (const auto& [part, weight] : mixed.parts) {
    check_word("head", part);
    const LabelList& list = spec.head(part).labels;
    if (!parts.insert(part).second) {
      fail_input("spec: mixed head '" + mixed.name + "' has the part '" + part + "' twice");
    }
    const std::set<std::string> labels(list.begin(), list.end());
    check_range("weight of " + part, weight, 1e-6f, 1e6f);
    for (const std::string& label : mixed.labels) {
      if (!labels.contains(label)) {
        fail_input("spec: mixed head '" + mixed.name + "' has label '" + label + "', its part '" +
                   part + "' has not");
      }
    }
  }
}

[[noreturn]] void fail_unknown_head(const std::string& name,
                                    const std::vector<std::string>& names) {
  fail_input("unknown head '" + name + "'" + did_you_mean(name, names) + " (there are " +
             join(names, ", ") + ")");
}

template <class Head>
const Head* find_head(const std::vector<Head>& heads, const std::string& name) {
  const auto found = std::ranges::find(heads, name, &Head::name);
  return found == heads.end() ? nullptr : &*found;
}

// Everything that does not need the graph.
void check_consistency(const ModelSpec& spec) {
  check_range("input_size", static_cast<float>(spec.input_size), 1, kMaxSide);
  check_range("resize", static_cast<float>(spec.resize), static_cast<float>(spec.input_size),
              kMaxSide);
  constexpr std::array kColours = {"gray", "gray3", "rgb", "bgr"};
  if (std::ranges::find(kColours, spec.colour) == kColours.end()) {
    fail_input("spec: colour " + quote(spec.colour) + " is not gray, gray3, rgb or bgr");
  }
  check_range("scale", spec.scale, 1e-6f, 1e6f);
  const auto channels = static_cast<std::size_t>(spec.channels());
  if (spec.mean.size() != channels || spec.std.size() != channels) {
    fail_input(format("spec: %zu means and %zu deviations for %zu channels", spec.mean.size(),
                      spec.std.size(), channels));
  }
  for (const float mean : spec.mean) check_range("mean", mean, -1e6f, 1e6f);
  for (const float deviation : spec.std) check_range("std", deviation, 1e-6f, 1e6f);
  check_range("crop_margin", spec.crop_margin, -0.5f, 10);

  if (spec.heads.empty()) fail_input("spec: no heads");
  const auto names = head_names(spec);
  std::set<std::string> seen;
  for (const std::string& name : names) {
    check_word("head", name);
    if (!seen.insert(name).second) fail_input("spec: head '" + name + "' stands twice");
  }
  if (!seen.contains(spec.default_head)) {
    check_word("default_head", spec.default_head);
    fail_unknown_head(spec.default_head, names);
  }
  for (const HeadSpec& head : spec.heads) {
    check_labels(head.name, head.labels);
    check_range("temperature of " + head.name, head.temperature, 1e-3f, 1e3f);
    check_range("uncertain_below of " + head.name, head.uncertain_below, 0, 1);
  }
  for (const MixedHeadSpec& mixed : spec.mixed_heads) {
    check_labels(mixed.name, mixed.labels);
    check_mixed_head(spec, mixed);
  }
}

std::vector<double> decimals(const std::vector<float>& values) {
  std::vector<double> result;
  for (const float value : values) result.push_back(shortest_decimal(value));
  return result;
}

// Crop of the right size and colour, before scaling.
Image prepared(const ModelSpec& spec, const Image& crop) {
  if (crop.empty()) fail_input("an empty picture instead of a face");
  const Image coloured = spec.colour.starts_with("gray") ? to_gray(crop) : to_rgb(crop);
  return resize(coloured, spec.resize, spec.resize);
}

std::vector<float> mixed_probabilities(const ModelSpec& spec, const MixedHeadSpec& mixed,
                                       const Probabilities& heads) {
  std::vector<double> sums(mixed.labels.size());
  for (const auto& [part, weight] : mixed.parts) {
    const LabelList& labels = spec.head(part).labels;
    const std::vector<float>& probabilities = heads.at(part);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const auto index = std::ranges::find(labels, mixed.labels[i]) - labels.begin();
      sums[i] += double{weight} * probabilities[index];
    }
  }
  const double largest = *std::ranges::max_element(sums);
  // Nothing for any of these labels, when the parts are certain of others: no preference.
  if (largest <= 0) return std::vector<float>(sums.size(), 1.0f / static_cast<float>(sums.size()));
  for (double& sum : sums) sum = std::pow(sum / largest, 1.0 / mixed.temperature);
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  std::vector<float> result;
  for (const double sum : sums) result.push_back(static_cast<float>(sum / total));
  return result;
}

}  // namespace

const HeadSpec& ModelSpec::head(const std::string& name) const {
  if (const HeadSpec* found = find_head(heads, name)) return *found;
  std::vector<std::string> names;
  for (const HeadSpec& candidate : heads) names.push_back(candidate.name);
  fail_unknown_head(name, names);
}

json to_json(const ModelSpec& spec) {
  json heads = json::array();
  for (const HeadSpec& head : spec.heads) {
    heads.push_back({{"name", head.name},
                     {"labels", head.labels},
                     {"temperature", shortest_decimal(head.temperature)},
                     {"uncertain_below", shortest_decimal(head.uncertain_below)}});
  }
  json mixed_heads = json::array();
  for (const MixedHeadSpec& mixed : spec.mixed_heads) {
    json parts = json::array();
    for (const auto& [head, weight] : mixed.parts) {
      parts.push_back({{"head", head}, {"weight", shortest_decimal(weight)}});
    }
    mixed_heads.push_back({{"name", mixed.name},
                           {"labels", mixed.labels},
                           {"parts", parts},
                           {"temperature", shortest_decimal(mixed.temperature)},
                           {"uncertain_below", shortest_decimal(mixed.uncertain_below)}});
  }
  return {{"architecture", spec.architecture},
          {"resize", spec.resize},
          {"input_size", spec.input_size},
          {"colour", spec.colour},
          {"scale", shortest_decimal(spec.scale)},
          {"mean", decimals(spec.mean)},
          {"std", decimals(spec.std)},
          {"crop_margin", shortest_decimal(spec.crop_margin)},
          {"heads", heads},
          {"mixed_heads", mixed_heads},
          {"default_head", spec.default_head},
          {"data_fingerprint", spec.data_fingerprint},
          {"provenance", spec.provenance}};
}

ModelSpec spec_from_json(const json& value) {
  JsonReader reader(value, "spec");
  ModelSpec spec;
  spec.architecture = reader.text("architecture");
  spec.resize = static_cast<int>(reader.integer("resize", 1, kMaxSide));
  spec.input_size = static_cast<int>(reader.integer("input_size", 1, kMaxSide));
  spec.colour = reader.text("colour");
  spec.scale = reader.number("scale");
  spec.mean = reader.numbers("mean");
  spec.std = reader.numbers("std");
  spec.crop_margin = reader.number("crop_margin");
  for (const json& entry : reader.array("heads")) {
    JsonReader head(entry, "spec head " + std::to_string(spec.heads.size()));
    spec.heads.push_back({head.text("name"), head.texts("labels"), head.number("temperature"),
                          head.number("uncertain_below")});
    head.finish();
  }
  for (const json& entry : reader.array("mixed_heads")) {
    JsonReader mixed(entry, "spec mixed head " + std::to_string(spec.mixed_heads.size()));
    MixedHeadSpec head{mixed.text("name"),
                       mixed.texts("labels"),
                       {},
                       mixed.has("temperature") ? mixed.number("temperature") : 1.0f,
                       mixed.number("uncertain_below")};
    for (const json& item : mixed.array("parts")) {
      JsonReader part(item, mixed.place() + " part " + std::to_string(head.parts.size()));
      head.parts.emplace_back(part.text("head"), part.number("weight"));
      part.finish();
    }
    mixed.finish();
    spec.mixed_heads.push_back(std::move(head));
  }
  spec.default_head = reader.text("default_head");
  spec.data_fingerprint = reader.text("data_fingerprint");
  spec.provenance = reader.object("provenance");
  reader.finish();
  check_consistency(spec);
  return spec;
}

void check_spec(const ModelSpec& spec, const Graph& graph) {
  check_consistency(spec);
  const op::Input& input = graph.input();
  if (spec.channels() != input.channels) {
    fail_input(format("spec: colour %s has %d channels, the graph takes %d", spec.colour.c_str(),
                      spec.channels(), input.channels));
  }
  if (spec.input_size != input.height || spec.input_size != input.width) {
    fail_input(format("spec: input_size %d, the graph takes %dx%d", spec.input_size, input.width,
                      input.height));
  }
  for (const Output& output : graph.outputs()) {
    const HeadSpec* head = find_head(spec.heads, output.head);
    if (head == nullptr) fail_input("spec: the graph's head '" + output.head + "' is missing");
    const std::int64_t classes = graph.shape(output.node)[0];
    if (static_cast<std::int64_t>(head->labels.size()) != classes) {
      fail_input("spec: head '" + head->name + "' has " + std::to_string(head->labels.size()) +
                 " labels, the graph " + std::to_string(classes) + " classes");
    }
  }
  for (const HeadSpec& head : spec.heads) {
    if (std::ranges::find(graph.outputs(), head.name, &Output::head) == graph.outputs().end()) {
      fail_input("spec: the graph has no head '" + head.name + "'");
    }
  }
}

void preprocess(const ModelSpec& spec, const Image& crop, std::vector<float>& out) {
  const Image image = prepared(spec, crop);
  const int offset = (spec.resize - spec.input_size) / 2;
  for (int c = 0; c < spec.channels(); ++c) {
    const int source = image.channels == 1 ? 0 : spec.colour == "bgr" ? 2 - c : c;
    for (int y = 0; y < spec.input_size; ++y) {
      for (int x = 0; x < spec.input_size; ++x) {
        const float byte = image.at(offset + x, offset + y, source);
        out.push_back((byte * spec.scale - spec.mean[c]) / spec.std[c]);
      }
    }
  }
}

HostTensor preprocess(const ModelSpec& spec, std::span<const Image> crops) {
  std::vector<float> values;
  values.reserve(crops.size() * spec.channels() * spec.input_size * spec.input_size);
  for (const Image& crop : crops) preprocess(spec, crop, values);
  return HostTensor::from_floats(
      {static_cast<std::int64_t>(crops.size()), spec.channels(), spec.input_size, spec.input_size},
      values);
}

std::vector<float> softmax(std::span<const float> logits, float temperature) {
  const float largest = *std::ranges::max_element(logits);
  std::vector<double> powers;
  for (const float logit : logits) {
    powers.push_back(std::exp((double{logit} - largest) / temperature));
  }
  const double total = std::accumulate(powers.begin(), powers.end(), 0.0);
  std::vector<float> result;
  for (const double power : powers) result.push_back(static_cast<float>(power / total));
  return result;
}

std::vector<Probabilities> to_probabilities(const ModelSpec& spec,
                                            const std::map<std::string, HostTensor>& logits) {
  std::vector<Probabilities> rows;
  for (const HeadSpec& head : spec.heads) {
    const auto found = logits.find(head.name);
    if (found == logits.end()) fail_input("no logits of head '" + head.name + "'");
    const Shape& shape = found->second.shape;
    const auto classes = head.labels.size();
    if (rows.empty() && !shape.empty()) rows.resize(shape[0]);
    if (shape !=
        Shape{static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(classes)}) {
      fail_input("logits of head '" + head.name + "' are " + to_string(shape) + ", expected [" +
                 std::to_string(rows.size()) + ", " + std::to_string(classes) + "]");
    }
    const auto values = found->second.floats();
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
      fail_runtime("head '" + head.name + "': the net's answer is no number (weights too large?)");
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i][head.name] = softmax(values.subspan(i * classes, classes), head.temperature);
    }
  }
  for (Probabilities& row : rows) {
    for (const MixedHeadSpec& mixed : spec.mixed_heads) {
      row[mixed.name] = mixed_probabilities(spec, mixed, row);
    }
  }
  return rows;
}

std::vector<std::string> head_names(const ModelSpec& spec) {
  std::vector<std::string> names;
  for (const HeadSpec& head : spec.heads) names.push_back(head.name);
  for (const MixedHeadSpec& head : spec.mixed_heads) names.push_back(head.name);
  return names;
}

const LabelList& labels_of(const ModelSpec& spec, const std::string& head) {
  if (const auto* found = find_head(spec.heads, head)) return found->labels;
  if (const auto* found = find_head(spec.mixed_heads, head)) return found->labels;
  fail_unknown_head(head, head_names(spec));
}

float temperature(const ModelSpec& spec, const std::string& head) {
  if (const auto* found = find_head(spec.heads, head)) return found->temperature;
  if (const auto* found = find_head(spec.mixed_heads, head)) return found->temperature;
  fail_unknown_head(head, head_names(spec));
}

float uncertain_below(const ModelSpec& spec, const std::string& head) {
  if (const auto* found = find_head(spec.heads, head)) return found->uncertain_below;
  if (const auto* found = find_head(spec.mixed_heads, head)) return found->uncertain_below;
  fail_unknown_head(head, head_names(spec));
}

}  // namespace fer
