// fer-train and fer-eval as their users run them.
#if FER_HAVE_TRAIN
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fer/core/file.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/model/checkpoint.h"
#include "support/fer2013_row.h"
#include "support/program.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kTrain = std::string(FER_BIN_DIR) + "/fer-train";
const std::string kEval = std::string(FER_BIN_DIR) + "/fer-eval";
// A net that learns something in seconds.
const std::string kSmall =
    " --arch compact --stages 8 16 --blocks 1 --input-size 24 --data synthetic:300 --batch-size 32";

std::vector<std::string> lines_of(const std::string& text) {
  auto lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string csv_without_time(const std::filesystem::path& path) {
  std::string result;
  for (const auto& line : lines_of(slurp(path))) {
    auto fields = split(line, ',');
    fields.erase(fields.begin() + 1);
    result += join(fields, ",") + "\n";
  }
  return result;
}

}  // namespace

TEST_CASE("of epochs that are equally right the one of the lowest loss is the best") {
  const TemporaryFolder scratch;
  const auto result = run_shell(
      kTrain +
          " --arch compact --stages 8 16 --blocks 1 --input-size 24 --data synthetic:48 "
          "--train-fraction 0.75 --batch-size 12 --epochs 12 --ema 0 --seed 2 --name ties",
      scratch.path());
  INFO(result.err << result.out);
  REQUIRE(result.exit_code == 0);
  const auto rows = lines_of(slurp(scratch / "runs/train/ties/results.csv"));
  const auto names = split(rows[0], ',');
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  double accuracy = -1, loss = 0;
  std::string best;
  int level = 0;  // epochs with that accuracy
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto fields = split(rows[i], ',');
    const double a = std::stod(fields[column("val_accuracy")]);
    const double l = std::stod(fields[column("val_loss")]);
    level = a > accuracy ? 1 : level + (a == accuracy);
    if (a < accuracy || (a == accuracy && l >= loss)) continue;
    accuracy = a;
    loss = l;
    best = fields[0];
  }
  CHECK(level > 1);
  CHECK_THAT(result.out, Catch::StartsWith("best epoch " + best + ":"));
}

TEST_CASE("fer-train leaves a run folder that holds everything") {
  const TemporaryFolder scratch;
  const auto result = run_shell(kTrain + kSmall + " --epochs 2 --name a", scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::StartsWith("best epoch ") &&
                             Catch::Contains("runs/train/a/weights/best.safetensors"));
  const auto run = scratch / "runs/train/a";
  // Each class of the best epoch, and how to go on: the command as it is printed gives the same
  // accuracy, but for what bf16 rounds.
  const auto stored = load_checkpoint(run / "weights/best.safetensors").spec.provenance;
  const auto& scores = stored["validation"]["six"];
  REQUIRE(scores["class_f1"].size() == 6);
  double mean = 0;
  for (const auto& [label, f1] : scores["class_f1"].items()) {
    CHECK_THAT(result.out, Catch::Contains(format(" %s %.2f", label.c_str(), f1.get<double>())));
    mean += f1.get<double>() / 6;
  }
  CHECK(mean == Approx(scores["macro_f1"].get<double>()));
  const auto command = result.err.find("fer-eval --model ");
  REQUIRE(command != std::string::npos);
  const auto judged =
      run_shell(std::string(FER_BIN_DIR) + "/" +
                    trim(result.err.substr(command, result.err.find('\n', command) - command)) +
                    " --no-save --format json --resamples 10",
                scratch.path());
  INFO(judged.err);
  REQUIRE(judged.exit_code == 0);
  CHECK(nlohmann::json::parse(judged.out)["metrics"]["accuracy"]["value"].get<double>() ==
        Approx(scores["accuracy"].get<double>()).margin(0.1));
  for (const char* name :
       {"args.yaml", "data.json", "results.csv", "curves.png", "labels.png", "train_batch.png",
        "weights/best.safetensors", "weights/last.safetensors"}) {
    INFO(name);
    CHECK(std::filesystem::file_size(run / name) > 0);
  }
  CHECK_FALSE(std::filesystem::exists(run / "weights/state.safetensors"));
  const auto rows = lines_of(slurp(run / "results.csv"));
  REQUIRE(rows.size() == 3);
  // Pinned in docs/formats.md.
  CHECK(
      rows[0] ==
      "epoch,time,lr,train_loss,train_accuracy,train_macro_f1,val_loss,val_accuracy,val_macro_f1");
  const auto checkpoint = load_checkpoint(run / "weights/best.safetensors");
  CHECK(checkpoint.spec.heads[0].labels.size() == 6);
  CHECK(checkpoint.spec.provenance.contains("commit"));

  SECTION("its args.yaml repeats it") {
    const auto again =
        run_shell(kTrain + " --config runs/train/a/args.yaml --name b", scratch.path());
    INFO(again.err);
    REQUIRE(again.exit_code == 0);
    CHECK(csv_without_time(scratch / "runs/train/b/results.csv") ==
          csv_without_time(run / "results.csv"));
  }
  SECTION(
      "fer-eval prints accuracy with its interval first, then classes and the confusion matrix") {
    const auto eval = run_shell(
        kEval + " --model runs/train/a/weights/best.safetensors --data synthetic:300 --split val",
        scratch.path());
    INFO(eval.err);
    REQUIRE(eval.exit_code == 0);
    const auto out = lines_of(eval.out);
    double accuracy = 0, low = 0, high = 0;
    int n = 0;
    REQUIRE(std::sscanf(out[0].c_str(), "accuracy %lf [%lf, %lf] n=%d", &accuracy, &low, &high,
                        &n) == 4);
    CHECK(n == 30);
    CHECK(low <= accuracy);
    CHECK(accuracy <= high);
    CHECK_THAT(eval.out, Catch::Contains("precision") && Catch::Contains("macro") &&
                             Catch::Contains("weighted") && Catch::Contains("confusion matrix"));
  }
  SECTION("a finished run is not resumed") {
    const auto again = run_shell(kTrain + " --resume=runs/train/a", scratch.path());
    CHECK(again.exit_code == 2);
    CHECK_THAT(again.err, Catch::Contains("finished"));
  }
}

