#include "fer/eval/bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/eval/calibration.h"

namespace fer {

namespace {

// Linear between the two nearest of the sorted values, as numpy's default.
double quantile(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - static_cast<double>(below));
}

}  // namespace

std::vector<std::vector<double>> bootstrap(std::int64_t n, std::size_t count,
                                           const Statistics& statistics,
                                           const BootstrapOptions& options) {
  if (n < 1) fail_input("no samples to resample");
  if (n > std::numeric_limits<std::int32_t>::max()) {
    fail_input(format("%lld samples are too many to resample", static_cast<long long>(n)));
  }
  if (options.resamples < 1)
    fail_input(format("%d resamples, expected at least 1", options.resamples));
  std::vector<std::vector<double>> result(count, std::vector<double>(options.resamples));
  parallel_for(options.resamples, [&](std::int64_t r) {
    Rng rng{options.seed, static_cast<std::uint64_t>(r)};
    std::vector<std::int32_t> drawn(static_cast<std::size_t>(n));
    for (auto& index : drawn)
      index = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(n)));
    std::vector<double> values(count);
    statistics(drawn, values);
    for (std::size_t s = 0; s < count; ++s) result[s][r] = values[s];
  });
  return result;
}

Interval percentile_interval(std::vector<double>& values, double level) {
  if (!(level > 0 && level < 1)) fail_input(format("level %g is not between 0 and 1", level));
  std::erase_if(values, [](double value) { return std::isnan(value); });
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNone, kNone};
  std::sort(values.begin(), values.end());
  return {quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)};
}

struct MetricTable::Sums {
  explicit Sums(std::size_t classes) : cells(classes * classes) {}
  std::vector<std::int64_t> cells;
  std::array<double, kCalibrationBins> confidence_minus_correct{};
  std::int64_t in_top2 = 0;
  double nll = 0;
  double brier = 0;
};

MetricTable::MetricTable(const Predictions& predictions) : labels_(predictions.labels) {
  const std::int64_t n = predictions.size();
  if (n == 0) fail_input("there are no predictions to evaluate");
  if (predictions.probabilities.size() != static_cast<std::size_t>(n) * labels_.size()) {
    fail_input(format("%zu probabilities for %lld samples of %zu labels",
                      predictions.probabilities.size(), static_cast<long long>(n), labels_.size()));
  }
  rows_.reserve(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::span<const float> p = predictions.row(i);
    const int truth = predictions.truth[i];
    const int predicted = predictions.predicted(i);
    if (truth < 0 || truth >= static_cast<int>(labels_.size())) {
      fail_input(format("class %d of a sample is none of the %zu labels", truth, labels_.size()));
    }
    int ahead = 0;  // classes that rank before the truth
    double brier = 0;
    for (int c = 0; c < static_cast<int>(p.size()); ++c) {
      ahead += p[c] > p[truth] || (p[c] == p[truth] && c < truth);
      const double error = p[c] - (c == truth ? 1.0 : 0.0);
      brier += error * error;
    }
    rows_.push_back(
        {.cell = truth * static_cast<int>(labels_.size()) + predicted,
         .bin = static_cast<std::int16_t>(confidence_bin(p[predicted], kCalibrationBins)),
         .correct = predicted == truth,
         .in_top2 = ahead < 2,
         .confidence = p[predicted],
         .nll = -std::log(std::max<double>(p[truth], 1e-12)),
         .brier = brier});
  }
}

void MetricTable::add(const Row& row, Sums& sums) const {
  ++sums.cells[row.cell];
  sums.confidence_minus_correct[row.bin] += row.confidence - row.correct;
  sums.in_top2 += row.in_top2;
  sums.nll += row.nll;
  sums.brier += row.brier;
}

