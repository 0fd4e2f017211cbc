#include "fer/eval/metrics.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/eval/bootstrap.h"

namespace fer {

namespace {

struct NamedNumber {
  const char* name;
  double Metrics::*number;
};

constexpr NamedNumber kNumbers[] = {
    {"accuracy", &Metrics::accuracy},
    {"top2_accuracy", &Metrics::top2_accuracy},
    {"balanced_accuracy", &Metrics::balanced_accuracy},
    {"macro_precision", &Metrics::macro_precision},
    {"macro_recall", &Metrics::macro_recall},
    {"macro_f1", &Metrics::macro_f1},
    {"weighted_precision", &Metrics::weighted_precision},
    {"weighted_recall", &Metrics::weighted_recall},
    {"weighted_f1", &Metrics::weighted_f1},
    {"kappa", &Metrics::kappa},
    {"nll", &Metrics::nll},
    {"brier", &Metrics::brier},
    {"ece", &Metrics::ece},
};

constexpr double ClassMetrics::*kClassNumbers[] = {&ClassMetrics::precision, &ClassMetrics::recall,
                                                   &ClassMetrics::f1};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

std::span<const float> Predictions::row(std::int64_t i) const {
  return {probabilities.data() + static_cast<std::size_t>(i) * labels.size(), labels.size()};
}

int Predictions::predicted(std::int64_t i) const {
  const std::span<const float> p = row(i);
  return static_cast<int>(std::max_element(p.begin(), p.end()) - p.begin());
}

void Predictions::add(int truth_index, std::span<const float> p) {
  if (truth_index < 0 || truth_index >= static_cast<int>(labels.size())) {
    fail_input(
        format("class %d of a sample is none of the %zu labels", truth_index, labels.size()));
  }
  if (p.size() != labels.size()) {
    fail_input(format("%zu probabilities for %zu labels", p.size(), labels.size()));
  }
  for (const float value : p) {
    if (!std::isfinite(value)) fail_input(format("a probability is %g", value));
  }
  truth.push_back(truth_index);
  probabilities.insert(probabilities.end(), p.begin(), p.end());
}

Metrics metrics_from_confusion(const LabelList& labels,
                               const std::vector<std::vector<std::int64_t>>& confusion) {
  Metrics m;
  m.confusion = confusion;
  const std::size_t classes = labels.size();
  std::vector<std::int64_t> predicted(classes);  // column sums; support has the row sums
  std::int64_t correct = 0;
  m.classes.resize(classes);
  for (std::size_t t = 0; t < classes; ++t) {
    m.classes[t].label = labels[t];
    for (std::size_t p = 0; p < classes; ++p) {
      m.classes[t].support += confusion[t][p];
      predicted[p] += confusion[t][p];
    }
    correct += confusion[t][t];
    m.n += m.classes[t].support;
  }
  if (m.n == 0) return m;

  const auto n = static_cast<double>(m.n);
  double occurring = 0, with_samples = 0, by_chance = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    ClassMetrics& one = m.classes[c];
    const auto hits = static_cast<double>(confusion[c][c]);
    const auto support = static_cast<double>(one.support);
    const auto answers = static_cast<double>(predicted[c]);
    one.precision = ratio(hits, answers);
    one.recall = ratio(hits, support);
    one.f1 = ratio(2 * hits, support + answers);
    occurring += one.support + predicted[c] > 0;
    with_samples += one.support > 0;
    m.macro_precision += one.precision;
    m.macro_recall += one.recall;
    m.macro_f1 += one.f1;
    m.weighted_precision += one.precision * support / n;
    m.weighted_recall += one.recall * support / n;
    m.weighted_f1 += one.f1 * support / n;
    by_chance += support / n * answers / n;
  }
  m.accuracy = static_cast<double>(correct) / n;
  m.balanced_accuracy = m.macro_recall / with_samples;
  m.macro_precision /= occurring;
  m.macro_recall /= occurring;
  m.macro_f1 /= occurring;
  m.kappa = ratio(m.accuracy - by_chance, 1 - by_chance);
  return m;
}

Metrics compute_metrics(const Predictions& predictions) {
  return MetricTable(predictions).metrics();
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const NamedNumber& entry : kNumbers) names.emplace_back(entry.name);
  return names;
}

double metric_value(const Metrics& metrics, const std::string& name) {
  for (const NamedNumber& entry : kNumbers) {
    if (name == entry.name) return metrics.*entry.number;
  }
  fail_input("unknown metric '" + name + "'" + did_you_mean(name, metric_names()) + " (there are " +
             join(metric_names(), ", ") + ")");
}

std::vector<double> numbers_of(const Metrics& metrics) {
  std::vector<double> numbers;
  for (const NamedNumber& entry : kNumbers) numbers.push_back(metrics.*entry.number);
  for (const ClassMetrics& one : metrics.classes) {
    for (const auto number : kClassNumbers) numbers.push_back(one.*number);
  }
  return numbers;
}

void set_numbers(Metrics& metrics, std::span<const double> numbers) {
  auto next = numbers.begin();
  for (const NamedNumber& entry : kNumbers) metrics.*entry.number = *next++;
  for (ClassMetrics& one : metrics.classes) {
    for (const auto number : kClassNumbers) one.*number = *next++;
  }
}

}  // namespace fer