TEST_CASE(
    "Ctrl-C and kill -9 leave a loadable checkpoint and a run that resumes to the same numbers") {
  const TemporaryFolder scratch;
  const std::string args = kSmall + " --epochs 4";
  REQUIRE(run_shell(kTrain + args + " --name whole", scratch.path()).exit_code == 0);
  const auto wanted = csv_without_time(scratch / "runs/train/whole/results.csv");
  for (const std::string signal : {"INT", "KILL"}) {
    INFO(signal);
    // As soon as the first epoch stands in results.csv, in the middle of a later one.
    const std::string name = "stopped-" + signal;
    const auto stopped = run_shell(
        kTrain + args + " --name " + name + " & pid=$!; until grep -q '^1,' runs/train/" + name +
            "/results.csv 2>/dev/null || ! kill -0 $pid; do sleep .05; done; kill -" + signal +
            " $pid; wait $pid",
        scratch.path());
    INFO(stopped.err);
    CHECK(stopped.exit_code == (signal == "INT" ? 130 : 137));
    const auto run = scratch / ("runs/train/" + name);
    CHECK_NOTHROW(load_checkpoint(run / "weights/last.safetensors"));
    const auto resumed =
        run_shell(kTrain + " --resume --project runs/train --device auto", scratch.path());
    INFO(resumed.err);
    CHECK(resumed.exit_code == 0);
    CHECK(csv_without_time(run / "results.csv") == wanted);
    const auto best = load_checkpoint(run / "weights/best.safetensors").weights;
    const auto whole =
        load_checkpoint(scratch / "runs/train/whole/weights/best.safetensors").weights;
    REQUIRE(best.size() == whole.size());
    for (const auto& [tensor, values] : whole) {
      INFO(tensor);
      CHECK((best.at(tensor).bytes == values.bytes));
    }
  }
}

