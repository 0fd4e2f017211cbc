#include "fer/eval/calibration.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "eval/support.h"
#include "fer/core/error.h"

using namespace fer;
using test::make_predictions;

TEST_CASE("confidence bins are half-open from below") {
  CHECK(confidence_bin(0.0, 10) == 0);
  CHECK(confidence_bin(0.1, 10) == 0);
  CHECK(confidence_bin(0.1001, 10) == 1);
  CHECK(confidence_bin(1.0, 10) == 9);
}

TEST_CASE("reliability bins hold counts, mean confidence and accuracy, and add up to the error") {
  Predictions predictions{{"a", "b"}, {}, {}};
  for (const auto& [truth, p] :
       {std::pair{0, 0.9f}, {1, 0.95f}, {0, 0.55f}, {0, 0.6f}, {1, 0.6f}}) {
    predictions.add(truth, std::vector<float>{p, 1 - p});
  }
  const auto bins = reliability_bins(predictions, 5);
  REQUIRE(bins.size() == 5);
  CHECK(bins[4].count == 2);
  CHECK(bins[4].confidence == Approx(0.925));
  CHECK(bins[4].accuracy == Approx(0.5));
  CHECK(bins[2].count == 1);  // 0.55; 0.6 as a float lies above 3/5
  CHECK(bins[3].count == 2);
  CHECK(bins[0].count == 0);
  const Predictions many = test::calibrated_predictions({"a", "b", "c"}, 1000, 4, 2.0);
  double error = 0;
  for (const ReliabilityBin& bin : reliability_bins(many)) {
    error += static_cast<double>(bin.count) / 1000 * std::abs(bin.accuracy - bin.confidence);
  }
  CHECK(error == Approx(compute_metrics(many).ece));
}

TEST_CASE("the fitted temperature is scipy's, and the one that was put in") {
  CHECK(fit_temperature(test::sklearn_predictions()) ==
        Approx(test::sklearn_figures()["temperature"].get<double>()).epsilon(1e-5));
  for (const double sharpness : {0.5, 1.0, 2.5}) {
    const Predictions sharpened =
        test::calibrated_predictions({"a", "b", "c", "d", "e"}, 8000, 5, sharpness);
    CHECK(fit_temperature(sharpened) == Approx(sharpness).epsilon(0.06));
  }
}

TEST_CASE("a temperature changes confidence and no answer") {
  const Predictions sharp = test::calibrated_predictions({"a", "b", "c", "d"}, 3000, 6, 2.0);
  const double temperature = fit_temperature(sharp);
  const Predictions mended = apply_temperature(sharp, temperature);
  for (std::int64_t i = 0; i < sharp.size(); ++i) {
    REQUIRE(mended.predicted(i) == sharp.predicted(i));
    double sum = 0;
    for (const float p : mended.row(i)) sum += p;
    REQUIRE(sum == Approx(1).epsilon(1e-5));
  }
  const Metrics before = compute_metrics(sharp), after = compute_metrics(mended);
  CHECK(after.ece < 0.03);
  CHECK(before.ece > 0.08);
  CHECK(after.nll < before.nll);
  CHECK(after.accuracy == before.accuracy);
  CHECK(fit_temperature(mended) == Approx(1).epsilon(1e-3));
  // The minimum: a little warmer and a little cooler are both worse.
  for (const double other : {0.98, 1.02}) {
    CHECK(compute_metrics(apply_temperature(sharp, other * temperature)).nll > after.nll);
  }
}

TEST_CASE("extreme predictions have a temperature within its bounds") {
  const Predictions right = make_predictions({"a", "b"}, {{0, 0}, {1, 1}}, 1.0f);
  CHECK(fit_temperature(right) == Approx(0.05));
  CHECK(fit_temperature(make_predictions({"a", "b"}, {{0, 1}, {1, 0}}, 1.0f)) == Approx(20));
  const Predictions cooled = apply_temperature(right, 0.05);
  CHECK(cooled.row(0)[0] == 1);
  CHECK_THROWS_AS(fit_temperature(Predictions{{"a"}, {}, {}}), Error);
  CHECK_THROWS_AS(apply_temperature(right, 0), Error);
}

TEST_CASE("the coverage curve goes from the surest answer to all of them") {
  Predictions predictions{{"a", "b"}, {}, {}};
  for (const auto& [truth, p] : {std::pair{0, 0.9f}, {0, 0.8f}, {1, 0.8f}, {0, 0.7f}, {1, 0.6f}}) {
    predictions.add(truth, std::vector<float>{p, 1 - p});
  }
  const auto curve = coverage_curve(predictions);
  REQUIRE(curve.size() == 4);  // equal confidence comes together
  CHECK(curve[0].coverage == Approx(0.2));
  CHECK(curve[0].accuracy == 1);
  CHECK(curve[1].threshold == Approx(0.8));
  CHECK(curve[1].coverage == Approx(0.6));
  CHECK(curve[1].accuracy == Approx(2.0 / 3));
  CHECK(curve[3].coverage == 1);
  CHECK(curve[3].accuracy == Approx(compute_metrics(predictions).accuracy));
  CHECK(coverage_at(predictions, 0.75).coverage == Approx(0.6));
  CHECK(coverage_at(predictions, 0.75).accuracy == Approx(2.0 / 3));
  CHECK(coverage_at(predictions, 0.95).coverage == 0);
}

TEST_CASE("a long coverage curve is thinned evenly and keeps its end") {
  const Predictions predictions = test::calibrated_predictions({"a", "b", "c"}, 5000, 8);
  const auto curve = coverage_curve(predictions, 50);
  REQUIRE(curve.size() == 50);
  for (std::size_t k = 0; k < curve.size(); ++k)
    CHECK(curve[k].coverage == Approx((k + 1) / 50.0).margin(0.001));
  CHECK(curve.back().coverage == 1);
  CHECK(curve.front().accuracy > curve.back().accuracy);
}

