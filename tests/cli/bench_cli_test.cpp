// fer-bench as its users run it: what it trains is what fer-train would train.
#if FER_HAVE_TRAIN
#include <catch2/catch.hpp>

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
           {"--resume", "--resume: for fer-train alone"},
           {"--summary", "--summary: for fer-train alone"},
           {"--name mine", "--name: for fer-train alone"},
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
#endif
