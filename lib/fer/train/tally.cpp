#include "fer/train/tally.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "fer/eval/metrics.h"

namespace fer {

Tally::Tally(const std::vector<HeadSpec>& heads)
    : head_loss_sums(heads.size(), 0.0), head_counts(heads.size(), 0) {
  for (const HeadSpec& head : heads) {
    confusion.emplace_back(head.labels.size(), std::vector<std::int64_t>(head.labels.size(), 0));
  }
}

void Tally::count(std::size_t head, const std::vector<std::int64_t>& answers,
                  const std::vector<int>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) ++confusion[head][labels[i]][answers[i]];
  }
}

Scores Tally::head_scores(std::size_t head) const {
  const Metrics metrics =
      metrics_from_confusion(LabelList(confusion[head].size()), confusion[head]);
  const auto n = std::max<std::int64_t>(1, head_counts[head]);
  Scores scores = {
      head_loss_sums[head] / static_cast<double>(n), metrics.accuracy, metrics.macro_f1, {}};
  for (const ClassMetrics& c : metrics.classes) {
    scores.class_f1.push_back(c.support > 0 ? c.f1 : std::numeric_limits<double>::quiet_NaN());
  }
  return scores;
}

Scores Tally::scores() const {
  Scores mean;
  const auto heads = static_cast<double>(confusion.size());
  for (std::size_t h = 0; h < confusion.size(); ++h) {
    const Scores s = head_scores(h);
    mean.accuracy += s.accuracy / heads;
    mean.macro_f1 += s.macro_f1 / heads;
  }
  mean.loss = images > 0 ? loss_sum / static_cast<double>(images) : 0.0;
  return mean;
}

void to_json(nlohmann::json& json, const Tally& t) {
  json = {{"loss_sum", t.loss_sum}, {"images", t.images}, {"confusion", t.confusion}};
}

void from_json(const nlohmann::json& json, Tally& t) {
  json.at("loss_sum").get_to(t.loss_sum);
  json.at("images").get_to(t.images);
  json.at("confusion").get_to(t.confusion);
}

}  // namespace fer
