// A small untrained network for tests of the programs, and their JSON lines.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fer/core/text.h"
#include "fer/model/architectures.h"
#include "fer/model/checkpoint.h"
#include "support/op_cases.h"

namespace fer::test {

struct TinyModel {
  std::vector<int> stages = {8, 16};
  std::string head = "three";
  std::vector<std::string> labels = {"happy", "neutral", "sad"};
  float temperature = 1;
  std::uint64_t seed = 1;  // of the weights
};

inline void write_model(const std::filesystem::path& path, const TinyModel& model = {}) {
  ArchitectureOptions options;
  options.input_size = 24;
  options.stages = model.stages;
  options.blocks = {1};
  options.heads = {{model.head, static_cast<int>(model.labels.size())}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.spec.architecture = "compact";
  checkpoint.spec.resize = checkpoint.spec.input_size = 24;
  checkpoint.spec.heads = {{model.head, model.labels, model.temperature, 0.0f}};
  checkpoint.spec.default_head = model.head;
  checkpoint.weights = random_weights(checkpoint.graph, model.seed);
  save_checkpoint(path, checkpoint);
}

inline std::vector<nlohmann::json> objects(const std::string& lines) {
  std::vector<nlohmann::json> parsed;
  for (const std::string& line : split(lines, '\n')) {
    if (!line.empty()) parsed.push_back(nlohmann::json::parse(line));
  }
  return parsed;
}

}  // namespace fer::test
