#include "fer/eval/evaluation.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "eval/support.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/eval/plot.h"
#include "fer/eval/report.h"
#include "fer/eval/selection.h"
#include "fer/eval/writers.h"
#include "support/temp_folder.h"

using namespace fer;
using test::make_predictions;

namespace {

const BootstrapOptions kFew = {.resamples = 200};

std::string row_name(std::int64_t i) { return "faces, part 1.csv row " + std::to_string(i + 2); }

Predictions over_confident() {
  return test::calibrated_predictions(*label_preset("six"), 600, 2, 2.0);
}

Evaluation full_evaluation(const Predictions& predictions) {
  Evaluation e = evaluate(predictions, 0.6, kFew);
  e.model = "a <b> & \"c\".safetensors";
  e.data = "faces";
  e.split = "test";
  e.head = "six";
  e.parts.push_back(
      score("without happy", restrict_labels(predictions, {"angry", "sad", "neutral"}), kFew));
  std::vector<std::string> groups;
  for (std::int64_t i = 0; i < predictions.size(); ++i)
    groups.push_back(i % 3 == 0 ? "young" : "old");
  e.slices.push_back(slice("age", predictions, groups, kFew));
  const Predictions other = apply_temperature(predictions, 2);
  e.rivals.push_back({"other", compute_metrics(other), compare(predictions, other, kFew)});
  return e;
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
    ++found;
  return found;
}

}  // namespace

TEST_CASE("groups are scored on their own rows, and the widest gap is named") {
  std::vector<std::pair<int, int>> answers;
  std::vector<std::string> groups;
  for (int i = 0; i < 300;
       ++i) {  // indoor 90 % right, outdoor 60 %, and five of a kind nobody knows
    const bool indoor = i < 150;
    answers.push_back({i % 2, i % 10 < (indoor ? 9 : 6) ? i % 2 : 1 - i % 2});
    groups.push_back(indoor ? "indoor" : "outdoor");
  }
  for (int i = 0; i < 5; ++i) {
    answers.push_back({0, 1});
    groups.push_back("");
  }
  const Predictions predictions = make_predictions({"a", "b"}, answers);
  const SliceTable table = slice("place", predictions, groups);
  REQUIRE(table.groups.size() == 3);
  CHECK(table.groups[0].metrics.n == 5);
  CHECK(table.groups[1].name == "indoor");
  CHECK(table.groups[1].metrics.accuracy == Approx(0.9));
  CHECK(table.groups[2].metrics.accuracy == Approx(0.6));
  REQUIRE(table.gap);
  CHECK(table.gap->better == "indoor");
  CHECK(table.gap->worse == "outdoor");
  CHECK(table.gap->difference == Approx(0.3));
  // Two independent shares: 0.3 +- 1.96 sqrt(0.9 * 0.1 / 150 + 0.6 * 0.4 / 150).
  CHECK(table.gap->interval.low == Approx(0.208).margin(0.015));
  CHECK(table.gap->interval.high == Approx(0.392).margin(0.015));
  CHECK(table.gap->p_value < 0.001);
  groups.pop_back();
  CHECK_THROWS_WITH(slice("place", predictions, groups), Catch::Contains("304 groups for 305"));
  std::vector<std::string> numbers;
  for (int i = 0; i < 305; ++i) numbers.push_back(std::to_string(i));
  CHECK_THROWS_WITH(slice("place", predictions, numbers),
                    Catch::Contains("has 305 different values"));
  const std::vector<std::string> one(305, "all");
  CHECK_FALSE(slice("place", predictions, one, kFew).gap);
}

TEST_CASE("a gap between small groups that are nearly always right has the room that they leave") {
  std::vector<std::pair<int, int>> answers;
  std::vector<std::string> groups;
  for (int i = 0; i < 80; ++i) {
    answers.push_back({0, i < 76 ? 0 : 1});
    groups.push_back(i < 40 ? "indoor" : "outdoor");
  }
  const auto gap = slice("place", make_predictions({"a", "b"}, answers), groups, kFew).gap;
  REQUIRE(gap);
  CHECK(gap->difference == Approx(0.1));
  CHECK(gap->p_value > 0.05);
  // 40 of 40: [.9119, 1]; 36 of 40: [.7634, .9721], or a little more of resamples.
  CHECK(gap->interval.low == Approx(0.1 - std::hypot(1 - 0.9119, 0.9721 - 0.9)).margin(0.003));
  CHECK(gap->interval.low < 0);
  CHECK(gap->interval.high == Approx(0.1 + 0.9 - 0.7634).margin(0.003));
}

