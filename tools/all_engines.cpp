#include "all_engines.h"

#include "fer/core/error.h"
#if FER_HAVE_TORCH
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"
#endif
#if FER_HAVE_LIGHT_ENGINES
#include "fer/engine/light_engines.h"
#endif

namespace fer::tools {

std::vector<Engine> all_engines(const std::string& device) {
  std::vector<Engine> engines;
  [[maybe_unused]] const bool gpu = device.starts_with("cuda");
#if FER_HAVE_LIGHT_ENGINES
  if (!gpu) engines = light_engines();
#endif
#if FER_HAVE_TORCH
  engines.push_back({"torch",
                     {"fp32", "bf16"},
                     [device](const Checkpoint& checkpoint, const EngineOptions& options) {
                       set_torch_threads(options.threads);
                       return make_torch_classifier(
                           checkpoint, {.device = device, .bf16 = options.precision == "bf16"});
                     }});
#else
  if (gpu) fail_input("--device " + device + ": this build has no libtorch");
#endif
  return engines;
}

void prepare_engines() {
#if FER_HAVE_TORCH
  prepare_torch_process();
#endif
}

}  // namespace fer::tools
