// What every engine offers: face crops in, probabilities out.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "fer/model/spec.h"

namespace fer {

class Classifier {
 public:
  virtual ~Classifier() = default;
  virtual const ModelSpec& spec() const = 0;
  // Logits [N, classes] by head for a normalised batch [N, C, H, W] F32. Throws kInput when the
  // batch does not fit the net, kRuntime when the engine cannot compute it. Not thread-safe.
  virtual std::map<std::string, HostTensor> logits(const HostTensor& batch) = 0;
  // Crops of any size and colour; preprocessing, batching and softmax as the spec says.
  std::vector<Probabilities> classify(std::span<const Image> crops, int batch_size = 64);
  // The same of crops that are to be prepared in another way than the classifier's own spec says.
  std::vector<Probabilities> classify(std::span<const Image> crops, const ModelSpec& as,
                                      int batch_size);
};

}  // namespace fer