TEST_CASE("a net learns from teachers, and a run that they teach resumes to the same numbers") {
  const TemporaryFolder scratch;
  const std::string args = kSmall + " --epochs 6";
  REQUIRE(run_shell(kTrain + args + " --name teacher", scratch.path()).exit_code == 0);
  const std::string mode = GENERATE(as<std::string>(), "fixed", "consistent");
  INFO(mode);
  const std::string taught = kTrain + args +
                             " --seed 1 --teacher runs/train/teacher/weights/best.safetensors "
                             "--teacher-mode " +
                             mode;
  const auto whole = run_shell(taught + " --name whole", scratch.path());
  INFO(whole.err);
  REQUIRE(whole.exit_code == 0);
  CHECK((whole.err.find("teachers: 240/240 images") != std::string::npos) == (mode == "fixed"));
  const auto wanted = csv_without_time(scratch / "runs/train/whole/results.csv");
  REQUIRE(run_shell(kTrain + args + " --seed 1 --name untaught", scratch.path()).exit_code == 0);
  CHECK(csv_without_time(scratch / "runs/train/untaught/results.csv") != wanted);

  const auto stopped = run_shell(
      taught +
          " --name parts & pid=$!; until grep -q '^1,' runs/train/parts/results.csv 2>/dev/null || "
          "! kill -0 $pid; do sleep .05; done; kill -INT $pid; wait $pid",
      scratch.path());
  REQUIRE(stopped.exit_code == 130);
  REQUIRE(run_shell(kTrain + " --resume", scratch.path()).exit_code == 0);
  CHECK(csv_without_time(scratch / "runs/train/parts/results.csv") == wanted);
}

TEST_CASE("a summary lists layers, shapes, parameters and FLOPs") {
  const TemporaryFolder scratch;
  const auto result =
      run_shell(kTrain + " --arch cnn-large --labels fer2013 --summary", scratch.path());
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::Contains("[512,") && Catch::Contains("total"));
}

TEST_CASE("a configuration printed as JSON is the same configuration") {
  const TemporaryFolder scratch;
  write_text(scratch / "a.yaml",
             "data:\n  heads: [fer2013:label, ferplus:votes]\ntrain:\n  lr: 5e-4\n  "
             "progressive: [28, 36]\naugment:\n  enabled: false\nrun:\n  name: '007'\n");
  const auto result = run_shell(kTrain + " --config a.yaml --print-config=json > a.json && " +
                                    kTrain + " --config a.yaml --print-config > a.txt && " +
                                    kTrain + " --config a.json --print-config | diff - a.txt",
                                scratch.path());
  CHECK(result.out.empty());
  const auto json = nlohmann::json::parse(read_text_file(scratch / "a.json"));
  CHECK(json["train"]["progressive"] == nlohmann::json{28, 36});
  CHECK(json["train"]["lr"] == 0.0005);
  CHECK(json["augment"]["enabled"] == false);
  CHECK(json["run"]["name"] == "007");
  const auto wrong = run_shell(kTrain + " --print-config=xml", scratch.path());
  CHECK(wrong.exit_code == 2);
  CHECK_THAT(wrong.err, Catch::Contains("--print-config xml: expected yaml or json"));
}

TEST_CASE("configuration: default < YAML < --set < flag, and the result can be printed") {
  const TemporaryFolder scratch;
  write_text(scratch / "a.yaml", "train:\n  lr: 0.5\n  epochs: 7\n  opt: sgd\n");
  const auto result = run_shell(
      kTrain + " --config a.yaml --set train.epochs=8 --set train.seed=3 --seed 4 --print-config",
      scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::Contains("  lr: 0.5\n") && Catch::Contains("  epochs: 8\n") &&
                             Catch::Contains("  opt: sgd\n") && Catch::Contains("  seed: 4\n"));
}

TEST_CASE(
    "fer-train --set splits a list at its commas, leaves other values whole, and empties a list") {
  const TemporaryFolder scratch;
  write_text(scratch / "a.yaml", "train:\n  progressive: [20, 24]\n  teachers: [a, b]\n");
  const auto config = [&](const std::string& args) {
    const auto result =
        run_shell(kTrain + " --config a.yaml --print-config " + args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 0);
    return result.out;
  };
  CHECK_THAT(config(""), Catch::Contains("  progressive: [20, 24]\n") &&
                             Catch::Contains("  teachers: [a, b]\n"));
  CHECK_THAT(config("--set train.progressive=28,36 --set data.labels=happy,sad "
                    "--set data.classes=surprised=1,fearful=2"),
             Catch::Contains("  progressive: [28, 36]\n") &&
                 Catch::Contains("  labels: \"happy,sad\"\n") &&
                 Catch::Contains("  classes: \"surprised=1,fearful=2\"\n"));
  CHECK_THAT(config("--set train.progressive= --set train.teachers= --set data.classes="),
             Catch::Contains("  progressive: []\n") && Catch::Contains("  teachers: []\n") &&
                 Catch::Contains("  classes: \"\"\n"));
  CHECK_THAT(config("--set 'train.progressive=[28, 36]' --set train.teachers=[]"),
             Catch::Contains("  progressive: [28, 36]\n") && Catch::Contains("  teachers: []\n"));
  CHECK_THAT(config("--set 'train.rates=[\"stage1=0.1\", stem=0]'"),
             Catch::Contains("  rates: [\"stage1=0.1\", \"stem=0\"]\n"));
}