Metrics MetricTable::finish(const Sums& sums) const {
  const std::size_t classes = labels_.size();
  std::vector<std::vector<std::int64_t>> confusion(classes);
  for (std::size_t t = 0; t < classes; ++t) {
    const auto begin = sums.cells.begin() + static_cast<std::ptrdiff_t>(t * classes);
    confusion[t].assign(begin, begin + static_cast<std::ptrdiff_t>(classes));
  }
  Metrics m = metrics_from_confusion(labels_, confusion);
  const auto n = static_cast<double>(m.n);
  m.top2_accuracy = static_cast<double>(sums.in_top2) / n;
  m.nll = sums.nll / n;
  m.brier = sums.brier / n;
  for (const double difference : sums.confidence_minus_correct) m.ece += std::abs(difference) / n;
  return m;
}

Metrics MetricTable::metrics(std::span<const std::int32_t> drawn) const {
  Sums sums(labels_.size());
  for (const std::int32_t i : drawn) add(rows_[i], sums);
  return finish(sums);
}

Metrics MetricTable::metrics() const {
  Sums sums(labels_.size());
  for (const Row& row : rows_) add(row, sums);
  return finish(sums);
}

std::vector<double> resampled_accuracy(const Predictions& predictions,
                                       const BootstrapOptions& options) {
  const std::int64_t n = predictions.size();
  std::vector<std::uint8_t> correct(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    correct[i] = predictions.predicted(i) == predictions.truth[i];
  }
  auto values = bootstrap(
      n, 1,
      [&](std::span<const std::int32_t> drawn, std::span<double> value) {
        std::int64_t hits = 0;
        for (const std::int32_t i : drawn) hits += correct[i];
        value[0] = static_cast<double>(hits) / static_cast<double>(drawn.size());
      },
      options);
  return std::move(values[0]);
}

namespace {

// Of `hits` of `n`, for which resamples gave [low, high].
void widen_share(std::int64_t hits, std::int64_t n, double level, double& low, double& high) {
  if (n == 0 || std::min(hits, n - hits) >= kEnoughForResamples) return;
  const Interval exact = exact_interval(hits, n, level);
  low = std::isnan(low) ? exact.low : std::min(low, exact.low);
  high = std::isnan(high) ? exact.high : std::max(high, exact.high);
}

double harmonic_mean(double a, double b) { return a + b > 0 ? 2 * a * b / (a + b) : 0; }

std::vector<std::int64_t> answers_of(const Metrics& metrics) {
  std::vector<std::int64_t> answers(metrics.classes.size());
  for (const auto& row : metrics.confusion) {
    for (std::size_t c = 0; c < row.size(); ++c) answers[c] += row[c];
  }
  return answers;
}

// Numbers that nothing was counted for are none.
void leave_out_undefined(Metrics& metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::int64_t> answers = answers_of(metrics);
  int occurring = 0;
  for (std::size_t c = 0; c < answers.size(); ++c) {
    ClassMetrics& one = metrics.classes[c];
    if (answers[c] == 0) one.precision = kNone;
    if (one.support == 0) one.recall = kNone;
    if (answers[c] == 0 && one.support == 0) one.f1 = kNone;
    occurring += answers[c] > 0 || one.support > 0;
  }
  if (occurring == 1) metrics.kappa = kNone;  // chance alone agrees always
}

// The mean over the classes, each counting `weight`, of those whose number is one.
template <typename Weight>
double mean_of(const std::vector<ClassMetrics>& classes, double ClassMetrics::*number,
               const Weight& weight) {
  double sum = 0, weights = 0;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (std::isnan(classes[c].*number)) continue;
    sum += weight(c) * classes[c].*number;
    weights += weight(c);
  }
  return weights > 0 ? sum / weights : std::numeric_limits<double>::quiet_NaN();
}

