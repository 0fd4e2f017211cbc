#include "fer/predict/engine.h"

#include "fer/model/checkpoint.h"
#include "fer/model/find_model.h"
#include "fer/vision/recognizer.h"
#if FER_HAVE_INFER
#include "fer/infer/onednn_classifier.h"
#else
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"
#endif

namespace fer {

std::unique_ptr<Classifier> open_classifier(const std::filesystem::path& model, int threads) {
  Checkpoint checkpoint = load_checkpoint(find_model(model));
#if FER_HAVE_INFER
  OnednnOptions options;
  options.threads = threads;
  return make_onednn_classifier(std::move(checkpoint), options);
#else
  set_torch_threads(threads);
  return make_torch_classifier(checkpoint);
#endif
}

Recognizer Recognizer::open(const std::filesystem::path& model, const RecognizerOptions& options) {
  return Recognizer(open_classifier(model), options);
}

}  // namespace fer
