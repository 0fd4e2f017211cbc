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

inline void write_model(const std::filesystem::path& path) {
  ArchitectureOptions options;
  options.input_size = 24;
  options.stages = {8, 16};
  options.blocks = 1;
  options.heads = {{"three", 3}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.spec.architecture = "compact";
  checkpoint.spec.resize = checkpoint.spec.input_size = 24;
  checkpoint.spec.heads = {{"three", {"happy", "neutral", "sad"}, 1.0f, 0.0f}};
  checkpoint.spec.default_head = "three";
  checkpoint.weights = random_weights(checkpoint.graph, 1);
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
