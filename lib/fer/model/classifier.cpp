#include "fer/model/classifier.h"

#include <algorithm>
#include <iterator>

#include "fer/core/error.h"

namespace fer {

std::vector<Probabilities> Classifier::classify(std::span<const Image> crops, int batch_size) {
  return classify(crops, spec(), batch_size);
}

std::vector<Probabilities> Classifier::classify(std::span<const Image> crops, const ModelSpec& as,
                                                int batch_size) {
  if (batch_size < 1) fail_input("batch size " + std::to_string(batch_size) + " is less than 1");
  std::vector<Probabilities> results;
  results.reserve(crops.size());
  while (!crops.empty()) {
    const std::size_t count = std::min<std::size_t>(crops.size(), batch_size);
    std::ranges::move(to_probabilities(as, logits(preprocess(as, crops.first(count)))),
                      std::back_inserter(results));
    crops = crops.subspan(count);
  }
  return results;
}

}  // namespace fer
