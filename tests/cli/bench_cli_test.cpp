// fer-bench as its users run it: what it trains is what fer-train would train.
#if FER_HAVE_TRAIN
#include <catch2/catch.hpp>
#include <cstdio>

#include "fer/core/text.h"
#include "support/program.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kTrain = std::string(FER_BIN_DIR) + "/fer-train";
const std::string kBench = std::string(FER_BIN_DIR) + "/fer-bench train";
const std::string kSmall =
    " --arch compact --stages 8 16 --blocks 1 --input-size 24 --data synthetic:300";

}  // namespace

TEST_CASE("fer-bench trains from a checkpoint, with rates, a teacher and a batch size that fits") {
  const TemporaryFolder scratch;
  REQUIRE(run_shell(kTrain + kSmall + " --epochs 1 --batch-size 32 --name base", scratch.path())
              .exit_code == 0);
  const std::string base = "runs/train/base/weights/best.safetensors";
  const auto result =
      run_shell(kBench + " --data synthetic:300 --pretrained " + base + " --teacher " + base +
                    " --rates stem=0 --batch-size auto --rounds 1 --images 32",
                scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.err, Catch::Contains("a checkpoint of compact") &&
                             Catch::Contains("teachers: 240/240 images") &&
                             Catch::Contains("batch size 16"));
  CHECK_THAT(result.out, Catch::StartsWith("compact, ") && Catch::Contains("batch 16\n") &&
                             Catch::Contains("median"));
}

TEST_CASE("fer-bench says in one line which flags it cannot heed") {
  const TemporaryFolder scratch;
  struct Case {
    std::string args, says;
  };
  for (const Case& c : std::vector<Case>{
           {"--rates stem", "expected a form like stage1=0.1"},
           {"--rates stam=0", "stam"},
           {"--epochs 0", "train.epochs"},
           {"--resume", "--resume: fer-bench train does not heed it"},
           {"--summary", "--summary: fer-bench train does not heed it"},
           {"--name mine", "--name: fer-bench train does not heed it"},
           {"--model m.safetensors", "--model: fer-bench train does not heed it"},
           {"--pretrained none.safetensors", "none.safetensors"},
       }) {
    INFO("fer-bench train " << c.args);
    const auto result = run_shell(kBench + kSmall + " " + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK_THAT(split(trim(result.err), '\n').back(),
               Catch::StartsWith("error: fer-bench: ") && Catch::Contains(c.says));
    CHECK(result.out.empty());
  }
}

#if FER_HAVE_PREDICT
TEST_CASE("fer-bench infer puts the engines beside a rival, as times and as ratios of its time") {
  const TemporaryFolder scratch;
  const auto result =
      run_shell(std::string(FER_BIN_DIR) +
                    "/fer-bench infer --arch compact --stages 4 8 --blocks 1 --input-size 24 "
                    "--batch-sizes 2 --rounds 1 --against "
                    "'while read -r line; do echo 0.5; done; :'",
                scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::StartsWith("compact, ") && Catch::Contains("24 px, 1 thread, 1 "));
  int engines = 0;
  for (const std::string& line : split(result.out, '\n')) {
    int batch = 0;
    char engine[32], precision[32];
    double ms = 0, faces = 0, ratio = 0;
    if (std::sscanf(line.c_str(), "2 against %lf %lf %lf", &ms, &faces, &ratio) == 3) {
      CHECK(ms == 0.5);
      CHECK(faces == 4000);
      CHECK(ratio == 1);
    } else if (std::sscanf(line.c_str(), "%d %31s %31s %lf %lf %lf", &batch, engine, precision, &ms,
                           &faces, &ratio) == 6) {
      ++engines;
      CHECK(faces == Approx(2000 / ms).epsilon(0.02));
      CHECK(ratio == Approx(ms / 0.5).margin(0.01));
    }
  }
  CHECK(engines >= 3);
}

TEST_CASE("fer-bench refuses for every kind what it would not heed, and names a rival that ends") {
  const TemporaryFolder scratch;
  const std::string bench = std::string(FER_BIN_DIR) + "/fer-bench ";
  struct Case {
    std::string args, says;
    int exit_code = 2;
  };
  for (
      const Case& c : std::vector<Case>{
          {"", "what to measure?"},
          {"infer twice", "what to measure?"},
          {"infer --data synthetic", "--data: fer-bench infer does not heed it"},
          {"infer --threads 2", "--threads: fer-bench infer does not heed it"},
          {"infer --model m.safetensors --arch cnn", "the net of --model stays as it is"},
          {"pipeline --epochs 3", "--epochs: fer-bench pipeline does not heed it"},
          {"pipeline nosuch.jpg --rounds 1", "nosuch.jpg", 1},
          {"infer --stages 4 --blocks 1 --input-size 16 --batch-sizes 1 --rounds 1 --against false",
           "--against false: ended without an answer", 1},
          {"infer --stages 4 --blocks 1 --input-size 16 --batch-sizes 1 --rounds 1 --against 'echo "
           "fast;'",
           "expected milliseconds, found 'fast'", 1},
      }) {
    INFO("fer-bench " << c.args);
    const auto result = run_shell(bench + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == c.exit_code);
    CHECK_THAT(split(trim(result.err), '\n').back(),
               Catch::StartsWith("error: fer-bench: ") && Catch::Contains(c.says));
  }
}
#endif
#endif
