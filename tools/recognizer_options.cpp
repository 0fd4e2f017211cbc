#include "recognizer_options.h"

#include "engine_options.h"
#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/predict/engine.h"

namespace fer::tools {

FaceDetectorOptions RecognizerFlags::detector() const {
  FaceDetectorOptions wanted = options.detector;
  wanted.model = detector_model;
  return wanted;
}

void add_recognizer_options(Options& options, RecognizerFlags& flags) {
  RecognizerOptions& recognizer = flags.options;
  options.group("Model");
  options.add("-m,--model", "model", &flags.model,
              "checkpoint (.safetensors); default: FER_MODEL or the shipped one");
  options.add("--head", "head", &recognizer.head,
              "output whose label counts; default: the checkpoint's");
  add_engine_options(options, flags.engine, light_engines());
  options.group("Faces");
  options.add("--detector", "detector", &recognizer.detector.kind, "auto, yunet or haar");
  options.add("--detector-model", "detector_model", &flags.detector_model,
              "YuNet's .onnx or a cascade's .xml");
  options.add(
      "--detector-size", "detector_size", &recognizer.detector.input_size,
      "pixels of the longer side that the detector sees; more for small faces in large pictures");
  options.add("--min-face", "min_face", &recognizer.quality.min_face,
              "pixels; smaller faces are 'too small'");
  options.add("--guess", "guess", &recognizer.guess,
              "answer for small, blurred and turned faces, too");
}

Recognizer open_recognizer(const RecognizerFlags& flags) {
  RecognizerOptions options = flags.options;
  if (!(options.quality.min_face >= 0))
    fail_input(format("--min-face %g is below 0", double{options.quality.min_face}));
  options.detector = flags.detector();
  EngineOptions engine = flags.engine;
  engine.threads = 1;
  return fer::open_recognizer(flags.model, engine, options);
}

}  // namespace fer::tools