TEST_CASE("of a switch the last word counts, and it must be one") {
  const TemporaryFolder scratch;
  const auto config = [&](const std::string& args) {
    return run_shell(kTrain + " --print-config " + args, scratch.path());
  };
  CHECK_THAT(config("--no-augment --augment").out, Catch::Contains("enabled: true\n"));
  CHECK_THAT(config("--augment --augment --no-augment").out, Catch::Contains("enabled: false\n"));
  CHECK_THAT(config("--augment=off").out, Catch::Contains("enabled: false\n"));
  CHECK_THAT(config("--no-augment=no").out, Catch::Contains("enabled: true\n"));
  const auto other = config("--augment=maybe");
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Catch::Contains("--augment: 'maybe' is neither true nor false"));
  const auto missing = config("--batch-size");
  CHECK(missing.exit_code == 2);
  CHECK_THAT(missing.err, Catch::Contains("--batch-size: a value is missing"));
}

TEST_CASE("a configuration is one map of known keys, each once") {
  const TemporaryFolder scratch;
  const auto says = [&](const std::string& yaml) {
    write_text(scratch / "c.yaml", yaml);
    const auto result = run_shell(kTrain + " --config c.yaml --print-config", scratch.path());
    CHECK(result.exit_code == (result.err.empty() ? 0 : 2));
    return result.err;
  };
  CHECK(says("train:\n  epochs:\naugment:\n").empty());
  CHECK_THAT(says("- true\n"), Catch::Contains("expected keys with values"));
  CHECK_THAT(says("train:\n  epoch:\n"), Catch::Contains("did you mean 'train.epochs'"));
  CHECK_THAT(says("train: {epochs: 1, epochs: 2}\n"),
             Catch::Contains("'train.epochs' is there twice"));
  CHECK_THAT(says("train: {epochs: 1}\n---\ntrain: {epochs: 2}\n"),
             Catch::Contains("several documents"));
  CHECK(run_shell(kTrain + " --set =true", scratch.path()).exit_code == 2);
  for (const std::string word : {"-", "---", "null"}) {
    const auto written =
        run_shell(kTrain + " --print-config --name x --labels '" + word + "' > w.yaml && " +
                      kTrain + " --config w.yaml --print-config | diff - w.yaml",
                  scratch.path());
    INFO(word << written.out << written.err);
    CHECK(written.exit_code == 0);
  }
}

