// Which engine answers: the same flags in every program.
#pragma once

#include <string>
#include <vector>

#include "fer/model/engine.h"
#include "options.h"

namespace fer::tools {

// --engine and --precision; engines: those that the program has; automatic: which one `auto` takes.
void add_engine_options(Options& options, EngineOptions& engine, const std::vector<Engine>& engines,
                        const std::string& automatic = "the fastest by a short probe");

}  // namespace fer::tools
