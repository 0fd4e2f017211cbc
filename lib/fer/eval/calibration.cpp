#include "fer/eval/calibration.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

namespace {

constexpr double kLeastTemperature = 0.05, kGreatestTemperature = 20;
constexpr double kFewestAnswers = 30;  // fewer right answers in a row are luck

double log_probability(float p) { return std::log(std::max<double>(p, 1e-30)); }

// d NLL / d beta, summed, for softmax(beta * log p): how far the expected score exceeds the true
// class's.
double slope(const Predictions& predictions, const std::vector<double>& scores, double beta) {
  const std::size_t classes = predictions.labels.size();
  double total = 0;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const double* score = &scores[i * classes];
    const double largest = *std::max_element(score, score + classes);
    double sum = 0, weighted = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const double weight = std::exp(beta * (score[c] - largest));
      sum += weight;
      weighted += weight * score[c];
    }
    total += weighted / sum - score[predictions.truth[i]];
  }
  return total;
}

// Every confidence that occurs, the highest first.
std::vector<CoveragePoint> full_coverage_curve(const Predictions& predictions) {
  const std::int64_t n = predictions.size();
  if (n == 0) fail_input("there are no predictions to evaluate");
  std::vector<std::pair<float, bool>> answers;  // confidence, right
  for (std::int64_t i = 0; i < n; ++i) {
    const int predicted = predictions.predicted(i);
    answers.emplace_back(predictions.row(i)[predicted], predicted == predictions.truth[i]);
  }
  std::sort(answers.begin(), answers.end(), std::greater<>());
  std::vector<CoveragePoint> curve;
  double right = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    right += answers[i].second;
    if (i + 1 < n && answers[i + 1].first == answers[i].first) continue;
    const auto given = static_cast<double>(i + 1);
    curve.push_back({answers[i].first, given / static_cast<double>(n), right / given});
  }
  return curve;
}

}  // namespace

int confidence_bin(double confidence, int bins) {
  return std::clamp(static_cast<int>(std::ceil(confidence * bins)) - 1, 0, bins - 1);
}

std::vector<ReliabilityBin> reliability_bins(const Predictions& predictions, int bins) {
  std::vector<ReliabilityBin> result(bins);
  for (int b = 0; b < bins; ++b) {
    result[b].low = static_cast<double>(b) / bins;
    result[b].high = static_cast<double>(b + 1) / bins;
  }
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const int predicted = predictions.predicted(i);
    const double confidence = predictions.row(i)[predicted];
    ReliabilityBin& bin = result[confidence_bin(confidence, bins)];
    ++bin.count;
    bin.confidence += confidence;
    bin.accuracy += predicted == predictions.truth[i];
  }
  for (ReliabilityBin& bin : result) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  return result;
}

double fit_temperature(const Predictions& predictions) {
  if (predictions.size() == 0) fail_input("there are no predictions to calibrate on");
  std::vector<double> scores;
  scores.reserve(predictions.probabilities.size());
  for (const float p : predictions.probabilities) scores.push_back(log_probability(p));
  // The likelihood is convex in beta = 1 / temperature, so its slope changes sign once.
  double low = 1 / kGreatestTemperature, high = 1 / kLeastTemperature;
  if (slope(predictions, scores, low) >= 0) return kGreatestTemperature;
  if (slope(predictions, scores, high) <= 0) return kLeastTemperature;
  while (high / low > 1 + 1e-9) {
    const double middle = std::sqrt(low * high);
    (slope(predictions, scores, middle) < 0 ? low : high) = middle;
  }
  return 1 / std::sqrt(low * high);
}

Predictions apply_temperature(const Predictions& predictions, double temperature) {
  if (!(temperature > 0)) fail_input(format("temperature %g is not above 0", temperature));
  Predictions result = predictions;
  const std::size_t classes = predictions.labels.size();
  std::vector<double> p(classes);
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const std::span<const float> row = predictions.row(i);
    const double largest = log_probability(*std::max_element(row.begin(), row.end()));
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      p[c] = std::exp((log_probability(row[c]) - largest) / temperature);
      sum += p[c];
    }
    for (std::size_t c = 0; c < classes; ++c) {
      result.probabilities[i * classes + c] = static_cast<float>(p[c] / sum);
    }
  }
  return result;
}

