#include "fer/eval/comparison.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/eval/bootstrap.h"

namespace fer {

double mcnemar_exact(std::int64_t only_first, std::int64_t only_second) {
  const auto n = static_cast<double>(only_first + only_second);
  double tail = 0;  // of a fair coin, up to the smaller side
  for (std::int64_t k = 0; k <= std::min(only_first, only_second); ++k) {
    const auto heads = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(heads + 1) - std::lgamma(n - heads + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

double mcnemar_corrected(std::int64_t only_first, std::int64_t only_second) {
  const auto n = static_cast<double>(only_first + only_second);
  if (n == 0) return 1;
  const double distance =
      std::max(0.0, std::abs(static_cast<double>(only_first - only_second)) - 1);
  return std::erfc(std::sqrt(distance * distance / n / 2));  // chi-squared of one degree
}

Comparison compare(const Predictions& first, const Predictions& second,
                   const BootstrapOptions& options) {
  if (first.labels != second.labels) {
    fail_input("models of other labels: " + join(first.labels, ", ") + " and " +
               join(second.labels, ", "));
  }
  if (first.truth != second.truth) fail_input("predictions of other samples cannot be compared");
  const MetricTable first_table(first), second_table(second);
  const std::vector<std::string> names = metric_names();
  const Metrics a = first_table.metrics(), b = second_table.metrics();
  auto values = bootstrap(
      first_table.size(), names.size(),
      [&](std::span<const std::int32_t> drawn, std::span<double> out) {
        const std::vector<double> x = numbers_of(first_table.metrics(drawn));
        const std::vector<double> y = numbers_of(second_table.metrics(drawn));
        for (std::size_t k = 0; k < out.size(); ++k) out[k] = y[k] - x[k];
      },
      options);

  Comparison result;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const double x = metric_value(a, names[k]), y = metric_value(b, names[k]);
    result.differences.push_back(
        {names[k], x, y, y - x, percentile_interval(values[k], options.level)});
  }
  McNemar& test = result.mcnemar;
  for (std::int64_t i = 0; i < first.size(); ++i) {
    const bool first_right = first.predicted(i) == first.truth[i];
    const bool second_right = second.predicted(i) == second.truth[i];
    test.only_first += first_right && !second_right;
    test.only_second += second_right && !first_right;
  }
  if (test.only_first + test.only_second < kEnoughForResamples &&
      first.probabilities != second.probabilities) {  // else it is the same model
    const std::int64_t n = first.size();
    const auto share = [&](std::int64_t hits) {
      return static_cast<double>(hits) / static_cast<double>(n);
    };
    const Interval wide = difference_interval(
        share(test.only_second), exact_interval(test.only_second, n, options.level),
        share(test.only_first), exact_interval(test.only_first, n, options.level));
    for (MetricDifference& d : result.differences) {
      if (d.name != "accuracy" && d.name != "weighted_recall") continue;  // the same number
      d.interval = {std::min(d.interval.low, wide.low), std::max(d.interval.high, wide.high)};
    }
  }
  constexpr std::int64_t kExactUpTo = 10'000;
  test.p_value = test.only_first + test.only_second <= kExactUpTo
                     ? mcnemar_exact(test.only_first, test.only_second)
                     : mcnemar_corrected(test.only_first, test.only_second);
  return result;
}

std::string p_value_text(double p) { return p < 0.001 ? "p < 0.001" : format("p = %.3f", p); }

std::string in_words(const Comparison& comparison, const std::string& first,
                     const std::string& second) {
  const MetricDifference& accuracy = comparison.differences.front();
  const bool second_leads = accuracy.difference > 0;
  const double sign = second_leads ? 100 : -100;
  const double low = sign * (second_leads ? accuracy.interval.low : accuracy.interval.high);
  const double high = sign * (second_leads ? accuracy.interval.high : accuracy.interval.low);
  const double p = comparison.mcnemar.p_value;
  if (accuracy.difference == 0) return first + " and " + second + " are right equally often";
  return format("%s is right more often than %s by %.1f points [%.1f, %.1f]; ",
                (second_leads ? second : first).c_str(), (second_leads ? first : second).c_str(),
                sign * accuracy.difference, low, high) +
         (p < 0.05 ? "chance alone would rarely do that (" : "that may be chance (") +
         p_value_text(p) + ")";
}

}  // namespace fer