TEST_CASE("the best and the worst of many equal groups are told apart from a difference") {
  // Of two groups the permutation test is the one of two shares; of twenty a wide gap is chance.
  std::vector<std::pair<int, int>> answers;
  std::vector<std::string> two, twenty;
  Rng rng(4);
  for (int i = 0; i < 1000; ++i) {
    answers.push_back({0, rng.uniform() < 0.7 ? 0 : 1});
    two.push_back(i % 2 ? "odd" : "even");
    twenty.push_back(std::to_string(i % 20));
  }
  const Predictions predictions = make_predictions({"a", "b"}, answers);
  const auto pair = slice("side", predictions, two).gap;
  REQUIRE(pair);
  const double p = compute_metrics(predictions).accuracy;
  const double z = (pair->difference - 0.002) / std::sqrt(p * (1 - p) * (2.0 / 500));  // corrected
  CHECK(pair->p_value == Approx(std::erfc(z / std::sqrt(2))).margin(0.03));
  const auto many = slice("day", predictions, twenty).gap;
  REQUIRE(many);
  CHECK(many->difference > 0.15);
  CHECK(many->interval.low > 0);  // by itself it would pass for one
  CHECK(many->p_value > 0.05);
}

TEST_CASE("the first words say what matters") {
  const auto words_of = [](int n) {
    std::vector<std::pair<int, int>> answers;
    for (int i = 0; i < n; ++i) {
      const int percent = 100 * i / n;
      answers.push_back({percent < 60 ? 0 : 1, percent < 40 || percent >= 95 ? 0 : 1});
    }
    return join(in_words(evaluate(make_predictions({"sad", "happy"}, answers), 0, kFew)), "\n");
  };
  const std::string words = words_of(1000);
  CHECK_THAT(words, Catch::StartsWith("Of 1000 faces 75.0 % get the right label (95 % interval: "));
  CHECK_THAT(words, Catch::Contains("always saying sad would be right for 60.0 %"));
  CHECK_THAT(words, Catch::Contains("best at sad (F1 0.76) and weakest at happy (F1 0.74)"));
  CHECK_THAT(words, Catch::Contains("take sad for happy: 200 of 600"));
  CHECK_THAT(words, Catch::Contains("surer than right: its confidence is 5.0 points above"));
  // 75 of 100 right is what a confidence of .8 gives by chance, too.
  CHECK_THAT(words_of(100), Catch::Contains("too few faces to tell"));
  // Three right answers of great confidence say nothing about it.
  const std::string three = join(
      in_words(evaluate(make_predictions({"a", "b"}, {{0, 0}, {0, 0}, {1, 1}}, 0.99f), 0, kFew)),
      "\n");
  CHECK_THAT(three, Catch::Contains("too few faces to tell"));
  const std::string calm = join(
      in_words(evaluate(test::calibrated_predictions({"a", "b", "c"}, 5000, 1), 0, kFew)), "\n");
  CHECK_THAT(calm, Catch::Contains("can be taken at face value"));
}

TEST_CASE("confidence over accuracy has a 95 % interval, no narrower than the confidence says") {
  const auto check_of = [](int right, int n) {
    std::vector<std::pair<int, int>> answers;
    for (int i = 0; i < n; ++i) answers.push_back({0, i < right ? 0 : 1});
    return check_confidence(make_predictions({"a", "b"}, answers));  // at .8
  };
  const ConfidenceCheck hundred = check_of(75, 100);
  CHECK(hundred.excess == Approx(0.05).epsilon(1e-4));
  CHECK(hundred.interval.low == Approx(-0.034869).margin(1e-5));  // 1.96 sqrt(.75 .25 / 100)
  CHECK(hundred.interval.high == Approx(0.134869).margin(1e-5));
  const ConfidenceCheck few = check_of(30, 30);
  CHECK(few.interval.low == Approx(-0.343136).margin(1e-5));  // 1.96 sqrt(.8 .2 / 30)
  CHECK(few.interval.high == Approx(-0.056864).margin(1e-5));
}

TEST_CASE("a net whose confidence is true is not blamed for what few faces show by chance") {
  int blamed = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Predictions few = test::calibrated_predictions({"a", "b", "c"}, 200, seed);
    const ConfidenceCheck check = check_confidence(few);
    CHECK(check.interval.low < check.excess);
    CHECK(check.ece_by_chance > 0.04);
    const std::string words = join(in_words(evaluate(few, 0, kFew)), "\n");
    blamed += words.find("than right") != std::string::npos ||
              words.find("not everywhere") != std::string::npos;
  }
  CHECK(blamed <= 9);  // 5 of 100 by either test
  const Predictions sharp = test::calibrated_predictions({"a", "b", "c"}, 2000, 1, 2.0);
  CHECK(check_confidence(sharp).interval.low > 0.02);
  CHECK(compute_metrics(sharp).ece > check_confidence(sharp).ece_by_chance);
}

