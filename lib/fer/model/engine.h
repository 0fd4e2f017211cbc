// Engines by name, and the choice between those that a program was built with: light_engines()
// (engine/light_engines.h) and, where it links libtorch, that one, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fer/model/checkpoint.h"
#include "fer/model/classifier.h"
#include "fer/model/network.h"

namespace fer {

struct EngineOptions {
  std::string engine = "auto";     // or an engine's name: onednn, opencv, torch
  std::string precision = "auto";  // fp32, bf16, int8; auto: the engine's own choice
  // 0: hardware_threads(). OpenCV has threads of the whole process alone: they are as many for as
  // long as a classifier of that engine lives.
  int threads = 0;
};

struct Engine {
  std::string name;
  std::vector<std::string> precisions;  // that it can be asked for besides auto
  std::function<std::unique_ptr<Classifier>(const Checkpoint&, const EngineOptions&)> make;
  MakeNetwork make_network = nullptr;  // for other graphs, where the engine can
};

// auto takes the engine that is fastest here: each classifies a small network's face a few times,
// which takes some 30 ms. Throws kInput when an engine or precision is not there,
// naming those that are.
std::unique_ptr<Classifier> make_classifier(const Checkpoint& checkpoint,
                                            const EngineOptions& options,
                                            const std::vector<Engine>& engines);

// The engine that make_classifier() takes.
const Engine& choose_engine(const EngineOptions& options, const std::vector<Engine>& engines);

}  // namespace fer
