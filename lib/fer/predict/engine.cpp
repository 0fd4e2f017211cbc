#include "fer/predict/engine.h"

#include "fer/model/find_model.h"

namespace fer {

std::unique_ptr<Classifier> open_classifier(const std::filesystem::path& model,
                                            const EngineOptions& options) {
  return make_classifier(load_checkpoint(find_model(model)), options, light_engines());
}

Recognizer open_recognizer(const std::filesystem::path& model, const EngineOptions& options,
                           const RecognizerOptions& wanted) {
  const Checkpoint checkpoint = load_checkpoint(find_model(model));
  const Engine& engine = choose_engine(options, light_engines());
  RecognizerOptions recognizer = wanted;
  if (!recognizer.detector.make_network) recognizer.detector.make_network = engine.make_network;
  return Recognizer(engine.make(checkpoint, options), recognizer);
}

Recognizer Recognizer::open(const std::filesystem::path& model, const RecognizerOptions& options) {
  return open_recognizer(model, {}, options);
}

}  // namespace fer
