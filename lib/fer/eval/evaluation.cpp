#include "fer/eval/evaluation.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/data/image_files.h"
#include "fer/eval/bootstrap.h"
#include "fer/eval/selection.h"

namespace fer {

namespace {

long long whole(std::int64_t n) { return n; }

// "commonest": what guessing one class always would reach.
const ClassMetrics& largest_class(const Metrics& metrics) {
  return *std::max_element(metrics.classes.begin(), metrics.classes.end(),
                           [](const auto& a, const auto& b) { return a.support < b.support; });
}

// What the data carry of it, and no more.
std::string confidence_sentence(const Evaluation& e) {
  constexpr double kNoticeable = 0.02;
  const double ece = e.all.metrics.ece;
  const auto [excess, interval, by_chance] = e.confidence;
  if (std::abs(excess) >= kNoticeable && (interval.low > 0 || interval.high < 0)) {
    return format(
        "It is %s than right: its confidence is %.1f points %s its accuracy on average "
        "(calibration error %.3f); a temperature fitted on validation data usually helps.",
        excess > 0 ? "surer" : "less sure", 100 * std::abs(excess), excess > 0 ? "above" : "below",
        ece);
  }
  const bool enough = interval.high - interval.low < 4 * kNoticeable;
  if (enough && std::abs(excess) < kNoticeable && ece < 2 * kNoticeable)
    return format("Its confidence can be taken at face value (calibration error %.3f).", ece);
  if (ece <= by_chance) {
    return format(
        "There are too few faces to tell whether its confidence can be taken at face value "
        "(calibration error %.3f; without any fault it would be up to %.3f by chance).",
        ece, by_chance);
  }
  return format(
      "Its confidence is %s but not everywhere (calibration error %.3f).",
      std::abs(excess) < kNoticeable ? "right on average" : "not measurably off on average", ece);
}

}  // namespace

std::string accuracy_line(const Scored& scored) {
  return format("accuracy %.4f [%.4f, %.4f] n=%lld", scored.metrics.accuracy,
                scored.intervals.low.accuracy, scored.intervals.high.accuracy,
                whole(scored.metrics.n));
}

Scored score(std::string name, const Predictions& predictions, const BootstrapOptions& options) {
  return {std::move(name), compute_metrics(predictions), bootstrap_metrics(predictions, options)};
}

namespace {

struct Group {
  const Scored* scored;
  Predictions predictions;
};

// Of the groups' answers, dealt anew to groups of the same sizes: how often the best and the worst
// are as far apart as they are.
double gap_p_value(const std::vector<Group>& groups, double gap, const BootstrapOptions& options) {
  std::vector<std::uint8_t> right;
  for (const Group& group : groups) {
    for (std::int64_t i = 0; i < group.predictions.size(); ++i)
      right.push_back(group.predictions.predicted(i) == group.predictions.truth[i]);
  }
  std::atomic<int> as_wide = 0;
  parallel_for(options.resamples, [&](std::int64_t r) {
    Rng rng{options.seed, static_cast<std::uint64_t>(r), 1};
    std::vector<std::uint8_t> dealt = right;
    for (std::size_t i = dealt.size() - 1; i > 0; --i)
      std::swap(dealt[i], dealt[rng.below(static_cast<std::uint32_t>(i + 1))]);
    double best = 0, worst = 1;
    auto next = dealt.begin();
    for (const Group& group : groups) {
      const auto end = next + group.predictions.size();
      const double accuracy = std::accumulate(next, end, 0.0) / static_cast<double>(end - next);
      best = std::max(best, accuracy);
      worst = std::min(worst, accuracy);
      next = end;
    }
    as_wide += best - worst >= gap - 1e-12;
  });
  return (as_wide + 1.0) / (options.resamples + 1.0);
}

bool too_few_for_resamples(const Metrics& metrics) {
  const std::int64_t right = std::llround(metrics.accuracy * static_cast<double>(metrics.n));
  return std::min(right, metrics.n - right) < kEnoughForResamples;
}

std::optional<SliceTable::Gap> widest_gap(const std::vector<Group>& groups,
                                          BootstrapOptions options) {
  if (groups.size() < 2) return std::nullopt;
  const auto by_accuracy = [](const Group& a, const Group& b) {
    return a.scored->metrics.accuracy < b.scored->metrics.accuracy;
  };
  const auto [worst, best] = std::ranges::minmax_element(groups, by_accuracy);
  SliceTable::Gap gap;
  gap.better = best->scored->name;
  gap.worse = worst->scored->name;
  gap.difference = best->scored->metrics.accuracy - worst->scored->metrics.accuracy;
  if (gap.difference == 0) return std::nullopt;
  gap.p_value = gap_p_value(groups, gap.difference, options);
  std::vector<double> values = resampled_accuracy(best->predictions, options);
  ++options.seed;  // the groups are independent
  const std::vector<double> others = resampled_accuracy(worst->predictions, options);
  for (std::size_t r = 0; r < values.size(); ++r) values[r] -= others[r];
  gap.interval = percentile_interval(values, options.level);
  const Scored &a = *best->scored, &b = *worst->scored;
  if (too_few_for_resamples(a.metrics) || too_few_for_resamples(b.metrics)) {
    const Interval wide = difference_interval(
        a.metrics.accuracy, {a.intervals.low.accuracy, a.intervals.high.accuracy},
        b.metrics.accuracy, {b.intervals.low.accuracy, b.intervals.high.accuracy});
    gap.interval = {std::min(gap.interval.low, wide.low), std::max(gap.interval.high, wide.high)};
  }
  return gap;
}

}  // namespace

void check_slice_groups(const std::string& column, std::size_t groups) {
  constexpr std::size_t kMost = 50;
  if (groups > kMost) {
    fail_input(format("column '%s' has %zu different values, at most %zu make groups",
                      column.c_str(), groups, kMost));
  }
}

SliceTable slice(std::string column, const Predictions& predictions,
                 std::span<const std::string> groups, const BootstrapOptions& options) {
  if (groups.size() != static_cast<std::size_t>(predictions.size())) {
    fail_input(format("%zu groups for %lld predictions", groups.size(), whole(predictions.size())));
  }
  const auto before = [](const std::string& a, const std::string& b) {
    return natural_less(a, b) || (!natural_less(b, a) && a < b);  // 007 is not 7
  };
  std::map<std::string, std::vector<std::int64_t>, decltype(before)> rows(before);
  for (std::size_t i = 0; i < groups.size(); ++i)
    rows[groups[i]].push_back(static_cast<std::int64_t>(i));
  check_slice_groups(column, rows.size());

  SliceTable table;
  table.column = std::move(column);
  for (const auto& [name, members] : rows) {
    table.groups.push_back(score(name, select_rows(predictions, members), options));
  }
  constexpr std::int64_t kFewest = 30;
  std::vector<Group> large;
  for (const Scored& group : table.groups) {
    if (group.metrics.n >= kFewest)
      large.push_back({&group, select_rows(predictions, rows[group.name])});
  }
  table.large_groups = large.size();
  table.gap = widest_gap(large, options);
  return table;
}

std::optional<CoveragePoint> marked_threshold(const Evaluation& evaluation) {
  if (evaluation.uncertain && evaluation.uncertain->coverage == 0) return std::nullopt;
  if (evaluation.uncertain || evaluation.thresholds.empty()) return evaluation.uncertain;
  return evaluation.thresholds.front().point;
}

ConfidenceCheck check_confidence(const Predictions& predictions, const BootstrapOptions& options) {
  const std::int64_t n = predictions.size();
  if (n == 0) fail_input("there are no predictions to evaluate");
  std::vector<double> confidences;
  ConfidenceCheck check;
  double squares = 0, by_confidence = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const int predicted = predictions.predicted(i);
    const double confidence = predictions.row(i)[predicted];
    const double excess = confidence - (predicted == predictions.truth[i] ? 1 : 0);
    confidences.push_back(confidence);
    check.excess += excess / static_cast<double>(n);
    squares += excess * excess / static_cast<double>(n);
    by_confidence += confidence * (1 - confidence) / static_cast<double>(n);
  }
  // Few answers that are all right vary less than their own confidence says they do.
  const double variance = std::max(by_confidence, squares - check.excess * check.excess);
  constexpr double kNormal95 = 1.959964;
  const double half = kNormal95 * std::sqrt(variance / static_cast<double>(n));
  check.interval = {check.excess - half, check.excess + half};

