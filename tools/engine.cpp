#include "engine.h"

#include "fer/core/error.h"
#include "fer/model/checkpoint.h"
#include "fer/vision/face_detector.h"
#if FER_HAVE_INFER
#include "fer/infer/onednn_classifier.h"
#else
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"
#endif

namespace fer::tools {

std::unique_ptr<Classifier> open_classifier(const std::string& model, int threads) {
  Checkpoint checkpoint = load_checkpoint(model);
#if FER_HAVE_INFER
  OnednnOptions options;
  options.threads = threads;
  return make_onednn_classifier(std::move(checkpoint), options);
#else
  set_torch_threads(threads);
  return make_torch_classifier(checkpoint);
#endif
}

std::string find_model(const std::string& named) {
  if (!named.empty()) return named;
  constexpr const char* kShipped = "fer.safetensors";
  const std::string found = find_data_file(kShipped).string();
  if (found.empty())
    fail_input(std::string("no model: name one by --model (") + kShipped + " was not found)");
  return found;
}

}  // namespace fer::tools
