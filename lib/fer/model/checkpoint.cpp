#include "fer/model/checkpoint.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"
#include "fer/model/reference.h"

namespace fer {
namespace {

constexpr const char* kFormat = "fer-checkpoint";
constexpr int kMaxDepth = 32;

const std::string& metadata(const SafetensorsHeader& header, const std::string& key) {
  const auto found = header.metadata.find(key);
  if (found == header.metadata.end()) fail_input("not a fer checkpoint: no '" + key + "' in it");
  return found->second;
}

nlohmann::json to_json(const Ranges& ranges) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [node, range] : ranges) json[node] = {range.low, range.high};
  return json;
}

Ranges ranges_from_json(const nlohmann::json& json, const Graph& graph) {
  Ranges ranges;
  if (!json.is_object()) fail_input("ranges: expected an object");
  for (const auto& [node, pair] : json.items()) {
    if (graph.find(node) < 0) fail_input("ranges: the graph has no node " + quote(node));
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number()) {
      fail_input("ranges: " + quote(node) + ": expected two numbers");
    }
    const Range range{pair[0].get<float>(), pair[1].get<float>()};
    if (!std::isfinite(range.low) || !std::isfinite(range.high) || range.low > range.high) {
      fail_input("ranges: " + quote(node) + ": expected two finite numbers, the lower one first");
    }
    ranges[node] = range;
  }
  return ranges;
}

// A net with such weights would answer, and nobody would see that the answer means nothing.
void check_values(const std::filesystem::path& path, const std::string& name,
                  const HostTensor& tensor) {
  const bool variance = name.ends_with(".running_var");
  for (const float value : tensor.to_floats()) {
    if (!std::isfinite(value) || (variance && value < 0)) {
      fail_input(path.string() + ": weight " + quote(name) + " holds " + format("%g", value) +
                 " as " + to_string(tensor.dtype) +
                 (variance ? ", which is no variance" : ", which is no number to compute with"));
    }
  }
}

// Facts for people may name paths whose bytes are no UTF-8.
std::string spec_text(const ModelSpec& spec) {
  return to_json(spec).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint, DType dtype) {
  check_spec(checkpoint.spec, checkpoint.graph);
  check_weights(checkpoint.graph, checkpoint.weights);
  SafetensorsFile file;
  file.metadata = {{"format", kFormat},
                   {"version", std::to_string(kCheckpointVersion)},
                   {"graph", to_json(checkpoint.graph).dump()},
                   {"spec", spec_text(checkpoint.spec)}};
  if (!checkpoint.ranges.empty()) file.metadata["ranges"] = to_json(checkpoint.ranges).dump();
  for (const Parameter& parameter : checkpoint.graph.parameters()) {
    HostTensor& stored = file.tensors[parameter.name];
    stored =
        checkpoint.weights.at(parameter.name).converted(parameter.trainable ? dtype : DType::kF32);
    check_values(path, parameter.name, stored);
  }
  write_safetensors(path, file);
}

namespace {

// All but the weights, which must fit.
Checkpoint described(const SafetensorsHeader& header, const std::filesystem::path& path) {
  Checkpoint checkpoint;
  try {
    if (metadata(header, "format") != kFormat) {
      fail_input("not a fer checkpoint: its format is " + quote(metadata(header, "format")));
    }
    if (metadata(header, "version") != std::to_string(kCheckpointVersion)) {
      fail_input("checkpoint version " + quote(metadata(header, "version")) +
                 ", this program reads version " + std::to_string(kCheckpointVersion));
    }
    checkpoint.graph = graph_from_json(parse_json(metadata(header, "graph"), "graph", kMaxDepth));
    checkpoint.spec = spec_from_json(parse_json(metadata(header, "spec"), "spec", kMaxDepth));
    check_spec(checkpoint.spec, checkpoint.graph);
    if (const auto ranges = header.metadata.find("ranges"); ranges != header.metadata.end()) {
      checkpoint.ranges =
          ranges_from_json(parse_json(ranges->second, "ranges", kMaxDepth), checkpoint.graph);
    }
    check_weights(checkpoint.graph, header.tensors);
  } catch (const Error& error) {
    fail_input(path.string() + ": " + error.what());
  }
  return checkpoint;
}

}  // namespace

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  Checkpoint checkpoint;
  const auto check = [&](const SafetensorsHeader& header) { checkpoint = described(header, path); };
  for (const auto& [name, tensor] : read_safetensors(path, check).tensors) {
    check_values(path, name, tensor);
    checkpoint.weights[name] = tensor.converted(DType::kF32);
  }
  return checkpoint;
}

void replace_spec(const std::filesystem::path& path, const ModelSpec& spec) {
  check_spec(spec, load_checkpoint(path).graph);
  replace_safetensors_metadata(path, "spec", spec_text(spec));
}

}  // namespace fer
