#include "fer/eval/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <limits>

#include "eval/support.h"
#include "fer/core/error.h"
#include "fer/eval/bootstrap.h"

using namespace fer;
using test::make_predictions;

namespace {

Interval accuracy_interval(const Predictions& predictions, int resamples = 10'000,
                           std::uint64_t seed = 0, double level = 0.95) {
  std::vector<double> values = resampled_accuracy(predictions, {resamples, seed, level});
  return percentile_interval(values, level);
}

Interval accuracy_bounds(const Predictions& predictions) {
  const MetricIntervals all = bootstrap_metrics(predictions, {.resamples = 500});
  return {all.low.accuracy, all.high.accuracy};
}

}  // namespace

TEST_CASE("metrics of a small table equal those worked out by hand") {
  // truth a: a a a b; truth b: b b c; truth c: c a
  const Predictions predictions = make_predictions(
      {"a", "b", "c"}, {{0, 0}, {0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 1}, {1, 2}, {2, 2}, {2, 0}});
  const Metrics m = compute_metrics(predictions);
  CHECK(m.n == 9);
  CHECK(m.confusion == std::vector<std::vector<std::int64_t>>{{3, 1, 0}, {0, 2, 1}, {1, 0, 1}});
  CHECK(m.accuracy == Approx(6.0 / 9));
  CHECK(m.classes[0].precision == Approx(3.0 / 4));
  CHECK(m.classes[0].recall == Approx(3.0 / 4));
  CHECK(m.classes[1].precision == Approx(2.0 / 3));
  CHECK(m.classes[1].recall == Approx(2.0 / 3));
  CHECK(m.classes[2].f1 == Approx(0.5));
  CHECK(m.classes[2].support == 2);
  CHECK(m.balanced_accuracy == Approx((0.75 + 2.0 / 3 + 0.5) / 3));
  CHECK(m.macro_f1 == Approx((0.75 + 2.0 / 3 + 0.5) / 3));
  CHECK(m.weighted_f1 == Approx((0.75 * 4 + 2.0 / 3 * 3 + 0.5 * 2) / 9));
  // Chance: (4*4 + 3*3 + 2*2) / 81 = 29/81; kappa = (54 - 29) / (81 - 29).
  CHECK(m.kappa == Approx(25.0 / 52));
  CHECK(m.nll == Approx(-(6 * std::log(0.8) + 3 * std::log(0.1)) / 9).epsilon(1e-6));
  CHECK(m.brier == Approx((6 * (0.04 + 0.02) + 3 * (0.64 + 0.81 + 0.01)) / 9).epsilon(1e-6));
  CHECK(m.ece == Approx(0.8 - 6.0 / 9).epsilon(1e-6));  // all in one bin
  // Of the equal rest the lower index is second: a behind b counts, b behind c and c behind a do
  // not.
  CHECK(m.top2_accuracy == Approx((6 + 1) / 9.0));
}

TEST_CASE("every metric equals scikit-learn's") {
  const nlohmann::json& figures = test::sklearn_figures();
  const Metrics m = compute_metrics(test::sklearn_predictions());
  for (const std::string& name : metric_names()) {
    INFO(name);
    CHECK(metric_value(m, name) == Approx(figures["metrics"].at(name).get<double>()).epsilon(1e-9));
  }
  CHECK(figures["metrics"].size() == metric_names().size());
  CHECK(m.confusion == figures["confusion"].get<std::vector<std::vector<std::int64_t>>>());
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    CHECK(m.classes[c].precision == Approx(figures["precision"][c].get<double>()));
    CHECK(m.classes[c].recall == Approx(figures["recall"][c].get<double>()));
    CHECK(m.classes[c].f1 == Approx(figures["f1"][c].get<double>()));
    CHECK(m.classes[c].support == figures["support"][c].get<std::int64_t>());
  }
}

