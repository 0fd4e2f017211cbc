// Test-time augmentation: the mean of the answers to several views of one face.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fer/model/classifier.h"

namespace fer {

enum class Views {
  kOne,   // the centre crop, as Classifier::classify()
  kFlip,  // and its mirror image
  kTen,   // the four corners and the centre of the resized face, each mirrored, too
};
std::string to_string(Views views);                // none, flip, ten
Views views_from_string(const std::string& name);  // throws kInput

// Probabilities a crop, each head's averaged over the views. kTen throws kInput for a model that
// sees the whole resized face (resize = input_size): its five crops would be one.
std::vector<Probabilities> classify(Classifier& classifier, std::span<const Image> crops,
                                    Views views, int batch_size = 64);

}  // namespace fer
