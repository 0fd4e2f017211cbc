// The engine that the programs for prediction were built with, and the model that came with them.
#pragma once

#include <memory>
#include <string>

#include "fer/model/classifier.h"

namespace fer::tools {

// oneDNN where it was there at build time, else libtorch. threads: 0 for all cores.
std::unique_ptr<Classifier> open_classifier(const std::string& model, int threads = 0);

// `named`, or the shipped model when that is empty. Throws kInput when there is none.
std::string find_model(const std::string& named);

}  // namespace fer::tools
