// fer-data as its users run it.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/data/synthetic.h"
#include "support/program.h"
#include "support/real_data.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kData = std::string(FER_BIN_DIR) + "/fer-data";

ProgramResult fer_data(const std::string& arguments, const TemporaryFolder& folder) {
  return run_shell(kData + " " + arguments, folder.path());
}

}  // namespace

TEST_CASE("fer-data synth writes faces that fer-data reads back, a split and a class a folder") {
  const TemporaryFolder scratch;
  const auto drawn = fer_data("synth faces --count 60 --preset hard --seed 3", scratch);
  INFO(drawn.err);
  REQUIRE(drawn.exit_code == 0);
  CHECK(drawn.out == "faces: 48 train, 6 val, 6 test\n");
  CHECK(read_png(scratch / "faces/val/happy/00001.png").width == 48);
  const auto info = fer_data("info faces --format json", scratch);
  const auto facts = nlohmann::json::parse(info.out);
  CHECK(facts["labels"].size() == 6);
  CHECK(facts["splits"]["train"]["images"] == 48);
  CHECK(facts["splits"]["test"]["classes"] == nlohmann::json({1, 1, 1, 1, 1, 1}));
  CHECK(facts["splits"]["train"]["mean"] > 0.2);
  const auto again = fer_data("synth faces --count 60", scratch);
  CHECK(again.exit_code == 2);
  CHECK_THAT(again.err, Catch::Contains("faces: exists and is not empty"));
}

TEST_CASE("fer-data info counts splits, classes, columns and what is left out") {
  const TemporaryFolder scratch;
  REQUIRE(fer_data("synth faces --count 24", scratch).exit_code == 0);
  write_text(scratch / "m.csv",
             "path,label,split,camera\nfaces/train/sad/00001.png,sad,train,front\n"
             "faces/train/happy/00001.png,happy,train,side\n"
             "faces/val/happy/00001.png,happy,val,side\nfaces/val/sad/00001.png,sad,val,front\n"
             "faces/train/angry/00001.png,angry,test,front\n");
  const auto info = fer_data("info m.csv --labels happy,sad", scratch);
  INFO(info.err);
  CHECK(info.exit_code == 0);
  CHECK_THAT(info.out, Catch::StartsWith("manifest m.csv, 5 images") &&
                           Catch::Contains("column camera: 2 values (front 2, side 2)") &&
                           Catch::Contains("left out: 1 rows, label angry") &&
                           Catch::Contains("share of train"));
}

TEST_CASE("fer-data audit finds a leak, shows it on a page and fails when asked to") {
  const TemporaryFolder scratch;
  REQUIRE(fer_data("synth faces --count 36", scratch).exit_code == 0);
  const auto clean = fer_data("audit faces --fail-on-leak", scratch);
  INFO(clean.err);
  CHECK(clean.exit_code == 0);
  CHECK_THAT(clean.out, Catch::Contains("0 of test (0 under another label)"));
  std::filesystem::copy_file(scratch / "faces/train/happy/00001.png",
                             scratch / "faces/test/sad/copy.png");
  const auto leaky =
      fer_data("audit faces --fail-on-leak --html audit.html --format json", scratch);
  CHECK(leaky.exit_code == 3);
  const auto found = nlohmann::json::parse(leaky.out);
  CHECK(found["equal_to_training"]["test"]["images"] == 1);
  CHECK(found["equal_to_training"]["test"]["conflicting"] == 1);
  REQUIRE(found["exact"].size() == 1);
  CHECK(found["exact"][0]["images"][1]["origin"] == "faces/test/sad/copy.png");
  CHECK_THAT(slurp(scratch / "audit.html"), Catch::Contains("data:image/png;base64,"));
  CHECK(fer_data("audit faces", scratch).exit_code == 0);
}

TEST_CASE("fer-data sheet draws a row a label") {
  const TemporaryFolder scratch;
  const auto drawn =
      fer_data("sheet synthetic:120 --split train --columns 5 --cell 32 -o s.png", scratch);
  INFO(drawn.err);
  CHECK(drawn.exit_code == 0);
  CHECK_THAT(drawn.out, Catch::Contains("angry, fearful, happy, neutral, sad, surprised"));
  const Image sheet = read_png(scratch / "s.png");
  CHECK(sheet.width == 5 * 32);
  CHECK(sheet.height == 6 * 32);
}

