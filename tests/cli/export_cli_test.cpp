// fer-export as its users run it, with a small untrained network.
#if FER_HAVE_EXPORT
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fer/core/text.h"
#include "fer/model/checkpoint.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/program.h"
#include "support/tiny_model.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kExport = std::string(FER_BIN_DIR) + "/fer-export";

// Wide enough for the half of its weights to show, with the labels of synthetic faces.
void write_six(const std::filesystem::path& path, std::uint64_t seed = 1) {
  write_model(
      path,
      {{16, 32}, "six", {"angry", "fearful", "happy", "neutral", "sad", "surprised"}, 1.3f, seed});
}

// The words of the table's line that begins with `variant`.
std::vector<std::string> row(const std::string& table, const std::string& variant) {
  for (const std::string& line : split(table, '\n')) {
    if (!line.starts_with(variant + " ")) continue;
    std::vector<std::string> words;
    for (const std::string& word : split(line, ' ')) {
      if (!word.empty()) words.push_back(word);
    }
    return words;
  }
  return {};
}

}  // namespace

TEST_CASE("fer-export writes ONNX that is verified, with and without preprocessing inside") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  for (const std::string extra : {"", "--normalize --softmax --opset 9"}) {
    const auto result = run_shell(
        kExport + " m.safetensors --format onnx --verify --out out " + extra, scratch.path());
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.err, Catch::Contains("valid to libonnx"));
    CHECK(std::filesystem::file_size(scratch / "out/m.onnx") > 4 * 10'000);
    const auto onnx = row(result.out, "onnx");
    REQUIRE(onnx.size() == 8);
    CHECK(onnx[3] == "-");  // no accuracy without data
    CHECK(std::stod(onnx[5]) < 1e-4);
    CHECK_THAT(result.out, Catch::Contains("to ship: "));
  }
}

TEST_CASE("fer-export --describe prints what a checkpoint says of itself, and writes nothing") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  const auto result = run_shell(kExport + " --describe m.safetensors", scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto about = nlohmann::json::parse(result.out);
  CHECK(about["bytes"] == std::filesystem::file_size(scratch / "m.safetensors"));
  CHECK(about["parameters"] == parameter_count(load_checkpoint(scratch / "m.safetensors").graph));
  CHECK(about["int8"] == false);
  CHECK(about["spec"]["heads"][0]["labels"].size() == 6);
  CHECK(about["spec"]["heads"][0]["temperature"].get<double>() == Approx(1.3));
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path()), {}) == 1);
  CHECK(run_shell(kExport + " --describe m.safetensors --verify", scratch.path()).exit_code == 2);
}

TEST_CASE("fer-export verifies ONNX on as many faces with data as without") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  const auto compared = [&](const std::string& data) {
    const auto result =
        run_shell(kExport + " m.safetensors --verify --out out " + data, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 0);
    const std::string before = "no probability of ";
    const auto at = result.err.find(before);
    REQUIRE(at != std::string::npos);
    return std::stoi(result.err.substr(at + before.size()));
  };
  CHECK(compared("") == 64);
  CHECK(compared("--data synthetic:700 --split test") == 64);
  CHECK(compared("--data synthetic:60 --split test") == 6);  // all there are
}

TEST_CASE("fer-export says which head is not in the ONNX file because it is made of others") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  CHECK_THAT(run_shell(kExport + " m.safetensors --out out", scratch.path()).err,
             !Catch::Contains("mixed head"));
  Checkpoint checkpoint = load_checkpoint(scratch / "m.safetensors");
  MixedHeadSpec mixed;
  mixed.name = "mood";
  mixed.labels = {"happy", "sad"};
  mixed.parts = {{"six", 1.0f}};
  checkpoint.spec.mixed_heads = {mixed};
  save_checkpoint(scratch / "m.safetensors", checkpoint);
  const auto result = run_shell(kExport + " m.safetensors --verify --out out", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, Catch::Contains("out/m.onnx: the mixed head mood is no output"));
}

