// Which network answers, and for which faces: the same flags in every program that looks at
// pictures.
#pragma once

#include <string>

#include "fer/model/engine.h"
#include "fer/vision/recognizer.h"
#include "options.h"

namespace fer::tools {

struct RecognizerFlags {
  std::string model;  // checkpoint; empty: find_model() looks for one
  std::string detector_model;
  EngineOptions engine;
  RecognizerOptions options;

  FaceDetectorOptions detector() const;  // with its model
};

// The groups Model and Faces.
void add_recognizer_options(Options& options, RecognizerFlags& flags);

// On one of the light engines, with a thread of its own: batches are small, and the other cores
// decode and look for faces. Throws as fer::open_recognizer() does.
Recognizer open_recognizer(const RecognizerFlags& flags);

}  // namespace fer::tools
