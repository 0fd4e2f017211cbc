#include "fer/predict/engine.h"

#include "fer/model/find_model.h"
#include "fer/vision/recognizer.h"

namespace fer {

std::unique_ptr<Classifier> open_classifier(const std::filesystem::path& model,
                                            const EngineOptions& options) {
  return make_classifier(load_checkpoint(find_model(model)), options, light_engines());
}

Recognizer Recognizer::open(const std::filesystem::path& model, const RecognizerOptions& options) {
  return Recognizer(open_classifier(model), options);
}

}  // namespace fer
