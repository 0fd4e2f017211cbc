// Predictions for the tests of the eval room.
#pragma once

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fer/core/random.h"
#include "fer/eval/metrics.h"

namespace fer::test {

// Confident answers: `sure` for the predicted class, the rest shared by the others.
inline Predictions make_predictions(const LabelList& labels,
                                    const std::vector<std::pair<int, int>>& truth_and_prediction,
                                    float sure = 0.8f) {
  Predictions predictions{labels, {}, {}};
  for (const auto& [truth, predicted] : truth_and_prediction) {
    std::vector<float> p(labels.size(), (1 - sure) / static_cast<float>(labels.size() - 1));
    p[predicted] = sure;
    predictions.add(truth, p);
  }
  return predictions;
}

// n samples of a classifier whose probabilities are true: the truth is drawn from them. Its scores
// are multiplied by `sharpness` afterwards, so that softmax(log p / sharpness) would mend them.
inline Predictions calibrated_predictions(const LabelList& labels, int n, std::uint64_t seed,
                                          double sharpness = 1.0) {
  Predictions predictions{labels, {}, {}};
  Rng rng(seed);
  for (int i = 0; i < n; ++i) {
    std::vector<double> score(labels.size());
    double sum = 0, sharp_sum = 0;
    for (double& s : score) {
      s = 1.8 * rng.normal();
      sum += std::exp(s);
      sharp_sum += std::exp(sharpness * s);
    }
    double left = rng.uniform() * sum;
    int truth = 0;
    while (truth + 1 < static_cast<int>(score.size()) && (left -= std::exp(score[truth])) > 0)
      ++truth;
    std::vector<float> p;
    for (const double s : score)
      p.push_back(static_cast<float>(std::exp(sharpness * s) / sharp_sum));
    predictions.add(truth, p);
  }
  return predictions;
}

// Figures of scikit-learn and scipy: tests/eval/sklearn_metrics.py wrote them.
inline const nlohmann::json& sklearn_figures() {
  static const nlohmann::json kFigures = nlohmann::json::parse(
      std::ifstream(std::string(FER_SOURCE_DIR) + "/tests/eval/sklearn_metrics.json"));
  return kFigures;
}

inline Predictions sklearn_predictions(const char* probabilities = "probabilities") {
  const nlohmann::json& figures = sklearn_figures();
  Predictions predictions{figures["labels"].get<LabelList>(), {}, {}};
  for (std::size_t i = 0; i < figures["truth"].size(); ++i) {
    predictions.add(figures["truth"][i], figures[probabilities][i].get<std::vector<float>>());
  }
  return predictions;
}

}  // namespace fer::test