CoveragePoint coverage_at(const Predictions& predictions, double threshold) {
  double given = 0, right = 0;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const int predicted = predictions.predicted(i);
    if (predictions.row(i)[predicted] < threshold) continue;
    ++given;
    right += predicted == predictions.truth[i];
  }
  return {threshold, predictions.size() > 0 ? given / static_cast<double>(predictions.size()) : 0,
          given > 0 ? right / given : 0};
}

std::vector<CoveragePoint> coverage_curve(const Predictions& predictions, std::size_t most) {
  const std::vector<CoveragePoint> full = full_coverage_curve(predictions);
  if (full.size() <= most) return full;
  std::vector<CoveragePoint> curve;
  double reached = 0;  // steps of 1 / most: many answers of one confidence are several at once
  for (const CoveragePoint& point : full) {
    const double steps = std::floor(point.coverage * static_cast<double>(most) + 1e-9);
    if (steps > reached) curve.push_back(point);
    reached = std::max(reached, steps);
  }
  return curve;
}

std::optional<CoveragePoint> uncertain_threshold(const Predictions& predictions,
                                                 double wanted_accuracy) {
  const std::vector<CoveragePoint> curve = full_coverage_curve(predictions);
  const auto n = static_cast<double>(predictions.size());
  for (auto point = curve.rbegin(); point != curve.rend(); ++point) {
    if (point->coverage * n < kFewestAnswers - 0.5) break;
    if (point->accuracy >= wanted_accuracy) return *point;
  }
  return std::nullopt;
}

void check_calibration_labels(const ModelSpec& spec, const std::string& head,
                              const LabelList& labels) {
  if (labels == labels_of(spec, head)) return;
  fail_input("head '" + head + "' can only be calibrated in its own labels, " +
             join(labels_of(spec, head), ", "));
}

ModelSpec calibrated(ModelSpec spec, const std::string& head, const Predictions& predictions,
                     double wanted_accuracy) {
  check_calibration_labels(spec, head, predictions.labels);
  const std::string place = "head '" + head + "' is left as it is: ";
  if (predictions.size() < kFewestAnswers) {
    fail_input(place + format("%lld faces are too few to calibrate on, expected at least %.0f",
                              static_cast<long long>(predictions.size()), kFewestAnswers));
  }
  if (coverage_at(predictions, 0).accuracy == 1) {
    fail_input(place + format("all %lld answers are right, which tells no temperature",
                              static_cast<long long>(predictions.size())));
  }
  const double factor = fit_temperature(predictions);
  if (factor <= kLeastTemperature) {
    fail_input(place +
               format("the answers ask for a temperature under %g of what it is, as if there "
                      "could be no doubt",
                      kLeastTemperature));
  }
  if (factor >= kGreatestTemperature) {
    fail_input(place +
               "its answers are worse than guessing; are these its labels, in the right order?");
  }
  const auto point = uncertain_threshold(apply_temperature(predictions, factor), wanted_accuracy);
  if (!point && uncertain_below(spec, head) > 0) {
    fail_input(place +
               format("no part of %.0f answers or more is right in %g %%, so that each would "
                      "be uncertain, and its threshold would be lost; ask for a smaller share",
                      kFewestAnswers, 100 * wanted_accuracy));
  }
  const auto calibrate = [&](auto& heads) {
    for (auto& candidate : heads) {
      if (candidate.name != head) continue;
      candidate.temperature = static_cast<float>(candidate.temperature * factor);
      candidate.uncertain_below =
          point && point->coverage < 1 ? static_cast<float>(point->threshold) : 0.0f;
    }
  };
  calibrate(spec.heads);
  calibrate(spec.mixed_heads);
  return spec;
}

}  // namespace fer
