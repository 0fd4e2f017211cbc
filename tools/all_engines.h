// Every engine that can be in one process, for the programs that compare and check.
#pragma once

#include <string>
#include <vector>

#include "fer/model/engine.h"

namespace fer::tools {

// light_engines() and, in a build with training, torch on `device` (auto, cpu, cuda, cuda:N). Torch
// alone on a GPU, and where it brings its own copy of oneDNN, which must not meet the system's.
std::vector<Engine> all_engines(const std::string& device);

// First line of a main that uses them.
void prepare_engines();

}  // namespace fer::tools
