#include "engine_options.h"

namespace fer::tools {

void add_engine_options(Options& options, EngineOptions& engine, const std::vector<Engine>& engines,
                        const std::string& automatic) {
  std::string names = "auto (" + automatic + ")";
  for (const Engine& known : engines) names += ", " + known.name;
  options.add("--engine", "engine", &engine.engine, names);
  options.add("--precision", "precision", &engine.precision,
              "auto (the fastest that the CPU and the model offer), fp32, bf16, int8");
}

}  // namespace fer::tools
