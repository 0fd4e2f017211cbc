#include "fer/eval/plot.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "support/skip.h"
#include "support/temp_folder.h"

using namespace fer;

namespace {

std::vector<CurvePoint> curves(int epochs) {
  std::vector<CurvePoint> points;
  for (int e = 1; e <= epochs; ++e) {
    const double t = 1 - std::exp(-e / 5.0);
    points.push_back({e, 0.2 + 0.7 * t, 0.2 + 0.5 * t, 2 - 1.5 * t, 2 - t});
  }
  return points;
}

bool can_draw() {
  if (gnuplot_available()) return true;
  test::skip("gnuplot is not installed");
  return false;
}

bool has_colour(const Image& image, int r, int g, int b) {
  for (std::size_t i = 0; i < image.pixels.size(); i += image.channels) {
    const auto* p = &image.pixels[i];
    if (std::abs(p[0] - r) + std::abs(p[1] - g) + std::abs(p[2] - b) < 12) return true;
  }
  return false;
}

class WithoutGnuplot {
 public:
  WithoutGnuplot() : path_(std::getenv("PATH")) { ::setenv("PATH", "/nowhere", 1); }
  ~WithoutGnuplot() { ::setenv("PATH", path_.c_str(), 1); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("curves show both parts of the data, as PNG and as SVG") {
  if (!can_draw()) return;
  const test::TempFolder folder;
  REQUIRE(plot_curves(folder / "curves.png", curves(20), 20, "exp1"));
  if (png_available()) {
    const Image image = read_png(folder / "curves.png");
    CHECK(image.width > 1000);
    CHECK(has_colour(image, 0, 114, 178));
    CHECK(has_colour(image, 213, 94, 0));
  }
  REQUIRE(plot_curves(folder / "curves.svg", curves(20), 17, "exp1"));
  const std::string svg = read_text_file(folder / "curves.svg");
  for (const char* text : {"<svg", "exp1", "accuracy", "loss", "train", "validation", "epoch 17"}) {
    CHECK_THAT(svg, Catch::Contains(text));
  }
}

TEST_CASE("curves of one epoch and without validation are drawn") {
  if (!can_draw()) return;
  const test::TempFolder folder;
  CHECK(plot_curves(folder / "one.png", curves(1), 1, ""));
  auto points = curves(4);
  for (CurvePoint& p : points)
    p.val_accuracy = p.val_loss = std::numeric_limits<double>::quiet_NaN();
  REQUIRE(plot_curves(folder / "train.svg", points, 4, "train"));
  CHECK_THAT(read_text_file(folder / "train.svg"), !Catch::Contains("validation"));
  CHECK_FALSE(plot_curves(folder / "none.png", {}, 0, "none"));
}

TEST_CASE("a confusion matrix shows its numbers and both axes") {
  if (!can_draw()) return;
  const test::TempFolder folder;
  const std::vector<std::vector<std::int64_t>> confusion = {{37, 3}, {0, 123}};
  REQUIRE(plot_confusion_matrix(folder / "a.svg", {"sad", "happy"}, confusion, false, "counts"));
  REQUIRE(plot_confusion_matrix(folder / "b.svg", {"sad", "happy"}, confusion, true, "shares"));
  const std::string counts = read_text_file(folder / "a.svg"),
                    shares = read_text_file(folder / "b.svg");
  for (const char* text : {">37<", ">3<", ">0<", ">123<", "truth", "prediction"}) {
    CHECK_THAT(counts, Catch::Contains(text));
  }
  for (const char* text : {"0.93", "0.07", "0.00", "1.00"})
    CHECK_THAT(shares, Catch::Contains(text));
  // White on the darkest cell, dark on the others.
  CHECK_THAT(counts, Catch::Contains("rgb(255, 255, 255)"));
}

TEST_CASE("names with quotes, blanks and shell letters are drawn as they are") {
  if (!can_draw()) return;
  const test::TempFolder folder;
  const std::string evil = "it's \"50%\" `touch x` $(touch y) _{a}^b @c\n; system('touch z')";
  const auto path = folder / "a 'b' $(touch w) \"c\".svg";
  REQUIRE(plot_confusion_matrix(path, {evil, "b"}, {{1, 0}, {0, 1}}, false, evil));
  const std::string svg = read_text_file(path);
  CHECK_THAT(svg, Catch::Contains("$(touch y) _{a}^b @c"));
  CHECK_THAT(svg, Catch::Contains("50%"));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("class counts show every number and split") {
  if (!can_draw()) return;
  const test::TempFolder folder;
  REQUIRE(plot_class_counts(folder / "labels.svg", {"sad", "happy"}, {"train", "val"},
                            {{411, 7000}, {52, 890}}, "faces of each class"));
  const std::string svg = read_text_file(folder / "labels.svg");
  for (const char* text :
       {">411<", ">7000<", ">52<", ">890<", "train", "val", "faces of each class"}) {
    CHECK_THAT(svg, Catch::Contains(text));
  }
}

TEST_CASE("without gnuplot the numbers are written and nothing fails") {
  set_log_level(LogLevel::kOff);
  const test::TempFolder folder;
  const WithoutGnuplot nowhere;
  CHECK_FALSE(gnuplot_available());
  CHECK_FALSE(plot_curves(folder / "curves.png", curves(2), 2, "exp1"));
  CHECK_THAT(read_text_file(folder / "curves.csv"),
             Catch::StartsWith("epoch,train_accuracy,val_accuracy,train_loss,val_loss\n1,0.3"));
  CHECK_FALSE(plot_confusion_matrix(folder / "cm.png", {"a", "b,c"}, {{1, 2}, {3, 4}}, true, ""));
  CHECK(read_text_file(folder / "cm.csv") == "truth \\ prediction,a,\"b,c\"\na,1,2\n\"b,c\",3,4\n");
  CHECK_FALSE(plot_class_counts(folder / "labels.png", {"a"}, {"train"}, {{5}}, ""));
  CHECK(read_text_file(folder / "labels.csv") == "split,a\ntrain,5\n");
  CHECK_FALSE(std::filesystem::exists(folder / "cm.png"));
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("a plot that cannot be written is a warning, not an error") {
  set_log_level(LogLevel::kOff);
  CHECK_FALSE(plot_curves("/dev/null/curves.png", curves(2), 2, "exp1"));
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("the curves of a run are read from its results by column, missing validation as such") {
  const test::TempFolder folder;
  const std::string header =
      "epoch,time,lr,train_loss,train_accuracy,train_macro_f1,val_loss,val_accuracy,val_macro_f1\n";
  write_file_atomically(
      folder / "results.csv",
      header + "1,2.5,0.1,2,0.25,0.2,1.5,0.5,0.4\n2,5,0.1,1,0.75,0.7,nan,nan,nan\n");
  const auto curve = read_curve(folder / "results.csv");
  REQUIRE(curve.size() == 2);
  CHECK(curve[0].epoch == 1);
  CHECK(curve[0].train_accuracy == 0.25);
  CHECK(curve[0].val_accuracy == 0.5);
  CHECK(curve[0].train_loss == 2);
  CHECK(curve[0].val_loss == 1.5);
  CHECK(std::isnan(curve[1].val_accuracy));
  write_file_atomically(folder / "results.csv", header + "1,2.5,0.1,2,many,0.2,1.5,0.5,0.4\n");
  CHECK_THROWS_WITH(read_curve(folder / "results.csv"), Catch::Contains("row 1: 'many'"));
  write_file_atomically(folder / "results.csv", "epoch,time\n1,2\n");
  CHECK_THROWS_WITH(read_curve(folder / "results.csv"), Catch::Contains("train_accuracy"));
}
