#include "fer/data/fer2013.h"

#include <chrono>
#include <cstring>
#include <fstream>

#include "fer/core/text.h"
#include "support.h"
#include "support/real_data.h"

using namespace fer;
using fer::test::fer2013_text;
using fer::test::open_error;
using fer::test::options_for;
using fer::test::pixels_text;
using fer::test::some_rows;
using fer::test::write_text;

namespace {

// What opening this text as faces.csv is refused with.
std::string csv_error(const std::string& text) {
  const test::TempFolder folder;
  write_text(folder / "faces.csv", text);
  return open_error(options_for(folder / "faces.csv", "fer2013"));
}

// The csv of some_rows() with one text replaced by another in row `row`.
std::string with_change(int row, const std::string& from, const std::string& to) {
  std::string text = fer2013_text(some_rows());
  std::size_t at = 0;
  for (int i = 0; i < row; ++i) at = text.find('\n', at) + 1;
  at = text.find(from, at);
  REQUIRE(at < text.find('\n', at));
  return text.replace(at, from.size(), to);
}

// A value of /proc/self/status in MB.
double status_mb(const char* key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return std::atof(line.c_str() + std::strlen(key)) / 1024;
  }
  return 0;
}

}  // namespace

TEST_CASE("FER2013 rows become gray squares with their labels and splits") {
  const test::TempFolder folder;
  write_text(folder / "faces.csv", fer2013_text(some_rows()));
  const OpenedDataset opened = open_dataset(options_for(folder / "faces.csv"));
  CHECK(opened.description == "FER2013 csv, 8 images");
  CHECK(opened.train->size() == 4);
  CHECK(opened.val->size() == 2);
  CHECK(opened.test->size() == 1);
  REQUIRE(opened.dropped.size() == 1);
  CHECK(opened.dropped[0].reason == "label disgusted is not among the preset six");
  CHECK(opened.dropped[0].rows == 1);
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{1, 0, 2, 1, 0, 0});

  const Image image = opened.val->image(1);
  CHECK(opened.val->origin(1) == "faces.csv row 7");
  CHECK(image.width == 48);
  CHECK(image.height == 48);
  CHECK(image.channels == 1);
  std::string text;
  for (const std::uint8_t p : image.pixels) text += (text.empty() ? "" : " ") + std::to_string(p);
  CHECK(text == pixels_text(6));
}

TEST_CASE("FER2013 columns are found by name in any order, spaces, quotes and line ends") {
  const test::TempFolder folder;
  const auto plain = folder / "plain.csv";
  write_text(plain, fer2013_text(some_rows()));
  const std::string expected = open_dataset(options_for(plain)).fingerprint;

  std::string reordered = "\xEF\xBB\xBF Usage, extra,\"Emotion\", pixels \r\n";
  for (std::size_t i = 0; i < some_rows().size(); ++i) {
    const test::FaceRow row = some_rows()[i];
    reordered += row.usage + ",?," + std::to_string(row.emotion) + ", \"" +
                 pixels_text(static_cast<unsigned>(i)) + "\"\r\n";
    if (i == 3) reordered += "\r\n";
  }
  reordered.resize(reordered.size() - 2);  // no line end at the end
  write_text(folder / "reordered.csv", reordered);
  CHECK(open_dataset(options_for(folder / "reordered.csv")).fingerprint == expected);
}

TEST_CASE("FER2013 without Usage is split by class and seed") {
  std::string text = "emotion,pixels\n";
  for (unsigned i = 0; i < 30; ++i) text += (i % 3 == 0 ? "3," : "6,") + pixels_text(i) + "\n";
  const test::TempFolder folder;
  write_text(folder / "faces.csv", text);
  auto options = options_for(folder / "faces.csv", "happy,neutral");
  const OpenedDataset opened = open_dataset(options);
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{8, 16});
  CHECK(class_counts(*opened.val) == std::vector<std::int64_t>{2, 4});
  CHECK(opened.test->size() == 0);
  CHECK(open_dataset(options).fingerprint == opened.fingerprint);
  options.seed = 1;
  CHECK(open_dataset(options).fingerprint != opened.fingerprint);
  options.train_fraction = 1;
  CHECK(open_dataset(options).val->size() == 0);
  options.train_fraction = 1.5;
  CHECK(open_error(options) == "train_fraction is 1.5, expected more than 0 and at most 1");
}