TEST_CASE("a class that never occurs changes no average") {
  const std::vector<std::pair<int, int>> answers = {{0, 0}, {0, 1}, {1, 1}, {1, 1}};
  const Metrics two = compute_metrics(make_predictions({"a", "b"}, answers));
  const Metrics three = compute_metrics(make_predictions({"a", "b", "never"}, answers));
  CHECK(three.macro_f1 == Approx(two.macro_f1));
  CHECK(three.macro_precision == Approx(two.macro_precision));
  CHECK(three.balanced_accuracy == Approx(two.balanced_accuracy));
  CHECK(three.kappa == Approx(two.kappa));
  CHECK(three.classes[2].f1 == 0);
}

TEST_CASE("metrics of extreme tables are defined") {
  const Metrics one_class = compute_metrics(make_predictions({"a", "b"}, {{0, 0}, {0, 0}}));
  CHECK(one_class.accuracy == 1);
  CHECK(one_class.kappa == 0);
  CHECK(one_class.macro_f1 == 1);
  const Metrics all_wrong = compute_metrics(make_predictions({"a", "b"}, {{0, 1}, {1, 0}}, 1.0f));
  CHECK(all_wrong.accuracy == 0);
  CHECK(all_wrong.nll == Approx(-std::log(1e-12)));
  CHECK(all_wrong.kappa == Approx(-1));
  CHECK(all_wrong.brier == Approx(2));
  CHECK(all_wrong.ece == Approx(1));
  CHECK_THROWS_WITH(compute_metrics(Predictions{{"a"}, {}, {}}), Catch::Contains("no predictions"));
  CHECK(metrics_from_confusion({"a", "b"}, {{0, 0}, {0, 0}}).accuracy == 0);
  for (const double number : numbers_of(metrics_from_confusion({"a", "b"}, {{0, 0}, {0, 0}}))) {
    CHECK(number == 0);
  }
}

