// The engine behind prediction: the one room that sees both faces and back ends. It also holds
// fer::Recognizer::open() (vision/recognizer.h), so programs link fer::predict and need no more.
#pragma once

#include <filesystem>
#include <memory>

#include "fer/engine/light_engines.h"
#include "fer/vision/recognizer.h"

namespace fer {

// A checkpoint, ready to answer, on one of light_engines(). model: "" for the one that find_model()
// finds.
std::unique_ptr<Classifier> open_classifier(const std::filesystem::path& model = {},
                                            const EngineOptions& options = {});

// The same with faces; the face detector's network runs on the same engine where that can.
Recognizer open_recognizer(const std::filesystem::path& model, const EngineOptions& engine,
                           const RecognizerOptions& options = {});

}  // namespace fer