  constexpr int kDraws = 1000;
  std::vector<double> errors(kDraws);
  parallel_for(kDraws, [&](std::int64_t draw) {
    Rng rng{options.seed, static_cast<std::uint64_t>(draw), 2};
    std::array<double, kCalibrationBins> bins{};
    for (const double confidence : confidences) {
      const double right = rng.uniform() < confidence ? 1 : 0;
      bins[static_cast<std::size_t>(confidence_bin(confidence))] += confidence - right;
    }
    for (const double difference : bins)
      errors[static_cast<std::size_t>(draw)] += std::abs(difference) / static_cast<double>(n);
  });
  std::ranges::sort(errors);
  check.ece_by_chance = errors[kDraws * 95 / 100];
  return check;
}

Evaluation evaluate(const Predictions& predictions, double uncertain_below,
                    const BootstrapOptions& options) {
  Evaluation result;
  result.bootstrap = options;
  result.all = score("all", predictions, options);
  result.reliability = reliability_bins(predictions);
  result.confidence = check_confidence(predictions, options);
  result.coverage = coverage_curve(predictions);
  for (const double wanted : {0.80, 0.90, 0.95}) {
    const auto point = uncertain_threshold(predictions, wanted);
    if (point && point->coverage < 1) result.thresholds.push_back({wanted, *point});
  }
  if (uncertain_below > 0) result.uncertain = coverage_at(predictions, uncertain_below);
  return result;
}