TEST_CASE("predictions that do not fit are refused") {
  Predictions predictions{{"a", "b"}, {}, {}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(predictions.add(2, std::vector<float>{0.5f, 0.5f}), Error);
  CHECK_THROWS_AS(predictions.add(-1, std::vector<float>{0.5f, 0.5f}), Error);
  CHECK_THROWS_AS(predictions.add(0, std::vector<float>{1.0f}), Error);
  CHECK_THROWS_AS(predictions.add(0, std::vector<float>{nan, 0.5f}), Error);
  CHECK(predictions.size() == 0);
  predictions.truth = {0};
  CHECK_THROWS_AS(compute_metrics(predictions), Error);
  CHECK_THROWS_WITH(metric_value(Metrics(), "macro_fl"),
                    Catch::Contains("did you mean 'macro_f1'"));
}

TEST_CASE("a tie goes to the lower index") {
  Predictions predictions{{"a", "b", "c"}, {}, {}};
  predictions.add(1, std::vector<float>{0.2f, 0.4f, 0.4f});
  CHECK(predictions.predicted(0) == 1);
}

TEST_CASE("the bootstrap interval of the accuracy is the binomial one") {
  // 2512 of 3589 right: standard error sqrt(p (1 - p) / n), normal to three digits.
  std::vector<std::pair<int, int>> answers;
  for (int i = 0; i < 3589; ++i) answers.push_back({i % 2, i < 2512 ? i % 2 : 1 - i % 2});
  const Predictions predictions = make_predictions({"a", "b"}, answers);
  const double p = 2512.0 / 3589, error = std::sqrt(p * (1 - p) / 3589);
  const Interval interval = accuracy_interval(predictions);
  CHECK(interval.low == Approx(p - 1.96 * error).margin(0.0006));
  CHECK(interval.high == Approx(p + 1.96 * error).margin(0.0006));
  const Interval wide = accuracy_interval(predictions, 10'000, 0, 0.99);
  CHECK(wide.low == Approx(p - 2.576 * error).margin(0.001));
}

TEST_CASE("where all or none are right the interval is the exact binomial one") {
  // Of class a 3 of 3 are found, of b 4 of 5; c is answered twice and occurs never.
  const Predictions predictions =
      make_predictions({"a", "b", "c", "d"},
                       {{0, 0}, {0, 0}, {0, 0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 2}, {3, 2}});
  const MetricIntervals all = bootstrap_metrics(predictions);
  const auto& low = all.low.classes;
  const auto& high = all.high.classes;
  const double of_three = std::pow(0.025, 1.0 / 3);  // .292: Clopper and Pearson's table
  CHECK(low[0].recall == Approx(of_three));
  CHECK(high[0].recall == 1);
  CHECK(low[0].precision == Approx(of_three));
  CHECK(low[0].f1 == Approx(of_three));
  CHECK(high[0].f1 == 1);
  CHECK(low[1].recall > 0);
  CHECK(low[1].recall < 0.8);
  CHECK(low[1].precision == Approx(std::pow(0.025, 1.0 / 4)));
  CHECK(low[2].precision == 0);
  CHECK(high[2].precision == Approx(1 - std::pow(0.025, 1.0 / 2)));
  CHECK(std::isnan(low[2].recall));  // nothing to find
  CHECK(std::isnan(high[2].recall));
  CHECK(low[3].recall == 0);
  CHECK(high[3].recall == Approx(0.975));
  // Never answered: F1 = 2 TP / (support + answers) is at most that of a precision of 1.
  CHECK(low[3].f1 == 0);
  CHECK(high[3].f1 == Approx(2 * 0.975 / 1.975));

  const MetricIntervals perfect =
      bootstrap_metrics(make_predictions({"a", "b"}, {{0, 0}, {1, 1}}), {.resamples = 100});
  CHECK(perfect.low.accuracy == Approx(std::sqrt(0.025)));
  CHECK(perfect.high.accuracy == 1);
  // What is the same number has the same bounds, and what is made of the classes theirs.
  CHECK(perfect.low.weighted_recall == perfect.low.accuracy);
  CHECK(perfect.low.top2_accuracy == 1);  // of two classes it always is
  CHECK(perfect.low.balanced_accuracy == Approx(0.025));
  CHECK(perfect.low.kappa == Approx(2 * std::sqrt(0.025) - 1));
  CHECK(perfect.high.kappa == 1);
}

TEST_CASE("one mistake more lowers the interval of a few, and never narrows it to a wrong one") {
  const auto bounds = [](int hits) {
    std::vector<std::pair<int, int>> answers;
    for (int i = 0; i < 30; ++i) answers.push_back({i % 2, i < hits ? i % 2 : 1 - i % 2});
    return accuracy_bounds(make_predictions({"a", "b"}, answers));
  };
  CHECK(bounds(29).low == Approx(exact_interval(29, 30, 0.95).low));
  for (int hits = 22; hits < 30; ++hits) {
    INFO(hits);
    CHECK(bounds(hits).low < bounds(hits + 1).low);
    CHECK(bounds(hits).low <= exact_interval(hits, 30, 0.95).low + 1e-12);
    CHECK(bounds(hits).high >= exact_interval(hits, 30, 0.95).high - 1e-12);
  }
}

TEST_CASE("kappa has no interval of resamples in which one class is all there is") {
  const auto two = make_predictions({"a", "b"}, {{0, 0}, {1, 1}});
  const MetricIntervals all = bootstrap_metrics(two, {.resamples = 200});
  CHECK(all.low.kappa > -1);  // not the 0 of a resample of one class
  CHECK(all.high.kappa == 1);
}

TEST_CASE("intervals are decided by the seed alone, not by the number of threads") {
  const Predictions predictions = test::sklearn_predictions();
  const auto bounds = [&](const char* threads, std::uint64_t seed) {
    ::setenv("OMP_NUM_THREADS", threads, 1);
    const Interval interval = accuracy_interval(predictions, 500, seed);
    ::unsetenv("OMP_NUM_THREADS");
    return std::pair(interval.low, interval.high);
  };
  CHECK(bounds("1", 0) == bounds("3", 0));
  CHECK(bounds("1", 0) != bounds("1", 1));
}

TEST_CASE(
    "the intervals of all metrics agree with the one of the accuracy and hold the estimates") {
  const Predictions predictions = test::calibrated_predictions({"a", "b", "c", "d"}, 2000, 3);
  const Metrics m = compute_metrics(predictions);
  const MetricIntervals all = bootstrap_metrics(predictions, {.resamples = 2000});
  const Interval accuracy = accuracy_interval(predictions, 2000);
  CHECK(all.low.accuracy == Approx(accuracy.low));
  CHECK(all.high.accuracy == Approx(accuracy.high));
  for (const std::string& name : metric_names()) {
    if (name == "ece") continue;  // biased upwards, as its comment says
    INFO(name);
    CHECK(metric_value(all.low, name) < metric_value(m, name));
    CHECK(metric_value(m, name) < metric_value(all.high, name));
  }
  for (std::size_t c = 0; c < 4; ++c) {
    CHECK(all.low.classes[c].recall < m.classes[c].recall);
    CHECK(m.classes[c].recall < all.high.classes[c].recall);
    // The recall of a class is a share of about `support` samples.
    const double r = m.classes[c].recall;
    const double error = std::sqrt(r * (1 - r) / static_cast<double>(m.classes[c].support));
    CHECK(all.high.classes[c].recall - all.low.classes[c].recall ==
          Approx(3.92 * error).epsilon(0.08));
  }
  // A mean's interval is the normal one: here of the Brier score, whose deviation is at most 2.
  CHECK(all.high.brier - all.low.brier < 3.92 * 2 / std::sqrt(2000.0));
}

TEST_CASE("about 95 of 100 intervals hold the true accuracy") {
  int held = 0;
  const int trials = 300, n = 200;
  Rng rng(12);
  for (int t = 0; t < trials; ++t) {
    std::vector<std::pair<int, int>> answers;
    for (int i = 0; i < n; ++i) answers.push_back({0, rng.uniform() < 0.7 ? 0 : 1});
    const Interval interval = accuracy_interval(make_predictions({"a", "b"}, answers), 500, t);
    held += interval.low <= 0.7 && 0.7 <= interval.high;
  }
  CHECK(held >= 300 * 0.91);
  CHECK(held <= 300 * 0.98);
}

TEST_CASE("ten thousand resamples of 3,589 predictions take well under a second") {
  const Predictions predictions = test::calibrated_predictions(*label_preset("fer2013"), 3589, 1);
  // Processor time of all threads: a busy machine does not matter.
  const std::clock_t start = std::clock();
  accuracy_interval(predictions);
  const std::clock_t middle = std::clock();
  bootstrap_metrics(predictions);
  const std::clock_t end = std::clock();
  const double accuracy = static_cast<double>(middle - start) / CLOCKS_PER_SEC;
  const double all = static_cast<double>(end - middle) / CLOCKS_PER_SEC;
  INFO("accuracy " << accuracy << " s, all " << all << " s");
#ifdef NDEBUG
  CHECK(accuracy < 0.5);
  CHECK(all < 1.0);
#endif
  CHECK(accuracy < all);
}

TEST_CASE("resampling that makes no sense is refused") {
  const Predictions predictions = make_predictions({"a", "b"}, {{0, 0}, {1, 0}});
  CHECK_THROWS_AS(accuracy_interval(predictions, 0), Error);
  CHECK_THROWS_AS(accuracy_interval(predictions, 10, 0, 1.0), Error);
  CHECK_THROWS_AS(accuracy_interval(Predictions{{"a"}, {}, {}}), Error);
}
