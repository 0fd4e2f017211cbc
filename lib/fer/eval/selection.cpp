#include "fer/eval/selection.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

namespace {

// Index in `list` of each of `labels`.
std::vector<std::size_t> indices_of(const LabelList& labels, const LabelList& list) {
  std::vector<std::size_t> indices;
  for (const std::string& label : labels) {
    const auto found = std::find(list.begin(), list.end(), label);
    if (found == list.end()) {
      fail_input("label '" + label + "' is none of " + join(list, ", ") +
                 did_you_mean(label, list));
    }
    indices.push_back(static_cast<std::size_t>(found - list.begin()));
  }
  return indices;
}

std::vector<std::int64_t> mistakes(const Predictions& predictions, std::size_t count,
                                   const std::function<bool(float, float)>& before) {
  std::vector<std::pair<float, std::int64_t>> wrong;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const int predicted = predictions.predicted(i);
    if (predicted != predictions.truth[i]) wrong.emplace_back(predictions.row(i)[predicted], i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](const auto& a, const auto& b) { return before(a.first, b.first); });
  std::vector<std::int64_t> rows;
  for (std::size_t k = 0; k < std::min(count, wrong.size()); ++k) rows.push_back(wrong[k].second);
  return rows;
}

}  // namespace

Predictions select_rows(const Predictions& predictions, std::span<const std::int64_t> rows) {
  Predictions result{predictions.labels, {}, {}};
  for (const std::int64_t i : rows) {
    if (i < 0 || i >= predictions.size()) {
      fail_input(format("row %lld of %lld predictions", static_cast<long long>(i),
                        static_cast<long long>(predictions.size())));
    }
    result.add(predictions.truth[i], predictions.row(i));
  }
  return result;
}

std::vector<std::int64_t> rows_of_labels(const Predictions& predictions, const LabelList& labels) {
  const std::vector<std::size_t> kept = indices_of(labels, predictions.labels);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const auto truth = static_cast<std::size_t>(predictions.truth[i]);
    if (std::find(kept.begin(), kept.end(), truth) != kept.end()) rows.push_back(i);
  }
  return rows;
}

Predictions restrict_labels(const Predictions& predictions, const LabelList& labels) {
  const std::vector<std::size_t> kept = indices_of(labels, predictions.labels);
  const std::vector<std::int64_t> rows = rows_of_labels(predictions, labels);
  if (rows.empty()) fail_input("no sample is one of " + join(labels, ", "));
  Predictions result{labels, {}, {}};
  std::vector<float> p(labels.size());
  for (const std::int64_t i : rows) {
    double sum = 0;
    for (const std::size_t k : kept) sum += predictions.row(i)[k];
    for (std::size_t c = 0; c < kept.size(); ++c) {
      // Where nothing is left of a sharp answer, nothing is known.
      p[c] = sum > 0 ? static_cast<float>(predictions.row(i)[kept[c]] / sum)
                     : 1.0f / static_cast<float>(kept.size());
    }
    const auto truth = static_cast<std::size_t>(predictions.truth[i]);
    result.add(static_cast<int>(std::find(kept.begin(), kept.end(), truth) - kept.begin()), p);
  }
  return result;
}

Predictions average(std::span<const Predictions> members) {
  if (members.empty()) fail_input("an ensemble needs at least one model");
  Predictions result = members.front();
  std::vector<double> sums(result.probabilities.size());
  for (const Predictions& member : members) {
    if (member.labels != result.labels) {
      fail_input("models of other labels: " + join(result.labels, ", ") + " and " +
                 join(member.labels, ", "));
    }
    if (member.truth != result.truth) fail_input("predictions of other samples cannot be averaged");
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += member.probabilities[i];
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    result.probabilities[i] = static_cast<float>(sums[i] / static_cast<double>(members.size()));
  }
  return result;
}

std::vector<std::int64_t> worst_mistakes(const Predictions& predictions, std::size_t count) {
  return mistakes(predictions, count, std::greater<>());
}

std::vector<std::int64_t> most_uncertain_mistakes(const Predictions& predictions,
                                                  std::size_t count) {
  return mistakes(predictions, count, std::less<>());
}

}  // namespace fer
