// Which engine answers: the same flags in every program.
#pragma once

#include <vector>

#include "fer/model/engine.h"
#include "options.h"

namespace fer::tools {

// --engine and --precision; engines: those that the program has.
void add_engine_options(Options& options, EngineOptions& engine,
                        const std::vector<Engine>& engines);

}  // namespace fer::tools
