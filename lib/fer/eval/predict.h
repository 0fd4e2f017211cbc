// From a classifier and labelled faces to the predictions that every figure is made of.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fer/data/dataset.h"
#include "fer/eval/metrics.h"
#include "fer/model/views.h"

namespace fer {

// The samples of `data` whose first head has a label to score against, in their order.
std::shared_ptr<const Dataset> labelled(std::shared_ptr<const Dataset> data);

// Throws kInput, naming model and label, unless the model's head has every label of `labels`.
void check_labels(const ModelSpec& spec, const std::string& head, const LabelList& labels,
                  const std::string& model = "the model");

struct PredictOptions {
  std::string head;
  Views views = Views::kOne;
  int batch_size = 128;
  std::function<void(std::int64_t done)> progress = [](std::int64_t) {};
};

// One prediction a sample, in the labels of the data's first head and their order. The model's may
// stand in another order, and be more: the answer is then the best of those of the data (the six of
// a 7-class head). Every sample needs a label: see labelled().
Predictions predict(Classifier& classifier, const Dataset& data, const PredictOptions& options);

}  // namespace fer