TEST_CASE("bad input is one clear line and exit code 2, and nothing is written") {
  const TemporaryFolder scratch;
  const std::string header = "emotion,pixels,Usage\n";
  const std::string good = fer2013_row("3", "Training") + fer2013_row("4", "Training", 9) +
                           fer2013_row("3", "PublicTest", 2) + fer2013_row("4", "PrivateTest", 3);
  write_text(scratch / "good.csv", header + good);
  write_text(scratch / "short.csv", header + good + "3,1 2 3,Training\n");
  write_text(scratch / "letter.csv",
             header + good + replace_all(fer2013_row("3", "Training"), " 10 ", " x "));
  write_text(scratch / "large.csv",
             header + good + replace_all(fer2013_row("3", "Training"), " 255 ", " 256 "));
  write_text(scratch / "column.csv", "emotion,Usage\n3,Training\n");
  write_text(scratch / "cut.csv", (header + good).substr(0, header.size() + good.size() - 4000));
  write_text(scratch / "usage.csv", header + good + fer2013_row("3", "Trainig"));
  write_text(scratch / "fer2013new.csv",
             "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,"
             "unknown,NF\nTraining,a.png,1,9,0,0,0,0,0,0,0,0\n");
  write_text(scratch / "good.yaml", "train:\n  epochs: 3\n");
  write_text(scratch / "key.yaml", "train:\n  epoch: 3\n");
  write_text(scratch / "broken.yaml", "train: [1,\n");
  write_text(scratch / "value.yaml", "train:\n  epochs: many\n");
  std::filesystem::create_directories(scratch / "empty");
  struct Case {
    std::string args, says;
  };
  const std::vector<Case> cases = {
      {"--data nowhere.csv", "nowhere.csv"},
      {"--data empty", "empty"},
      {"--data short.csv --labels fer2013", "short.csv row 5"},
      {"--data letter.csv --labels fer2013", "letter.csv row 5"},
      {"--data large.csv --labels fer2013", "256"},
      {"--data column.csv --labels fer2013", "pixels"},
      {"--data cut.csv --labels fer2013", "cut.csv row 4"},
      {"--data usage.csv --labels fer2013", "Trainig"},
      {"--data good.csv --labels ferplus --targets votes", "fer2013new.csv"},
      {"--data good.csv --labels happy,sadd", "did you mean 'sad'"},
      {"--data good.csv --labels happy,sad", "batch_size"},
      {"--data synthetic:60 --batch-size 128", "128"},
      {"--epoch 3", "did you mean '--epochs'"},
      {"--config key.yaml", "did you mean 'train.epochs'"},
      {"--config broken.yaml", "broken.yaml line"},
      {"--config value.yaml", "many"},
      {"--config none.yaml", "none.yaml"},
      {"--set train.lr", "key=value"},
      {"--lr fast", "'fast' is not a number"},
      {"--epochs 0", "train.epochs"},
      {"--arch compct", "did you mean 'compact'"},
      {"--opt adm", "did you mean 'adam'"},
      {"--targets vote", "votes"},
      {"--device tpu", "tpu"},
      {"--train-fraction 1.5", "1.5"},
      {"--resume", "no unfinished run"},
      {"--resume=nowhere", "nowhere"},
      {"--device cpu --resume --epochs 3 --seed 1", "--epochs: a resumed run keeps its own"},
      {"--resume --set train.epochs=3", "--set: a resumed run keeps its own"},
      {"--resume --config good.yaml", "--config: a resumed run keeps its own"},
      {"--resume --no-augment", "--augment: a resumed run keeps its own"},
      {"--resume=nowhere --project runs", "--project: a resumed run keeps its own"},
      {"extra", "extra"},
      {"--name a/b", "a/b"},
      {"--rotation 500", "augment.rotation"},
      {"--data synthetic:300 --progressive 100", "train.progressive: 100"},
      {"--teacher-weight 2", "train.teacher_weight: 2"},
      {"--teacher-mode strict", "train.teacher_mode: unknown value 'strict'"},
      {"--data synthetic:300 --teacher nowhere.safetensors", "nowhere.safetensors"},
      {"--heads fer2013", "labels:targets"},
  };
  for (const Case& c : cases) {
    INFO("fer-train " << c.args);
    const auto result = run_shell(kTrain + " " + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 2);
    REQUIRE_FALSE(lines_of(result.err).empty());
    const std::string last = lines_of(result.err).back();
    CHECK_THAT(last, Catch::StartsWith("error: fer-train: ") && Catch::Contains(c.says));
    CHECK(result.out.empty());
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "runs"));
}