TEST_CASE("a coverage curve is thinned evenly behind many answers of one confidence, too") {
  Predictions predictions{{"a", "b"}, {}, {}};
  for (int i = 0; i < 500; ++i) predictions.add(0, std::vector<float>{1, 0});
  for (int i = 0; i < 500; ++i) {
    const float p = 0.99f - 0.0009f * static_cast<float>(i);
    predictions.add(0, std::vector<float>{p, 1 - p});
  }
  std::vector<double> coverages;
  for (const CoveragePoint& point : coverage_curve(predictions, 10))
    coverages.push_back(point.coverage);
  REQUIRE(coverages.size() == 6);
  for (std::size_t k = 0; k < 6; ++k)
    CHECK(coverages[k] == Approx(0.5 + 0.1 * static_cast<double>(k)));
}

TEST_CASE("the threshold for uncertain is the lowest that gives the wanted accuracy") {
  const Predictions predictions = test::calibrated_predictions({"a", "b", "c", "d"}, 4000, 9);
  const auto point = uncertain_threshold(predictions, 0.8);
  REQUIRE(point);
  CHECK(point->accuracy >= 0.8);
  CHECK(point->coverage < 1);
  const CoveragePoint same = coverage_at(predictions, point->threshold);
  CHECK(same.accuracy == Approx(point->accuracy));
  CHECK(same.coverage == Approx(point->coverage));
  for (const CoveragePoint& other : coverage_curve(predictions, 4000)) {
    if (other.threshold < point->threshold) CHECK(other.accuracy < 0.8);
  }
  // 20 right answers in a row are no proof.
  std::vector<std::pair<int, int>> few(20, {0, 0});
  CHECK_FALSE(uncertain_threshold(make_predictions({"a", "b"}, few), 0.9));
  few.resize(40, {1, 0});
  CHECK_FALSE(uncertain_threshold(make_predictions({"a", "b"}, few), 0.9));
}

TEST_CASE("a head's spec is calibrated in its own labels, a mixed head by itself") {
  ModelSpec spec;
  spec.heads = {{"one", {"a", "b", "c"}, 1.5f, 0.0f}, {"two", {"x", "y"}, 1.0f, 0.0f}};
  spec.mixed_heads = {{"mix", {"a", "b", "c"}, {{"one", 1.0f}}, 0.5f, 0.0f}};
  const Predictions sharp = test::calibrated_predictions({"a", "b", "c"}, 6000, 8, 2.0);
  const ModelSpec fitted = calibrated(spec, "one", sharp, 0.9);
  CHECK(fitted.heads[0].temperature == Approx(3.0).epsilon(0.06));
  const float threshold = fitted.heads[0].uncertain_below;
  const CoveragePoint point =
      coverage_at(apply_temperature(sharp, fit_temperature(sharp)), threshold);
  CHECK(point.accuracy >= 0.9);
  CHECK(point.accuracy < 0.91);
  CHECK(point.coverage < 1);
  CHECK(fitted.heads[1] == spec.heads[1]);
  CHECK(fitted.mixed_heads == spec.mixed_heads);

  const ModelSpec mixed = calibrated(spec, "mix", sharp, 0.9);
  CHECK(mixed.heads == spec.heads);
  CHECK(mixed.mixed_heads[0].temperature == Approx(1.0).epsilon(0.06));
  CHECK(mixed.mixed_heads[0].uncertain_below == threshold);
  // All answers are that good, or none.
  CHECK(calibrated(spec, "one", sharp, 0.05).heads[0].uncertain_below == 0);
  CHECK_THROWS_WITH(calibrated(spec, "two", sharp, 0.9), Catch::Contains("x, y"));
  // Where nothing can be told nothing is changed.
  const LabelList abc = {"a", "b", "c"};
  CHECK_THROWS_WITH(calibrated(spec, "one", test::calibrated_predictions(abc, 29, 8), 0.9),
                    Catch::Contains("29 faces are too few"));
  const Predictions right = make_predictions(abc, std::vector(40, std::pair(1, 1)));
  CHECK_THROWS_WITH(calibrated(spec, "one", right, 0.9),
                    Catch::Contains("all 40 answers are right"));
  Predictions nearly = right;
  nearly.add(1, std::vector<float>(3, 1.0f / 3));  // a tie, which is wrong
  CHECK_THROWS_WITH(calibrated(spec, "one", nearly, 0.9), Catch::Contains("as if there could be"));
  Predictions anti{abc, {}, {}};
  for (int i = 0; i < 60; ++i)
    anti.add(i % 3, std::vector<float>{i % 3 == 0 ? 0.1f : 0.45f, i % 3 == 1 ? 0.1f : 0.45f,
                                       i % 3 == 2 ? 0.1f : 0.45f});
  CHECK_THROWS_WITH(calibrated(spec, "one", anti, 0.9), Catch::Contains("worse than guessing"));
  std::vector<std::pair<int, int>> halves;
  for (int i = 0; i < 60; ++i) halves.emplace_back(i % 2, 1);
  CHECK(calibrated(spec, "one", make_predictions(abc, halves), 0.9).heads[0].uncertain_below == 0);
  spec.heads[0].uncertain_below = 0.5f;  // which is not given up in silence
  CHECK_THROWS_WITH(calibrated(spec, "one", make_predictions(abc, halves), 0.9),
                    Catch::Contains("no part of 30 answers or more is right in 90 %"));
}
