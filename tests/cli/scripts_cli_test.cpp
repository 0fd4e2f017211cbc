// Scripts for carrying a training to another machine.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "fer/core/file.h"
#include "support/fer2013_row.h"
#include "support/program.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

const std::string kSource = FER_SOURCE_DIR;
const std::string kPack = "/usr/bin/python3 '" + kSource + "/scripts/pack_fer2013.py' ";

// Pixels without order, which no prediction meets.
std::string noise_row(const std::string& label, const std::string& usage, unsigned seed) {
  std::string pixels;
  for (unsigned i = 0, value = seed; i < 48 * 48; ++i, value = value * 1103515245u + 12345u)
    pixels += (i ? " " : "") + std::to_string(value >> 16 & 255);
  return label + "," + pixels + "," + usage + "\n";
}

bool without_numpy() {
  if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") == 0) return false;
  skip("python3-numpy is not installed (scripts/bootstrap.sh test)");
  return true;
}

}  // namespace

TEST_CASE("FER2013 comes back from its pack to the last byte, without the part that is left out") {
  if (without_numpy()) return;
  const TemporaryFolder scratch;
  const std::string header = "emotion,pixels,Usage\n", votes = "Usage,Image name,neutral\n";
  const std::string first = noise_row("3", "Training", 1) + fer2013_row("6", "PublicTest", 200);
  const std::string test = fer2013_row("0", "PrivateTest", 90),
                    last = noise_row("1", "Training", 2);
  write_text(scratch / "fer2013.csv", header + first + test + last);
  write_text(scratch / "fer2013new.csv",
             votes + "Training,a,1\nPublicTest,b,2\nPrivateTest,c,3\nTraining,d,4\n");
  const auto round_trip = [&](const std::string& more) {
    const auto result =
        run_shell("rm -rf packed back && mkdir back && " + kPack + "pack fer2013.csv packed" +
                      more + " && " + kPack + "unpack packed back/fer2013.csv",
                  scratch.path());
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
  };
  round_trip("");
  CHECK(read_text_file(scratch / "back/fer2013.csv") == header + first + test + last);
  CHECK(read_text_file(scratch / "back/fer2013new.csv") ==
        read_text_file(scratch / "fer2013new.csv"));
  round_trip(" --leave-out PrivateTest");
  CHECK(read_text_file(scratch / "back/fer2013.csv") == header + first + last);
  CHECK(read_text_file(scratch / "back/fer2013new.csv") ==
        votes + "Training,a,1\nPublicTest,b,2\nTraining,d,4\n");
}

TEST_CASE("what is no FER2013 or no whole pack is refused, and nothing is written over") {
  if (without_numpy()) return;
  const TemporaryFolder scratch;
  const std::string header = "emotion,pixels,Usage\n";
  const auto refused = [&](const std::string& args, const std::string& why) {
    const auto result = run_shell(kPack + args, scratch.path());
    INFO(args << "\n" << result.err);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains(why) && !Contains("Traceback"));
  };
  write_text(scratch / "a.csv", "label,path\n");
  write_text(scratch / "b.csv", header + "3,1 2 3,Training\n");
  write_text(scratch / "c.csv", header + fer2013_row("300", "Training"));
  write_text(scratch / "d.csv",
             header + fer2013_row("3", "Training") + noise_row("1", "Training", 3));
  refused("pack a.csv packed", "a.csv: the header is not emotion,pixels,Usage");
  refused("pack b.csv packed", "b.csv: row 2 is no picture of 48x48 bytes");
  refused("pack c.csv packed", "c.csv: row 2: the emotion '300'");
  refused("pack nowhere.csv packed", "nowhere.csv");
  CHECK_FALSE(std::filesystem::exists(scratch / "packed"));
  REQUIRE(run_shell(kPack + "pack d.csv packed", scratch.path()).exit_code == 0);
  refused("pack d.csv packed", "packed is there already");
  refused("unpack packed d.csv", "d.csv is there already");
  std::filesystem::resize_file(scratch / "packed/pixels.xz", 100);
  refused("unpack packed e.csv", "pack_fer2013: ");
  CHECK_FALSE(std::filesystem::exists(scratch / "e.csv"));
}

TEST_CASE("sources without their repository name the commit that they are told") {
  const TemporaryFolder scratch;
  const auto written = [&](const std::string& commit) {
    const auto result =
        run_shell("cmake -DSOURCE='" + kSource + "' -DPROJECT_VERSION=1.2.3 " + commit +
                      " -DOUTPUT=$PWD/version.cpp -P '" + kSource + "/lib/write_version.cmake'",
                  scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 0);
    return read_text_file(scratch / "version.cpp");
  };
  CHECK_THAT(written("-DFER_COMMIT=abc1234"), Contains("\"abc1234\"") && Contains("\"1.2.3\""));
  CHECK_THAT(written("-DFER_COMMIT="), !Contains("abc1234") && !Contains("\"\""));
}

TEST_CASE("a build against Python's torch says what it misses") {
  const TemporaryFolder scratch;
  const std::string build = "'" + kSource + "/scripts/train-only.sh' ";
  const auto bare = run_shell("mkdir empty && " + build + "empty", scratch.path());
  CHECK(bare.exit_code == 2);
  CHECK_THAT(bare.err, Contains("nlohmann/json.hpp is missing"));
  const auto torchless = run_shell(
      "mkdir -p bin headers/nlohmann headers/CLI && touch headers/nlohmann/json.hpp "
      "headers/nlohmann/json_fwd.hpp headers/CLI/CLI.hpp && printf '#!/bin/sh\\nexit 1\\n' > "
      "bin/python3 && chmod +x bin/python3 "
      "&& PATH=$PWD/bin:$PATH " +
          build + "headers",
      scratch.path());
  CHECK(torchless.exit_code == 2);
  CHECK_THAT(torchless.err, Contains("this python3 has no torch"));
}