std::vector<std::string> in_words(const Evaluation& e) {
  const Metrics& m = e.all.metrics;
  std::vector<std::string> words;
  const ClassMetrics& commonest = largest_class(m);
  words.push_back(format(
      "Of %lld faces %.1f %% get the right label (%.0f %% interval: %.1f to %.1f %%); always "
      "saying %s would be right for %.1f %%.",
      whole(m.n), 100 * m.accuracy, 100 * e.bootstrap.level, 100 * e.all.intervals.low.accuracy,
      100 * e.all.intervals.high.accuracy, commonest.label.c_str(),
      100 * static_cast<double>(commonest.support) / static_cast<double>(m.n)));

  const ClassMetrics *best = nullptr, *worst = nullptr;
  std::size_t truth = 0, taken_for = 0;
  std::int64_t most = 0;
  for (std::size_t t = 0; t < m.classes.size(); ++t) {
    if (m.classes[t].support == 0) continue;
    if (!best || m.classes[t].f1 > best->f1) best = &m.classes[t];
    if (!worst || m.classes[t].f1 < worst->f1) worst = &m.classes[t];
    for (std::size_t p = 0; p < m.classes.size(); ++p) {
      if (p == t || m.confusion[t][p] <= most) continue;
      most = m.confusion[t][p];
      truth = t;
      taken_for = p;
    }
  }
  if (best != worst) {
    words.push_back(format("It is best at %s (F1 %.2f) and weakest at %s (F1 %.2f).",
                           best->label.c_str(), best->f1, worst->label.c_str(), worst->f1));
  }
  if (most > 0) {
    words.push_back(format("Its most frequent mistake is to take %s for %s: %lld of %lld.",
                           m.classes[truth].label.c_str(), m.classes[taken_for].label.c_str(),
                           whole(most), whole(m.classes[truth].support)));
  }

  words.push_back(confidence_sentence(e));
  if (e.uncertain && e.uncertain->coverage == 0) {
    words.push_back(format("With answers below %.2f read as uncertain, no face gets an answer.",
                           e.uncertain->threshold));
  } else if (e.uncertain) {
    words.push_back(
        format("With answers below %.2f read as uncertain, %.0f %% of the faces get an answer and "
               "%.1f %% of the answers are right.",
               e.uncertain->threshold, 100 * e.uncertain->coverage, 100 * e.uncertain->accuracy));
  } else if (!e.thresholds.empty()) {
    const Threshold& first = e.thresholds.front();
    words.push_back(
        format("Here answers of %.2f confidence or more are right %.0f %% of the time, and %.0f %% "
               "of the faces get one; chosen on these faces, that threshold flatters itself.",
               first.point.threshold, 100 * first.point.accuracy, 100 * first.point.coverage));
  }
  for (const Scored& part : e.parts) {
    std::string name = part.name;
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    words.push_back(name + format(": %.1f %% of %lld are right (%.1f to %.1f %%).",
                                  100 * part.metrics.accuracy, whole(part.metrics.n),
                                  100 * part.intervals.low.accuracy,
                                  100 * part.intervals.high.accuracy));
  }
  for (const SliceTable& table : e.slices) {
    if (!table.gap && table.large_groups < 2) {
      words.push_back("By " + table.column +
                      " fewer than two groups have 30 faces: no gap between them is told.");
    }
    if (!table.gap) continue;
    words.push_back(format(
        "By %s, accuracy is %.1f points higher for %s than for %s [%.1f, %.1f]; %s (%s).",
        table.column.c_str(), 100 * table.gap->difference, table.gap->better.c_str(),
        table.gap->worse.c_str(), 100 * table.gap->interval.low, 100 * table.gap->interval.high,
        table.gap->p_value < 0.05 ? "chance alone would rarely set these groups so far apart"
                                  : "among these groups that may be chance",
        p_value_text(table.gap->p_value).c_str()));
  }
  for (const Rival& rival : e.rivals) {
    words.push_back(in_words(rival.comparison, e.model, rival.name) + ".");
  }
  words.insert(words.end(), e.notes.begin(), e.notes.end());
  return words;
}

}  // namespace fer