TEST_CASE("fer-export calibrates int8, measures what it costs, and fer-predict runs the result") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  const auto result =
      run_shell(kExport + " m.safetensors --format bf16,int8 --data synthetic:300 --split test",
                scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Checkpoint whole = load_checkpoint(scratch / "m.safetensors");
  const Checkpoint bf16 = load_checkpoint(scratch / "m-bf16.safetensors");
  const Checkpoint int8 = load_checkpoint(scratch / "m-int8.safetensors");
  CHECK(bf16.graph == whole.graph);
  CHECK(bf16.ranges.empty());
  CHECK(int8.ranges.contains("stem.relu"));
  CHECK(int8.spec == whole.spec);
  CHECK(std::filesystem::file_size(scratch / "m-bf16.safetensors") <
        0.7 * std::filesystem::file_size(scratch / "m.safetensors"));
  const auto fp32 = row(result.out, "fp32");
  REQUIRE(fp32.size() == 8);
  CHECK(std::stod(fp32[3]) > 0);
  CHECK(std::stod(fp32[5]) == 0);
  for (const std::string variant : {"bf16", "int8"}) {
    const auto words = row(result.out, variant);
    if (words.empty()) {  // a CPU without
      CHECK_THAT(result.err, Catch::Contains("this CPU cannot measure " + variant));
      continue;
    }
    CHECK(words[1] == "m-" + variant + ".safetensors");
    CHECK(std::abs(std::stod(words[3]) - std::stod(fp32[3])) < 0.2);
    const double mean = std::stod(words[4]), largest = std::stod(words[5]);
    CHECK(mean > 0);
    CHECK(mean <= largest);
    CHECK(largest < (variant == "int8" ? 0.1 : 0.02));
    CHECK(run_shell(std::string(FER_BIN_DIR) + "/fer-predict --crops -m " + words[1] + " " +
                        FER_SOURCE_DIR + "/docs/synthetic.png",
                    scratch.path())
              .exit_code == 0);
  }
}

TEST_CASE("fer-export stores weights in half precision without changing an answer much") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  const auto result = run_shell(kExport + " m.safetensors --format f16 --out half", scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Checkpoint whole = load_checkpoint(scratch / "m.safetensors");
  const Checkpoint half = load_checkpoint(scratch / "half/m-f16.safetensors");
  CHECK(half.graph == whole.graph);
  CHECK(half.spec == whole.spec);
  CHECK(std::filesystem::file_size(scratch / "half/m-f16.safetensors") <
        0.7 * std::filesystem::file_size(scratch / "m.safetensors"));
  const auto words = row(result.out, "f16");
  REQUIRE(words.size() == 8);
  CHECK(std::stod(words[5]) < 0.005);
}

#if FER_HAVE_TRAIN
TEST_CASE("fer-export --verify ends with 3 when a format costs too much, and without it says so") {
  const TemporaryFolder scratch;
  REQUIRE(run_shell(std::string(FER_BIN_DIR) +
                        "/fer-train --arch compact --stages 8 16 --blocks 1 --input-size 24 --data "
                        "synthetic:600 --epochs 6 --batch-size 16",
                    scratch.path())
              .exit_code == 0);
  Checkpoint checkpoint = load_checkpoint(scratch / "runs/train/exp/weights/best.safetensors");
  // Half precision has steps of 16 here: the first label becomes larger by that, the others do not.
  auto bias = checkpoint.weights.at("head_six.bias").floats();
  std::ranges::fill(bias, 30'007.9f);
  bias[0] = 30'008.1f;
  save_checkpoint(scratch / "m.safetensors", checkpoint);
  const std::string command =
      kExport + " m.safetensors --format f16 --data synthetic:600 --split test";
  const auto told = run_shell(command, scratch.path());
  INFO(told.err << told.out);
  CHECK(told.exit_code == 0);
  CHECK_THAT(told.err, Catch::Contains("f16 costs"));
  CHECK(run_shell(command + " --verify", scratch.path()).exit_code == 3);
}
#endif

TEST_CASE("fer-export --ensemble makes one net of several, and exports it") {
  const TemporaryFolder scratch;
  write_six(scratch / "a.safetensors");
  write_six(scratch / "b.safetensors", 2);
  const auto joined = run_shell(kExport + " a.safetensors b.safetensors --ensemble --out out " +
                                    "--format f16,onnx --verify --data synthetic:200",
                                scratch.path());
  INFO(joined.err);
  REQUIRE(joined.exit_code == 0);
  CHECK_THAT(joined.err, Catch::Contains("out/ensemble.safetensors: "));
  CHECK(row(joined.out, "f16").size() == 8);
  CHECK(row(joined.out, "onnx").size() == 8);
  const Checkpoint one = load_checkpoint(scratch / "a.safetensors");
  const Checkpoint both = load_checkpoint(scratch / "out/ensemble-f16.safetensors");
  const Checkpoint other_one = load_checkpoint(scratch / "b.safetensors");
  const HostTensor batch = random_batch(one.graph, 3, 7);
  const auto logits = [&](const Checkpoint& net) {
    return run_reference(net.graph, net.weights, batch).at("six").to_floats();
  };
  const auto of_one = logits(one), of_other = logits(other_one), mean = logits(both);
  for (std::size_t i = 0; i < mean.size(); ++i)
    CHECK(mean[i] == Approx((of_one[i] + of_other[i]) / 2).margin(0.02));  // rounded to F16

  // Nothing is exported where no format is asked for.
  const auto alone = run_shell(kExport + " a.safetensors b.safetensors --ensemble", scratch.path());
  CHECK(alone.exit_code == 0);
  CHECK(alone.out.empty());
  CHECK(std::filesystem::exists(scratch / "ensemble.safetensors"));
  CHECK_FALSE(std::filesystem::exists(scratch / "ensemble.onnx"));

  write_model(scratch / "two.safetensors", {{16}, "two", {"yes", "no"}, 1.0f});
  const auto other =
      run_shell(kExport + " a.safetensors two.safetensors --ensemble --out new", scratch.path());
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err,
             Catch::Contains("net 2 and the first do not go together: other heads or labels (net 1 "
                             "is a.safetensors, net 2 is two.safetensors)"));
  CHECK_FALSE(std::filesystem::exists(scratch / "new"));
  for (const auto& [arguments, message] : std::vector<std::pair<std::string, std::string>>{
           {"a.safetensors --ensemble", "--ensemble needs at least two models"},
           {"a.safetensors b.safetensors", "one model at a time, or one of them all"},
           {"a.safetensors b.safetensors --ensemble --data synthetic:200",
            "--data counts with a --format alone"},
           {"a.safetensors ./a.safetensors --ensemble", "named twice"},
           {"a.safetensors out/ensemble-f16.safetensors --ensemble --out out --format f16",
            "would be written over"},
           {"a.safetensors ensemble.safetensors --ensemble", "would be written over"},
           {"a.safetensors b.safetensors --ensemble --describe", "without --ensemble"}}) {
    const auto refused = run_shell(kExport + " " + arguments, scratch.path());
    INFO(arguments);
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Catch::Contains(message));
  }
}