TEST_CASE("a threshold that no answer reaches is marked nowhere, and nothing of it is right") {
  const Evaluation e = evaluate(make_predictions({"a", "b"}, {{0, 0}, {1, 0}}, 0.8f), 0.9, kFew);
  REQUIRE(e.uncertain);
  CHECK(e.uncertain->coverage == 0);
  CHECK_FALSE(marked_threshold(e));
  const auto json = nlohmann::json::parse(to_json(e));
  CHECK(json["uncertain"]["coverage"] == 0);
  CHECK(json["uncertain"]["accuracy"].is_null());
}

TEST_CASE("labels that begin alike have numbered columns") {
  const std::string text = to_text(evaluate(
      make_predictions({"expression one", "expression two", "other"}, {{0, 1}, {1, 1}, {2, 0}}), 0,
      kFew));
  CHECK_THAT(text, Catch::Contains(" 1 ") && Catch::Contains("\n 2  expression two"));
}

TEST_CASE("figures that nothing was counted for are none, in every form") {
  const Evaluation e =
      evaluate(make_predictions({"a", "b", "never"}, {{0, 0}, {1, 0}, {1, 1}}), 0, kFew);
  CHECK_THAT(to_text(e), Catch::Matches("(.|\n)*never +- +- +- +0\n(.|\n)*"));
  const nlohmann::json json = nlohmann::json::parse(to_json(e));
  CHECK(json["classes"][2]["recall"]["low"].is_null());
  CHECK(json["confidence"]["excess"]["value"].get<double>() == Approx(0.8 - 2.0 / 3).margin(1e-6));
  CHECK_THAT(to_markdown(e), Catch::Contains("| never | - | - | - | 0 |"));
}

TEST_CASE("the text begins with the accuracy line and holds every table") {
  const Evaluation e = full_evaluation(over_confident());
  const std::string text = to_text(e);
  CHECK(split(text, '\n')[0] == format("accuracy %.4f [%.4f, %.4f] n=600", e.all.metrics.accuracy,
                                       e.all.intervals.low.accuracy,
                                       e.all.intervals.high.accuracy));
  for (const char* part : {"confusion matrix (rows: truth, columns: prediction)", "macro ",
                           "weighted ", "kappa", "the model's own threshold", "without happy",
                           "young", "compared with other", "McNemar p"}) {
    CHECK_THAT(text, Catch::Contains(part));
  }
  for (const std::string& line : split(text.substr(0, text.find("part ")), '\n'))
    CHECK(line.size() <= 100);
}

TEST_CASE("metrics.json holds the figures, their bounds and what they are of") {
  const Predictions predictions = over_confident();
  const Evaluation e = full_evaluation(predictions);
  const nlohmann::json json = nlohmann::json::parse(to_json(e));
  CHECK(json["schema"] == "fer.metrics.1");
  CHECK(json["model"] == e.model);
  CHECK(json["n"] == 600);
  CHECK(json["bootstrap"]["resamples"] == 200);
  CHECK(json["origin"].is_object());
  for (const std::string& name : metric_names()) {
    CHECK(json["metrics"][name]["value"].get<double>() == metric_value(e.all.metrics, name));
    CHECK(json["metrics"][name]["low"] <= json["metrics"][name]["high"]);
  }
  CHECK(json["classes"].size() == 6);
  CHECK(json["classes"][2]["recall"]["value"].get<double>() == e.all.metrics.classes[2].recall);
  CHECK(json["confusion"] == nlohmann::json(e.all.metrics.confusion));
  CHECK(json["uncertain"]["threshold"] == 0.6);
  CHECK(json["reliability"].size() == 15);
  CHECK(json["parts"][0]["name"] == "without happy");
  CHECK(json["slices"][0]["groups"][1]["name"] == "young");
  CHECK(json["slices"][0]["groups"][1]["n"] == 200);
  CHECK(json["comparisons"][0]["mcnemar"]["p_value"] == 1.0);
  CHECK(json["comparisons"][0]["differences"]["nll"]["value"] < 0);
  Evaluation odd = e;
  odd.model = "caf\xe9";  // Latin-1 in a path
  CHECK_NOTHROW(nlohmann::json::parse(to_json(odd)));
}