// Where every resample says the same, as none or all answers are right: of the classes' own bounds.
void bound_by_classes(const Metrics& metrics, Metrics& bound) {
  const auto alike = [](std::size_t) { return 1.0; };
  const auto support = [&](std::size_t c) {
    return static_cast<double>(metrics.classes[c].support);
  };
  const std::vector<ClassMetrics>& classes = bound.classes;
  bound.macro_precision = mean_of(classes, &ClassMetrics::precision, alike);
  bound.macro_recall = mean_of(classes, &ClassMetrics::recall, alike);
  bound.macro_f1 = mean_of(classes, &ClassMetrics::f1, alike);
  bound.balanced_accuracy = bound.macro_recall;
  bound.weighted_precision = mean_of(classes, &ClassMetrics::precision, support);
  bound.weighted_f1 = mean_of(classes, &ClassMetrics::f1, support);
  double by_chance = 0;
  const std::vector<std::int64_t> answers = answers_of(metrics);
  const auto n = static_cast<double>(metrics.n);
  for (std::size_t c = 0; c < answers.size(); ++c)
    by_chance += support(c) / n * static_cast<double>(answers[c]) / n;
  if (by_chance < 1) bound.kappa = (bound.accuracy - by_chance) / (1 - by_chance);
}

void widen_edges(const Metrics& metrics, double level, MetricIntervals& intervals) {
  Metrics &low = intervals.low, &high = intervals.high;
  const auto count = [&](double share) {
    return std::llround(share * static_cast<double>(metrics.n));
  };
  widen_share(count(metrics.accuracy), metrics.n, level, low.accuracy, high.accuracy);
  if (metrics.classes.size() > 2) {  // of two the truth is always among them
    widen_share(count(metrics.top2_accuracy), metrics.n, level, low.top2_accuracy,
                high.top2_accuracy);
  }
  low.weighted_recall = low.accuracy;  // the same number
  high.weighted_recall = high.accuracy;
  const std::vector<std::int64_t> answers = answers_of(metrics);
  for (std::size_t c = 0; c < answers.size(); ++c) {
    const ClassMetrics& one = metrics.classes[c];
    ClassMetrics &least = low.classes[c], &most = high.classes[c];
    const std::int64_t hits = metrics.confusion[c][c];
    widen_share(hits, answers[c], level, least.precision, most.precision);
    widen_share(hits, one.support, level, least.recall, most.recall);
    if (answers[c] + one.support == 0) continue;
    if (one.f1 == 0 || one.f1 == 1) {
      least.f1 = std::isnan(least.precision) || std::isnan(least.recall)
                     ? 0
                     : harmonic_mean(least.precision, least.recall);
      // Of answers that were not given, or faces that were not there, any share may be right.
      most.f1 =
          harmonic_mean(answers[c] == 0 ? 1 : most.precision, one.support == 0 ? 1 : most.recall);
    }
  }
  if (metrics.accuracy == 0 || metrics.accuracy == 1) {
    bound_by_classes(metrics, low);
    bound_by_classes(metrics, high);
  }
}

}  // namespace

MetricIntervals bootstrap_metrics(const Predictions& predictions, const BootstrapOptions& options) {
  const MetricTable table(predictions);
  MetricIntervals result;
  const Metrics metrics = table.metrics();
  result.low = result.high = metrics;
  result.low.confusion.clear();
  result.high.confusion.clear();
  const std::size_t count = numbers_of(result.low).size();
  auto values = bootstrap(
      table.size(), count,
      [&](std::span<const std::int32_t> drawn, std::span<double> out) {
        Metrics one = table.metrics(drawn);
        leave_out_undefined(one);
        const std::vector<double> numbers = numbers_of(one);
        std::copy(numbers.begin(), numbers.end(), out.begin());
      },
      options);
  std::vector<double> low, high;
  for (auto& one : values) {
    const Interval interval = percentile_interval(one, options.level);
    low.push_back(interval.low);
    high.push_back(interval.high);
  }
  set_numbers(result.low, low);
  set_numbers(result.high, high);
  widen_edges(metrics, options.level, result);
  return result;
}

}  // namespace fer
