#include "fer/eval/comparison.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "eval/support.h"
#include "fer/core/error.h"

using namespace fer;
using test::make_predictions;

TEST_CASE("McNemar's test gives scipy's figures") {
  const nlohmann::json& figures = test::sklearn_figures()["mcnemar"];
  const Comparison comparison =
      compare(test::sklearn_predictions(), test::sklearn_predictions("other_probabilities"),
              {.resamples = 200});
  CHECK(comparison.mcnemar.only_first == figures["only_first"].get<int>());
  CHECK(comparison.mcnemar.only_second == figures["only_second"].get<int>());
  CHECK(comparison.mcnemar.p_value == Approx(figures["exact"].get<double>()).epsilon(1e-9));
  CHECK(mcnemar_corrected(figures["only_first"], figures["only_second"]) ==
        Approx(figures["corrected"].get<double>()).epsilon(1e-9));
}

TEST_CASE("McNemar's test worked out by hand") {
  CHECK(mcnemar_exact(0, 0) == 1);
  CHECK(mcnemar_corrected(0, 0) == 1);
  CHECK(mcnemar_exact(3, 3) == 1);
  CHECK(mcnemar_exact(0, 5) == Approx(2.0 / 32));
  CHECK(mcnemar_exact(8, 1) == Approx(2.0 * (1 + 9) / 512));
  CHECK(mcnemar_exact(2, 7) == mcnemar_exact(7, 2));
  CHECK(mcnemar_exact(520, 460) == Approx(mcnemar_corrected(520, 460)).epsilon(0.01));
}

TEST_CASE("a model compared with itself is no better and no worse") {
  const Predictions predictions = test::sklearn_predictions();
  const Comparison comparison = compare(predictions, predictions, {.resamples = 100});
  CHECK(comparison.mcnemar.p_value == 1);
  REQUIRE(comparison.differences.size() == metric_names().size());
  for (const MetricDifference& d : comparison.differences) {
    CHECK(d.difference == 0);
    CHECK(d.interval.low == 0);
    CHECK(d.interval.high == 0);
  }
  CHECK(in_words(comparison, "x", "y") == "x and y are right equally often");
}

TEST_CASE("a pair on the same faces shows a difference that two separate intervals would hide") {
  // Both right on 600 of 1000; the second also on 30 more.
  std::vector<std::pair<int, int>> first, second;
  for (int i = 0; i < 1000; ++i) {
    first.push_back({i % 2, i < 600 ? i % 2 : 1 - i % 2});
    second.push_back({i % 2, i < 630 ? i % 2 : 1 - i % 2});
  }
  const Comparison comparison =
      compare(make_predictions({"a", "b"}, first), make_predictions({"a", "b"}, second));
  const MetricDifference& accuracy = comparison.differences.front();
  CHECK(accuracy.name == "accuracy");
  CHECK(accuracy.difference == Approx(0.03));
  // The paired difference is a share of 30 in 1000: 0.03 +- 1.96 sqrt(0.03 * 0.97 / 1000).
  CHECK(accuracy.interval.low == Approx(0.0194).margin(0.002));
  CHECK(accuracy.interval.high == Approx(0.0406).margin(0.002));
  CHECK(comparison.mcnemar.p_value == Approx(std::pow(0.5, 29)).epsilon(1e-6));
  CHECK(in_words(comparison, "old", "new") ==
        "new is right more often than old by 3.0 points [2.0, 4.1]; chance alone would rarely do "
        "that (p < 0.001)");
}

TEST_CASE("a few faces on which two models differ are told with the room that they leave") {
  const auto models = [](int first_right, int second_right, int n) {
    std::vector<std::pair<int, int>> first, second;
    for (int i = 0; i < n; ++i) {
      first.push_back({0, i < first_right ? 0 : 1});
      second.push_back({0, i < second_right ? 0 : 1});
    }
    return compare(make_predictions({"a", "b"}, first), make_predictions({"a", "b"}, second, 0.7f))
        .differences.front()
        .interval;
  };
  // McNemar's p is .125: no interval that leaves 0 out. 4 of 30: [.0376, .3072]; 0 of 30: [0,
  // .1157].
  const Interval four = models(30, 26, 30);
  CHECK(four.low == Approx(-0.3072).margin(1e-4));
  CHECK(four.high == Approx(-4 / 30.0 + std::hypot(4 / 30.0 - 0.0376, 0.1157)).margin(1e-4));
  CHECK(four.high > 0);
  const Interval none = models(25, 25, 30);  // as right as each other, not as sure
  CHECK(none.high == Approx(0.1157).margin(1e-4));
  CHECK(none.low == -none.high);
}

TEST_CASE("the words follow the better model, whichever comes first") {
  Comparison comparison;
  comparison.differences = {{"accuracy", 0.62, 0.60, -0.02, {-0.05, 0.01}}};
  comparison.mcnemar.p_value = 0.21;
  CHECK(in_words(comparison, "a", "b") ==
        "a is right more often than b by 2.0 points [-1.0, 5.0]; that may be chance (p = 0.210)");
}

TEST_CASE("only predictions of the same faces and labels are compared") {
  const Predictions predictions = make_predictions({"a", "b"}, {{0, 0}, {1, 0}});
  CHECK_THROWS_WITH(compare(predictions, make_predictions({"a", "b"}, {{0, 0}, {0, 0}})),
                    Catch::Contains("other samples"));
  CHECK_THROWS_WITH(compare(predictions, make_predictions({"b", "a"}, {{0, 0}, {1, 0}})),
                    Catch::Contains("other labels"));
}