TEST_CASE("everything wrong in a FER2013 csv is named with file, row and value") {
  CHECK(csv_error(with_change(3, "222 ", "")) == "faces.csv row 3: 2303 pixels, expected 2304");
  CHECK(csv_error(with_change(3, " ", " 7 ")) == "faces.csv row 3: 2305 pixels, expected 2304");
  CHECK(csv_error(with_change(2, ",", ",x ")) ==
        "faces.csv row 2: pixel 1 is 'x', expected 0..255");
  CHECK(csv_error(with_change(2, ",", ",256 ")) ==
        "faces.csv row 2: pixel 1 is '256', expected 0..255");
  CHECK(csv_error(with_change(2, ",", ",-1 ")) ==
        "faces.csv row 2: pixel 1 is '-1', expected 0..255");
  CHECK(csv_error(with_change(2, ",", ",1.5 ")) ==
        "faces.csv row 2: pixel 1 is '1.5', expected 0..255");
  CHECK(csv_error(with_change(2, "3,", "7,")) == "faces.csv row 2: emotion is '7', expected 0..6");
  CHECK(csv_error(with_change(2, "3,", "happy,")) ==
        "faces.csv row 2: emotion is 'happy', expected 0..6");
  CHECK(csv_error(with_change(8, "Private", "Pivate")) ==
        "faces.csv row 8: Usage is 'PivateTest', expected Training, PublicTest or PrivateTest");
  CHECK(csv_error(with_change(4, ",Training", "")) == "faces.csv row 4: 2 fields, expected 3");
  CHECK(csv_error(with_change(4, ",Training", ",Training,")) ==
        "faces.csv row 4: 4 fields, expected 3");
  CHECK(csv_error(with_change(0, "emotion", "label")) ==
        "faces.csv: column 'emotion' is missing (columns: label, pixels, Usage)");
  CHECK(csv_error(with_change(0, "pixels", "image")) ==
        "faces.csv: column 'pixels' is missing (columns: emotion, image, Usage)");
  CHECK(csv_error("emotion,pixels,Usage\n") == "faces.csv: no rows after the header");
  CHECK_THAT(csv_error(""),
             Catch::EndsWith("faces.csv: the first line is empty, expected column names"));
  CHECK_THAT(csv_error("a,b\n1,2\n"),
             Catch::Contains("neither FER2013 (columns emotion, pixels) nor a manifest"));
  CHECK_THAT(csv_error(std::string(100'000, '5')), Catch::EndsWith("so it is no csv"));
}

TEST_CASE("a FER2013 csv cut at any place is refused, naming the last row") {
  const std::string text = fer2013_text(some_rows());
  const std::size_t last = text.rfind("6,");
  for (const std::size_t bytes :
       {last + 1, last + 2, last + 3, last + 4000, text.rfind(",PrivateTest"), text.size() - 2}) {
    CAPTURE(bytes);
    CHECK_THAT(csv_error(text.substr(0, bytes)),
               Catch::StartsWith("faces.csv row 8: ") &&
                   Catch::EndsWith(" (the file is cut inside this row)"));
  }
  CHECK(csv_error(text.substr(0, text.size() - 1)) == "");  // only the line end is missing
}

TEST_CASE("rows are counted right across the pieces that are read in parallel") {
  std::string text = "emotion,pixels,Usage\n";
  for (unsigned i = 0; i < 1500; ++i) {  // about 12 MB
    text += std::to_string(i % 7) + "," + pixels_text(i) + ",Training\n";
  }
  const test::TempFolder folder;
  write_text(folder / "faces.csv", text);
  auto options = options_for(folder / "faces.csv", "fer2013");
  options.train_fraction = 1;
  const OpenedDataset opened = open_dataset(options);
  REQUIRE(opened.train->size() == 1500);
  bool same = true;
  for (std::int64_t i = 0; i < 1500; ++i) {
    same = same && opened.train->target(i, 0).label == i % 7 &&
           opened.train->image(i).at(1, 0) == (static_cast<unsigned>(i) * 7919 + 31) % 256;
  }
  CHECK(same);
  CHECK(opened.train->origin(1499) == "faces.csv row 1500");

  const std::size_t row = text.find("\n", text.size() / 2) + 1;
  const auto rows_before =
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(row), '\n') - 1;
  text[row] = '9';
  CHECK(csv_error(text) ==
        "faces.csv row " + std::to_string(rows_before + 1) + ": emotion is '9', expected 0..6");
}

TEST_CASE("the FER2013 csv is read whole and in little memory") {
  const auto path = test::real_data("fer2013.csv");
  if (path.empty()) return;
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
  const double before = status_mb("VmRSS:");
  const auto start = std::chrono::steady_clock::now();
  const OpenedDataset opened = open_dataset(options_for(path, "fer2013"));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double peak = status_mb("VmHWM:") - before;
  WARN(format("FER2013 opened in %.2f s, %.0f MB more at the peak", seconds, peak));
  CHECK(opened.train->size() == 28'709);
  CHECK(opened.val->size() == 3'589);
  CHECK(opened.test->size() == 3'589);
  CHECK(opened.dropped.empty());
  std::vector<std::int64_t> counts(7, 0);
  for (const Split split : {Split::kTrain, Split::kVal, Split::kTest}) {
    const auto part = class_counts(opened.split(split));
    for (std::size_t c = 0; c < 7; ++c) counts[c] += part[c];
  }
  CHECK(counts == std::vector<std::int64_t>{4953, 547, 5121, 8989, 6077, 4002, 6198});
  CHECK(opened.train->image(0).at(0, 0) == 70);
  CHECK(opened.train->image(0).at(1, 0) == 80);
  CHECK(peak < 150);
}

TEST_CASE("the FER+ majority protocol leaves 3,153 rows of PrivateTest") {
  const auto path = test::real_data("fer2013.csv");
  const auto votes = test::real_data("fer2013new.csv");
  if (path.empty() || votes.empty()) return;
  auto options = options_for(path, "ferplus", TargetKind::kMajority);
  options.votes = votes.string();
  CHECK(open_dataset(options).test->size() == 3'153);
  options.heads[0].labels = "neutral,happy,surprised,sad,angry,disgusted,fearful";
  CHECK(open_dataset(options).test->size() == 3'137);
}
