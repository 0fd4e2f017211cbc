// The engine behind prediction: the one room that sees both faces and back ends. It also holds
// fer::Recognizer::open() (vision/recognizer.h), so programs link fer::predict and need no more.
#pragma once

#include <filesystem>
#include <memory>

#include "fer/model/classifier.h"

namespace fer {

// A checkpoint, ready to answer: by oneDNN where it was there at build time, else by libtorch.
// model: "" for the one that find_model() finds. threads: 0 for all cores.
std::unique_ptr<Classifier> open_classifier(const std::filesystem::path& model = {},
                                            int threads = 0);

}  // namespace fer