TEST_CASE("fer-eval refuses what it cannot evaluate with one clear line") {
  const TemporaryFolder scratch;
  REQUIRE(run_shell(kTrain + kSmall + " --epochs 1", scratch.path()).exit_code == 0);
  const auto best = scratch / "runs/train/exp/weights/best.safetensors";
  const std::string whole = slurp(best);
  const auto unnamed =
      run_shell("FER_MODEL=" + best.string() + " " + kEval + " --data synthetic:60 --no-save",
                scratch.path());
  INFO(unnamed.err);
  CHECK(unnamed.exit_code == 0);
  write_text(scratch / "cut.safetensors", whole.substr(0, whole.size() - 100));
  write_text(scratch / "version.safetensors",
             replace_all(whole, "\"version\":\"1\"", "\"version\":\"9\""));
  write_text(scratch / "text.safetensors", "not a checkpoint");
  std::string csv = "emotion,pixels,Usage\n";
  for (const char* label : {"0", "2", "3", "4", "5", "6"}) {
    csv += fer2013_row(label, "Training") + fer2013_row(label, "PublicTest", 9);
  }
  write_text(scratch / "no-test.csv", csv);
  struct Case {
    std::string args, says;
  };
  const std::string model = "--model runs/train/exp/weights/best.safetensors ";
  for (const Case& c : std::vector<Case>{
           {"--calibrate val", "name it by --model"},
           {"--model none.safetensors", "none.safetensors"},
           {"--model cut.safetensors", "cut.safetensors"},
           {"--model version.safetensors", "9"},
           {"--model text.safetensors", "text.safetensors"},
           {model + "--split tset", "tset"},
           {model + "--head nose", "nose"},
           {model + "--data no-test.csv --split test", "test is empty"},
           {model + "--modle x", "did you mean '--model'"},
       }) {
    INFO("fer-eval " << c.args);
    const auto result = run_shell(kEval + " " + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 2);
    REQUIRE_FALSE(lines_of(result.err).empty());
    CHECK_THAT(lines_of(result.err).back(),
               Catch::StartsWith("error: fer-eval: ") && Catch::Contains(c.says));
  }
}

TEST_CASE("a full disk or a read-only folder is exit code 1, and what was there stays") {
  const TemporaryFolder scratch;
  const auto disk = scratch / "disk";
  std::filesystem::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=600k") != 0) {
    skip("mounting a small tmpfs needs root");
    return;
  }
  const auto full =
      run_shell(kTrain + kSmall + " --epochs 1 --stages 32 64 --project disk/runs", scratch.path());
  ::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr);
  const auto read_only =
      run_shell(kTrain + kSmall + " --epochs 1 --project disk/other", scratch.path());
  const bool temporary_left =
      !run_shell("find disk -name '*.tmp*' | grep .", scratch.path()).exit_code;
  ::umount(disk.c_str());
  INFO(full.err);
  CHECK(full.exit_code == 1);
  CHECK_THAT(lines_of(full.err).back(), Catch::Contains("No space left on device"));
  INFO(read_only.err);
  CHECK(read_only.exit_code == 1);
  CHECK_THAT(lines_of(read_only.err).back(),
             Catch::Contains("disk/other") && Catch::Contains("Read-only file system"));
  CHECK_FALSE(temporary_left);
}

TEST_CASE("the evaluation that a training names goes through a shell, with what a YAML said") {
  if (!png_available()) return skip("built without libpng");
  const TemporaryFolder scratch;
  for (int i = 0; i < 40; ++i) {
    const std::string folder = i % 2 == 0 ? "it's mine/3" : "it's mine/4";
    std::filesystem::create_directories(scratch / folder);
    write_png(scratch / (folder + format("/%d.png", i)),
              Image(48, 48, 1, static_cast<std::uint8_t>(i % 2 == 0 ? 200 - i : 40 + i)));
  }
  write_text(scratch / "faces.yaml",
             "path: \"it's mine\"\nclasses: happy=3,sad=4\nlabels: happy,sad\nseed: 5\n");
  const auto trained = run_shell(kTrain +
                                     " --arch compact --stages 8 16 --blocks 1 --input-size 24 "
                                     "--batch-size 16 --epochs 1 --data faces.yaml",
                                 scratch.path());
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  const auto command = trained.err.find("fer-eval --model ");
  REQUIRE(command != std::string::npos);
  const auto judged =
      run_shell(std::string(FER_BIN_DIR) + "/" +
                    trim(trained.err.substr(command, trained.err.find('\n', command) - command)) +
                    " --no-save --resamples 10",
                scratch.path());
  INFO(judged.err);
  CHECK(judged.exit_code == 0);
  CHECK_THAT(judged.out, Catch::Contains("n=8\n"));
  CHECK_THAT(judged.err, !Catch::Contains("was trained with the split"));
  // Labels that are made of others: the checkpoint has their names alone.
  const auto merged = run_shell(kTrain +
                                    " --arch compact --stages 8 16 --blocks 1 --input-size 24 "
                                    "--batch-size 16 --epochs 1 --data faces.yaml --labels "
                                    "good=happy,bad=sad --name merged",
                                scratch.path());
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  CHECK_THAT(merged.err, Catch::Contains(" --labels good=happy,bad=sad"));
  const auto again = merged.err.find("fer-eval --model ");
  CHECK_THAT(run_shell(std::string(FER_BIN_DIR) + "/" +
                           trim(merged.err.substr(again, merged.err.find('\n', again) - again)) +
                           " --no-save --resamples 10",
                       scratch.path())
                 .out,
             Catch::Contains("n=8\n"));
}

