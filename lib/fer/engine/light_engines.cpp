#include "fer/engine/light_engines.h"

#if FER_HAVE_INFER
#include "fer/infer/onednn_classifier.h"
#include "fer/infer/onednn_network.h"
#endif
#if FER_HAVE_OPENCV_ENGINE
#include "fer/onnx/export.h"
#include "fer/vision/opencv_classifier.h"
#endif

namespace fer {

const std::vector<Engine>& light_engines() {
  static const std::vector<Engine> engines = {
#if FER_HAVE_INFER
    {"onednn",
     {"fp32", "bf16", "int8"},
     [](const Checkpoint& checkpoint, const EngineOptions& options) {
       return make_onednn_classifier(checkpoint, {options.precision, options.threads});
     },
     make_onednn_network},
#endif
#if FER_HAVE_OPENCV_ENGINE
    {"opencv",
     {"fp32"},
     [](const Checkpoint& checkpoint, const EngineOptions& options) {
       return make_opencv_classifier(checkpoint.spec, to_onnx(checkpoint), options.threads);
     }},
#endif
  };
  return engines;
}

}  // namespace fer
