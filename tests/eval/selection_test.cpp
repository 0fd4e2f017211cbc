#include "fer/eval/selection.h"

#include <catch2/catch.hpp>

#include "eval/support.h"
#include "fer/core/error.h"

using namespace fer;
using test::make_predictions;

TEST_CASE("rows are selected in the order asked for") {
  const Predictions all = make_predictions({"a", "b"}, {{0, 0}, {1, 0}, {1, 1}});
  const std::vector<std::int64_t> rows = {2, 0, 0};
  const Predictions some = select_rows(all, rows);
  CHECK(some.truth == std::vector<int>{1, 0, 0});
  CHECK(some.predicted(0) == 1);
  const std::vector<std::int64_t> beyond = {3};
  CHECK_THROWS_WITH(select_rows(all, beyond), Catch::Contains("row 3 of 3"));
}

TEST_CASE("some labels of a head: the best among them, other rows dropped") {
  Predictions seven{{"angry", "disgusted", "happy"}, {}, {}};
  seven.add(0, std::vector<float>{0.3f, 0.5f, 0.2f});  // disgusted leaves: angry is best
  seven.add(1, std::vector<float>{0.1f, 0.8f, 0.1f});  // dropped
  seven.add(2, std::vector<float>{0.4f, 0.4f, 0.2f});
  const Predictions two = restrict_labels(seven, {"happy", "angry"});
  CHECK(two.labels == LabelList{"happy", "angry"});
  CHECK(two.truth == std::vector<int>{1, 0});
  CHECK(two.predicted(0) == 1);
  CHECK(two.row(0)[1] == Approx(0.6));
  CHECK(two.row(1)[0] == Approx(1.0 / 3));
  CHECK(rows_of_labels(seven, {"happy", "angry"}) == std::vector<std::int64_t>{0, 2});
}

TEST_CASE("an answer that leaves nothing for the labels is spread over them") {
  Predictions predictions{{"a", "b", "c"}, {}, {}};
  predictions.add(0, std::vector<float>{0, 0, 1});
  const Predictions two = restrict_labels(predictions, {"a", "b"});
  CHECK(two.row(0)[0] == 0.5f);
  CHECK(two.row(0)[1] == 0.5f);
}

TEST_CASE("labels that do not exist or have no rows are refused") {
  const Predictions predictions = make_predictions({"angry", "happy", "sad"}, {{0, 0}, {1, 1}});
  CHECK_THROWS_WITH(restrict_labels(predictions, {"angry", "hapy"}),
                    Catch::Contains("did you mean 'happy'"));
  CHECK_THROWS_WITH(restrict_labels(predictions, {"sad"}),
                    Catch::Contains("no sample is one of sad"));
}

TEST_CASE("an ensemble is the mean of its members") {
  Predictions a{{"x", "y"}, {}, {}}, b = a;
  a.add(0, std::vector<float>{0.4f, 0.6f});
  b.add(0, std::vector<float>{0.8f, 0.2f});
  const std::vector<Predictions> both = {a, b};
  const Predictions mean = average(both);
  CHECK(mean.row(0)[0] == Approx(0.6));
  CHECK(mean.predicted(0) == 0);
  Predictions other{{"x", "y"}, {}, {}};
  other.add(1, std::vector<float>{0.8f, 0.2f});
  CHECK_THROWS_WITH(average(std::vector<Predictions>{a, other}), Catch::Contains("other samples"));
  other.labels = {"y", "x"};
  CHECK_THROWS_WITH(average(std::vector<Predictions>{a, other}), Catch::Contains("other labels"));
  CHECK_THROWS_AS(average({}), Error);
}

TEST_CASE("mistakes are ranked by confidence, right answers are none") {
  Predictions predictions{{"a", "b"}, {}, {}};
  for (const auto& [truth, p] : {std::pair{1, 0.7f}, {0, 0.99f}, {1, 0.9f}, {1, 0.55f}}) {
    predictions.add(truth, std::vector<float>{p, 1 - p});
  }
  CHECK(worst_mistakes(predictions, 2) == std::vector<std::int64_t>{2, 0});
  CHECK(most_uncertain_mistakes(predictions, 9) == std::vector<std::int64_t>{3, 0, 2});
}