TEST_CASE("fer-export says in one line what is wrong with a command") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  const auto fails = [&](const std::string& arguments, const std::string& word) {
    const auto result = run_shell(kExport + arguments, scratch.path());
    INFO(arguments << ": " << result.err);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.err, Catch::Contains(word));
    CHECK(result.out.empty());
  };
  fails(" m.safetensors --format onx", "did you mean 'onnx'?");
  fails(" m.safetensors --opset 8", "opset 8: expected 9 to 17");
  fails(" m.safetensors --format int8", "needs --data");
  fails(" m.safetensors --format bf16 --verify", "--verify of bf16 needs --data");
  fails(" none.safetensors", "none.safetensors");
  fails(" m.safetensors --format f16 --softmax", "--softmax counts with --format onnx alone");
  fails(" m.safetensors --split train", "--split counts with --data alone");
  fails(" m.safetensors --calibration-faces 9", "--calibration-faces counts with --format int8");
  fails(" m.safetensors --format onnx,onnx", "names a format twice");
}

TEST_CASE("fer-export passes no net whose answers are no numbers, and leaves the good file") {
  const TemporaryFolder scratch;
  write_six(scratch / "m.safetensors");
  REQUIRE(run_shell(kExport + " m.safetensors --verify", scratch.path()).exit_code == 0);
  const std::string good = read_text_file(scratch / "m.onnx");
  Checkpoint broken = load_checkpoint(scratch / "m.safetensors");
  for (auto& [name, tensor] : broken.weights) {
    if (name.ends_with(".weight")) std::ranges::fill(tensor.floats(), 3e38f);
  }
  save_checkpoint(scratch / "m.safetensors", broken);
  const auto result = run_shell(kExport + " m.safetensors --verify", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Catch::Contains("no number"));
  CHECK(read_text_file(scratch / "m.onnx") == good);
}

TEST_CASE("fer-export measures a head of FER+ on pictures that have no votes") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors", {{8}, "ferplus", *label_preset("ferplus"), 1.0f});
  const auto result =
      run_shell(kExport + " m.safetensors --format f16 --data synthetic:300 --labels ferplus",
                scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(std::stod(row(result.out, "f16").at(3)) >= 0);
  const auto other = run_shell(
      kExport + " m.safetensors --format f16 --data synthetic:300 --labels \"\"", scratch.path());
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Catch::Contains("name by --labels those that data and model both have"));
}
#endif