TEST_CASE(
    "output that cannot be written is an error in one line, a reader that went away is none") {
  const TemporaryFolder scratch;
  for (const std::string arguments :
       {"audit synthetic:60 --format json", "info synthetic:60", "--help", "--version"}) {
    const auto full = fer_data(arguments + " > /dev/full", scratch);
    INFO(arguments << ": " << full.err);
    CHECK(full.exit_code == 1);
    CHECK_THAT(trim(full.err), Catch::EndsWith("fer-data: standard output cannot be written"));
  }
  const auto gone = run_shell(
      "{ sleep 1; " + kData + " info synthetic:60; echo $? > code; } | true", scratch.path());
  INFO(gone.err);
  CHECK(slurp(scratch / "code") == "0\n");
  CHECK(gone.err.empty());
}

TEST_CASE("an error is one line, whatever a name holds") {
  const TemporaryFolder scratch;
  write_text(scratch / "run.sh",
             "'" + std::string(FER_BIN_DIR) + "/fer-data' info $'no\\nsuch\\e[31m'\n");
  const auto result = run_shell("bash run.sh", scratch.path());
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Catch::Contains("no?such?[31m: no such file"));
  CHECK(split(trim(result.err), '\n').size() == 1);
}

TEST_CASE(
    "a page goes into a pipe, also by its name under /dev, and keeps the rights of its file") {
  const TemporaryFolder scratch;
  const auto piped = run_shell(kData +
                                   " audit synthetic:60 --html /dev/stderr 2>&1 >text | "
                                   "grep -c '</html>'",
                               scratch.path());
  INFO(piped.err);
  CHECK(piped.exit_code == 0);
  CHECK(piped.out == "1\n");
  const auto kept =
      run_shell("touch page.html && chmod 600 page.html && " + kData +
                    " audit synthetic:60 --html page.html >text && stat -c %a page.html",
                scratch.path());
  CHECK(kept.out == "600\n");
}

#if FER_HAVE_PREDICT
TEST_CASE("fer-data audit --faces looks with a detector, and does not take stripes for one") {
  const TemporaryFolder scratch;
  Image stripes(48, 48, 1, 40);
  for (int y = 0; y < 48; ++y) {
    if (y / 4 % 2 == 1) std::fill_n(stripes.pixels.begin() + 48 * y, 48, std::uint8_t{220});
  }
  for (const std::string name : {"a/1.png", "a/2.png", "b/1.png", "b/2.png"}) {
    std::filesystem::create_directories((scratch / name).parent_path());
    write_png(scratch / name, synthetic_face("happy", 1, name[0] * 10u + name[2]));
  }
  write_png(scratch / "b/stripes.png", stripes);
  const auto result = fer_data("audit . --faces --format json", scratch);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto faceless = nlohmann::json::parse(result.out)["faceless"];
  REQUIRE(faceless.size() == 1);
  CHECK_THAT(faceless[0]["origin"].get<std::string>(), Catch::EndsWith("stripes.png"));
}
#endif

TEST_CASE("fer-data says in one line what is wrong with a command") {
  const TemporaryFolder scratch;
  write_text(scratch / "circle.yaml", "x: &a\n  b: *a\n");
  write_text(scratch / "deep.json", std::string(100'000, '[') + std::string(100'000, ']'));
  struct Case {
    std::string args, says;
  };
  for (const Case& c :
       std::vector<Case>{{"", "no command: expected audit, info, sheet, synth"},
                         {"adit x", "did you mean 'audit'"},
                         {"audit nowhere", "nowhere"},
                         {"audit synthetic:60 --format xml", "text or json"},
                         {"audit synthetic:60 --hash-distance 9", "0 to 7"},
                         {"audit synthetic:60 --min-correlation nan", "min_correlation is nan"},
                         {"audit synthetic:60 --blank-deviation -1", "blank_deviation is -1"},
                         {"sheet synthetic:60 --columns 0", "--columns 0"},
                         {"sheet synthetic:60 --split tset", "tset"},
                         {"synth x --count -5", "-5"},
                         {"info --config circle.yaml", "circle.yaml: nested"},
                         {"info --config deep.json", "deep.json: nested"},
                         {"info synthetic:60 --faces", "--faces"}}) {
    INFO("fer-data " << c.args);
    const auto result = fer_data(c.args, scratch);
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK_THAT(result.err, Catch::StartsWith("error: fer-data") && Catch::Contains(c.says));
  }
  CHECK_THAT(fer_data("--help", scratch).out, Catch::Contains("audit") && Catch::Contains("synth"));
  CHECK_THAT(fer_data("audit --help", scratch).out, Catch::Contains("--fail-on-leak"));
}

TEST_CASE("on FER2013 fer-data audit reports the leaks of both test sets and ends with code 3") {
  const auto csv = real_data("fer2013.csv");
  if (csv.empty()) return;
  const TemporaryFolder scratch;
  const auto result = fer_data("audit " + csv.string() + " --fail-on-leak", scratch);
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.out, Catch::Contains("282 of val (15 under another label), "
                                         "288 of test (14 under another label)"));
}
