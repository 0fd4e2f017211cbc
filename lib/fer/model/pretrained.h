// Weights to begin with: published ones of other projects under our names, or a checkpoint of ours
// with other heads.
//
// A family is an architecture as one project publishes it: how it names its layers (one readable
// table each, in pretrained.cpp) and how it scales pixels. Nothing is ever downloaded; the user has
// the file, published_weights() says where from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fer/model/architectures.h"
#include "fer/model/checkpoint.h"

namespace fer {

enum class WeightFile {
  kCheckpoint,   // of ours
  kSafetensors,  // torchvision's or timm's names
  kHdf5,         // Keras'
};
// By its first bytes and its metadata. Throws kInput on anything else, saying how to convert a
// pickle (.pth).
WeightFile identify_weights(const std::filesystem::path& path);

struct ImportedWeights {
  TensorMap weights;                 // F32, by our names; what is not here keeps its fresh values
  Scaling scaling;                   // of the pixels that they were trained on
  std::string family;                // "torchvision's vgg16"
  std::vector<std::string> skipped;  // tensors of the file without a place here: the top, counters
  std::vector<std::string> fresh;    // our parameters that the file has nothing for: heads
};

// `tensors`: a file of torchvision or timm as it is, or of Keras as read_keras_h5() returns it
// (keras). `graph` was made with `options`; with one input channel the stem's three are summed, so
// that a gray face gives what its repetition would (but for the padded border, where the families'
// means differ). Top layers are taken where the graph has them in the same shape.
// Throws kInput beginning with `place`, naming the tensor: missing, surplus or misshapen, and
// saying whose weights they are when they belong to another family or variant.
ImportedWeights import_weights(const TensorMap& tensors, bool keras,
                               const ArchitectureOptions& options, const Graph& graph,
                               const std::string& place);

// The same net with other outputs on the same features. Preprocessing stays; a head whose name and
// labels are the same keeps its weights, every other begins fresh and is absent from the weights.
// Throws kInput when the net's heads do not share their features.
Checkpoint replace_heads(const Checkpoint& checkpoint, const std::vector<HeadSpec>& heads);

struct PublishedWeights {
  std::string architecture, variant, file, from, size, checksum;
};
const std::vector<PublishedWeights>& published_weights();

}  // namespace fer