TEST_CASE("predictions.csv has a row a sample, quoted where it must be") {
  Predictions predictions{{"a", "b,c"}, {}, {}};
  predictions.add(1, std::vector<float>{0.75f, 0.25f});
  CHECK(predictions_csv(predictions, row_name) ==
        "origin,truth,prediction,confidence,p_a,\"p_b,c\"\n"
        "\"faces, part 1.csv row 2\",\"b,c\",a,0.750000,0.750000,0.250000\n");
}

TEST_CASE("the model card's part is a set of Markdown tables") {
  const std::string card = to_markdown(full_evaluation(over_confident()));
  CHECK_THAT(card, Catch::StartsWith("Measured on faces, split test, 600 faces, head six"));
  CHECK_THAT(card, Catch::Contains("| macro_f1 | 0."));
  CHECK_THAT(card, Catch::Contains("| surprised | 0."));
  for (const std::string& line : split(card, '\n')) {
    if (line.starts_with("| ") && line.find("surprised |") != std::string::npos)
      CHECK(line.ends_with("|"));
  }
}

TEST_CASE("an evaluation is written as files, pictures included") {
  set_log_level(LogLevel::kOff);
  const test::TempFolder folder;
  const Predictions predictions = over_confident();
  write_evaluation(folder / "out", evaluate(predictions, 0, kFew), predictions, row_name);
  set_log_level(LogLevel::kInfo);
  const auto out = folder / "out";
  CHECK(nlohmann::json::parse(read_text_file(out / "metrics.json"))["n"] == 600);
  CHECK(count(read_text_file(out / "predictions.csv"), "\n") == 601);
  const char* extensions = gnuplot_available() ? ".png .svg" : ".csv";
  for (const char* name :
       {"confusion_matrix", "confusion_matrix_normalized", "reliability", "coverage"}) {
    for (const std::string& extension : split(extensions, ' ')) {
      CHECK(std::filesystem::file_size(out / (name + extension)) > 100);
    }
  }
}

TEST_CASE("the report is one file that asks for nothing from outside") {
  const Predictions predictions = over_confident();
  const Evaluation e = full_evaluation(predictions);
  ReportSource source;
  source.curve = {{1, 0.3, 0.3, 2, 2}, {2, 0.4, 0.35, 1.5, 1.8}};
  source.image = [](std::int64_t i) { return Image(48, 48, 1, static_cast<std::uint8_t>(i)); };
  source.origin = row_name;
  source.mistakes = 5;
  const std::string html = html_report(e, predictions, source);
  CHECK_THAT(html, Catch::StartsWith("<!DOCTYPE html>") && Catch::EndsWith("</html>\n"));
  CHECK_THAT(html, Catch::Contains("a &lt;b&gt; &amp; &quot;c&quot;.safetensors") &&
                       !Catch::Contains("a <b>"));
  CHECK_THAT(html,
             Catch::Contains("prefers-color-scheme: dark") && Catch::Contains("@media print"));
  // SVG namespaces are names, not addresses; nothing else may look like one.
  const std::string without_names = replace_all(html, "http://www.w3.org/", "");
  for (const char* outside : {"http:", "https:", "//cdn", "<script", "<link", "@import", "url("}) {
    INFO(outside);
    CHECK(without_names.find(outside) == std::string::npos);
  }
  CHECK(count(html, "data:image/png;base64,") == 10);
  CHECK(count(html, "<svg") == (gnuplot_available() ? 4 : 0));
  for (const char* title :
       {"In short", "Classes", "What is taken for what", "Can its confidence be trusted?", "Groups",
        "Compared with other", "How it was trained", "Mistakes"}) {
    CHECK_THAT(html, Catch::Contains(title));
  }
  CHECK_THAT(html, Catch::Contains("faces, part 1.csv row "));
  for (const char* tag :
       {"section", "table", "tbody", "figure", "div", "svg", "tr", "td", "th", "ul", "li", "p"}) {
    INFO(tag);
    CHECK(count(html, std::string("<") + tag + ">") + count(html, std::string("<") + tag + " ") +
              count(html, std::string("<") + tag + "\n") ==
          count(html, std::string("</") + tag + ">"));
  }
}

TEST_CASE("a report of a model without mistakes and without pictures is still one") {
  std::vector<std::pair<int, int>> answers(40, {0, 0});
  answers.resize(80, {1, 1});
  const Predictions predictions = make_predictions({"a", "b"}, answers);
  ReportSource source;
  CHECK_THAT(html_report(evaluate(predictions, 0, kFew), predictions, source),
             !Catch::Contains("Mistakes"));
  source.image = [](std::int64_t) { return Image(4, 4, 1); };
  CHECK_THAT(html_report(evaluate(predictions, 0, kFew), predictions, source),
             Catch::Contains("There are none"));
}