TEST_CASE("clips that --group-by keeps whole in training are whole in evaluation, too") {
  if (!png_available()) return skip("built without libpng");
  const TemporaryFolder scratch;
  std::filesystem::create_directories(scratch / "faces");
  constexpr int kFrames = 6;
  const auto write_manifest = [&](int first_of_clip) {
    std::string manifest = "path,label,source\n";
    for (int i = 0; i < 12 * kFrames; ++i) {
      manifest += format("faces/%d.png,%s,clip%d.mp4\n", i, i % 2 == 0 ? "happy" : "sad",
                         (i + first_of_clip) / kFrames);
    }
    write_text(scratch / "faces.csv", manifest);
  };
  for (int i = 0; i < 12 * kFrames; ++i) {
    write_png(scratch / format("faces/%d.png", i),
              Image(48, 48, 1, static_cast<std::uint8_t>(i % 2 == 0 ? 200 - i : 40 + i)));
  }
  write_manifest(0);
  const std::string small = kTrain +
                            " --arch compact --stages 8 16 --blocks 1 --input-size 24 --labels "
                            "auto --batch-size 16 --epochs 1 --data faces.csv ";
  const auto plain = run_shell(small + "--name plain", scratch.path());
  INFO(plain.err);
  REQUIRE(plain.exit_code == 0);
  CHECK_THAT(plain.err, Catch::Contains("faces.csv: faces of one source (clip") &&
                            Catch::Contains("--group-by source keeps every source in one part"));
  const auto whole = run_shell(small + "--name whole --group-by source", scratch.path());
  INFO(whole.err);
  REQUIRE(whole.exit_code == 0);
  CHECK_THAT(whole.err, !Catch::Contains("faces of one source"));
  CHECK_THAT(whole.err, Catch::Contains("--split val --group-by source"));
  CHECK_THAT(slurp(scratch / "runs/train/whole/args.yaml"), Catch::Contains("group_by: source"));
  const auto refused = run_shell(small + "--group-by clip", scratch.path());
  CHECK(refused.exit_code == 2);
  CHECK_THAT(lines_of(refused.err).back(),
             Catch::Contains("faces.csv: group_by 'clip': no such column"));

  const auto evaluate = [&](const std::string& model, const std::string& flags) {
    const auto result = run_shell(kEval + " --model runs/train/" + model +
                                      "/weights/best.safetensors --data faces.csv --split val "
                                      "--resamples 100 --project eval --exist-ok " +
                                      flags,
                                  scratch.path());
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return result.err;
  };
  CHECK_THAT(evaluate("plain", ""), !Catch::Contains("was trained"));
  CHECK_THAT(evaluate("plain", "--group-by source"),
             Catch::Contains("was trained with the split") && Catch::Contains("--group-by"));
  CHECK_THAT(evaluate("whole", ""),
             Catch::Contains("was trained with the split") && Catch::Contains("--group-by"));
  CHECK_THAT(evaluate("whole", "--group-by source --name val"), !Catch::Contains("was trained"));
  std::map<int, int> frames;  // of the clips that validate
  auto rows = lines_of(slurp(scratch / "eval/val/predictions.csv"));
  for (std::size_t r = 1; r < rows.size(); ++r) {
    int image = -1;
    REQUIRE(std::sscanf(rows[r].c_str(), "faces/%d.png", &image) == 1);
    ++frames[image / kFrames];
  }
  CHECK(!frames.empty());
  for (const auto& [clip, count] : frames) CHECK(count == kFrames);

  write_manifest(3);  // other clips of the same images
  CHECK_THAT(evaluate("whole", "--group-by source"), Catch::Contains("was trained on other data"));
  // One that was trained before there were groups.
  CHECK_THAT(evaluate("plain", ""), !Catch::Contains("was trained"));
}
#endif
