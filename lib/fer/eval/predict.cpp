#include "fer/eval/predict.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/eval/selection.h"

namespace fer {

std::shared_ptr<const Dataset> labelled(std::shared_ptr<const Dataset> data) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < data->size(); ++i) {
    if (data->target(i, 0).label >= 0) rows.push_back(i);
  }
  return subset(std::move(data), std::move(rows));
}

void check_labels(const ModelSpec& spec, const std::string& head, const LabelList& labels,
                  const std::string& model) {
  const LabelList& known = labels_of(spec, head);
  for (const std::string& label : labels) {
    if (std::ranges::find(known, label) != known.end()) continue;
    fail_input(model + ": the data has the label '" + label + "', head '" + head +
               "' has not (it has " + join(known, ", ") + ")");
  }
}

Predictions predict(Classifier& classifier, const Dataset& data, const PredictOptions& options) {
  const LabelList& labels = data.heads().at(0).labels;
  check_labels(classifier.spec(), options.head, labels);
  Predictions predictions{labels_of(classifier.spec(), options.head), {}, {}};
  std::vector<int> index;  // of the data's labels among the model's
  for (const std::string& label : labels) {
    const auto found = std::ranges::find(predictions.labels, label);
    index.push_back(static_cast<int>(found - predictions.labels.begin()));
  }
  for (std::int64_t begin = 0; begin < data.size(); begin += options.batch_size) {
    const std::int64_t end = std::min(begin + options.batch_size, data.size());
    std::vector<Image> images;
    for (std::int64_t i = begin; i < end; ++i) images.push_back(data.image(i));
    const auto answers = classify(classifier, images, options.views, options.batch_size);
    for (std::int64_t i = begin; i < end; ++i) {
      const int label = data.target(i, 0).label;
      if (label < 0) fail_input(data.origin(i) + ": there is no label to score against");
      const auto& answer = answers[static_cast<std::size_t>(i - begin)].at(options.head);
      if (!std::ranges::all_of(answer, [](float p) { return std::isfinite(p); })) {
        fail_input(data.origin(i) + ": the net's answer is no number; its weights are broken");
      }
      predictions.add(index[static_cast<std::size_t>(label)], answer);
    }
    options.progress(end);
  }
  return predictions.labels == labels ? predictions : restrict_labels(predictions, labels);
}

}  // namespace fer
