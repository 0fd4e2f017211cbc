// fer-eval as its users run it, with small untrained networks.
#if FER_HAVE_EVAL
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"
#include "fer/eval/plot.h"
#include "fer/model/architectures.h"
#include "fer/model/checkpoint.h"
#include "support/op_cases.h"
#include "support/program.h"
#include "support/real_data.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kEval = std::string(FER_BIN_DIR) + "/fer-eval";
const std::string kData = std::string(FER_BIN_DIR) + "/fer-data";

// A net of two stages that sees 20 of 24 pixels; other seeds are other nets.
void write_model(const std::filesystem::path& path, const LabelList& labels,
                 std::uint64_t seed = 1) {
  ArchitectureOptions options;
  options.input_size = 20;
  options.stages = {8, 16};
  options.blocks = {1};
  options.heads = {{"face", static_cast<int>(labels.size())}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.spec.architecture = "compact";
  checkpoint.spec.resize = 24;
  checkpoint.spec.input_size = 20;
  checkpoint.spec.heads = {{"face", labels, 1.0f, 0.0f}};
  checkpoint.spec.default_head = "face";
  checkpoint.weights = random_weights(checkpoint.graph, seed);
  std::filesystem::create_directories(path.parent_path());
  save_checkpoint(path, checkpoint, DType::kF16);
}

nlohmann::json eval_json(const std::string& arguments, const TemporaryFolder& folder) {
  const auto result =
      run_shell(kEval + " --no-save --format json --resamples 100 " + arguments, folder.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return nlohmann::json::parse(result.out);
}

double metric(const nlohmann::json& metrics, const std::string& name) {
  return metrics["metrics"][name]["value"];
}

// Faces as the part val of a manifest, half of them under the label that the net gives them, so
// that it knows something.
void write_half_known(const TemporaryFolder& scratch, const std::string& model,
                      const std::string& csv) {
  REQUIRE(run_shell(kData + " synth drawn --count 400", scratch.path()).exit_code == 0);
  REQUIRE(run_shell(kEval + " -m " + model + " --data drawn --split train --project known",
                    scratch.path())
              .exit_code == 0);
  std::string manifest = "path,label,split\n";
  int row = 0;
  for (const std::string& line : split(slurp(scratch / "known/exp/predictions.csv"), '\n')) {
    const auto fields = split(line, ',');
    if (++row == 1 || fields.size() < 3) continue;
    manifest += fields[0] + "," + fields[row % 2 == 0 ? 1 : 2] + ",val\n";
  }
  write_text(scratch / csv, manifest);
}

}  // namespace

TEST_CASE("fer-eval leaves a folder with everything about a model, and prints its figures") {
  const TemporaryFolder scratch;
  write_model(scratch / "run/weights/best.safetensors", *label_preset("six"));
  write_text(scratch / "run/results.csv",
             "epoch,time,lr,train_loss,train_accuracy,train_macro_f1,val_loss,val_accuracy,"
             "val_macro_f1\n1,1,1,2,.2,.2,2,.2,.2\n2,2,1,1,.3,.3,1.5,.25,.2\n");
  const std::string command =
      kEval + " -m run/weights/best.safetensors --data synthetic:300 --model-card card.md";
  const auto result = run_shell(command, scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  double accuracy = 0, low = 0, high = 0;
  int n = 0;
  REQUIRE(std::sscanf(result.out.c_str(), "accuracy %lf [%lf, %lf] n=%d\n", &accuracy, &low, &high,
                      &n) == 4);
  CHECK(n == 30);
  CHECK_THAT(result.out, Catch::Contains("\nrun/best, head face, on test of "));
  CHECK(low <= accuracy);
  CHECK(accuracy <= high);
  const auto folder = scratch / "runs/eval/exp";
  for (const char* name : {"args.yaml", "metrics.json", "predictions.csv", "report.html"}) {
    INFO(name);
    CHECK(std::filesystem::file_size(folder / name) > 100);
  }
  if (gnuplot_available()) {
    for (const char* plot :
         {"confusion_matrix", "confusion_matrix_normalized", "reliability", "coverage"}) {
      for (const char* type : {".png", ".svg"})
        CHECK(std::filesystem::exists(folder / (std::string(plot) + type)));
    }
  }
  const auto metrics = nlohmann::json::parse(slurp(folder / "metrics.json"));
  CHECK(metrics["model"] == "run/best");
  CHECK(metrics["split"] == "test");
  CHECK(metrics["origin"]["images_fingerprint"].get<std::string>().size() == 16);
  CHECK_THAT(metrics["origin"]["program"].get<std::string>(), Catch::StartsWith("fer-eval 0."));
  CHECK(metric(metrics, "accuracy") == Approx(accuracy).margin(5e-5));
  CHECK(split(slurp(folder / "predictions.csv"), '\n').size() == 32);
  const std::string report = slurp(folder / "report.html");
  CHECK_THAT(report, Catch::Contains("How it was trained") && Catch::Contains("Wrong and unsure"));
  CHECK_THAT(slurp(scratch / "card.md"), Catch::Contains("| balanced_accuracy |"));

  // The run repeats from its own arguments, beside the first one.
  const auto again = run_shell(kEval + " --config runs/eval/exp/args.yaml", scratch.path());
  INFO(again.err);
  CHECK(again.out == result.out);
  CHECK(slurp(scratch / "runs/eval/exp2/predictions.csv") == slurp(folder / "predictions.csv"));
}

TEST_CASE("fer-eval --calibrate stores temperature and threshold, and changes nothing else") {
  const TemporaryFolder scratch;
  const auto path = scratch / "m.safetensors";
  write_model(path, *label_preset("six"));
  const auto before = load_checkpoint(path);
  write_half_known(scratch, "m.safetensors", "known.csv");
  const std::string args = "-m m.safetensors --data known.csv --split val";
  const auto plain = eval_json(args, scratch);
  const auto fitted = eval_json(args + " --split valid --calibrate Val --sure 0.3", scratch);
  CHECK(fitted["split"] == "val");
  CHECK(metric(fitted, "accuracy") == metric(plain, "accuracy"));
  CHECK(metric(fitted, "nll") < metric(plain, "nll"));
  const auto after = load_checkpoint(path);
  CHECK(after.spec.heads[0].temperature != before.spec.heads[0].temperature);
  CHECK(fitted["uncertain"].is_null() == (after.spec.heads[0].uncertain_below == 0));
  ModelSpec spec = after.spec;
  spec.heads[0].temperature = before.spec.heads[0].temperature;
  spec.heads[0].uncertain_below = 0;
  CHECK(spec.provenance["calibrated_on"][spec.heads[0].name] ==
        fitted["origin"]["images_fingerprint"]);
  spec.provenance = before.spec.provenance;
  CHECK(spec == before.spec);
  for (const auto& [name, tensor] : before.weights)
    CHECK(after.weights.at(name).bytes == tensor.bytes);
  // Whoever reads the file gets the calibrated answers.
  auto again = eval_json(args, scratch);
  CHECK_THAT(fitted["notes"].dump(), Catch::Contains("fitted on these very faces"));
  CHECK(again == fitted);  // and is told of it: the file knows the faces
  const auto others = eval_json("-m m.safetensors --data synthetic:120 --split val", scratch);
  CHECK(others["notes"].empty());
  // Of ten faces no temperature can be told.
  const auto few = run_shell(
      kEval + " -m m.safetensors --data synthetic:100 --calibrate val --no-save", scratch.path());
  CHECK(few.exit_code == 2);
  CHECK_THAT(few.err, Catch::Contains("too few to calibrate on"));
  CHECK(load_checkpoint(path).spec == after.spec);
}
TEST_CASE("fer-eval names the heads where it compares models by different ones") {
  const TemporaryFolder scratch;
  write_model(scratch / "a.safetensors", *label_preset("six"), 1);
  write_model(scratch / "b.safetensors", *label_preset("six"), 2);
  const std::string data = " --data synthetic:120 --split val";
  CHECK(eval_json("-m b.safetensors -m a.safetensors" + data, scratch)["comparisons"][0]["model"] ==
        "a");
  ModelSpec spec = load_checkpoint(scratch / "b.safetensors").spec;
  MixedHeadSpec mixed;
  mixed.name = "mood";
  mixed.labels = *label_preset("six");
  mixed.parts = {{"face", 1.0f}};
  spec.mixed_heads = {mixed};
  spec.default_head = "mood";
  replace_spec(scratch / "b.safetensors", spec);
  const auto json = eval_json("-m b.safetensors -m a.safetensors" + data, scratch);
  CHECK(json["model"] == "b (head mood)");
  CHECK(json["comparisons"][0]["model"] == "a (head face)");
}

TEST_CASE("fer-eval warns where it splits the data otherwise than the training did") {
  if (!png_available()) return skip("built without libpng");
  const TemporaryFolder scratch;
  const auto path = scratch / "m.safetensors";
  write_model(path, {"happy", "sad"});
  ModelSpec spec = load_checkpoint(path).spec;
  spec.provenance["drawn_splits"] = {{{"train_fraction", 0.8}, {"seed", 3}},
                                     {{"train_fraction", 0.5}, {"seed", 4}}};
  replace_spec(path, spec);
  for (const std::string label : {"happy", "sad"}) {
    std::filesystem::create_directories(scratch / "faces" / label);
    for (int i = 0; i < 10; ++i) {
      write_png(scratch / "faces" / label / (std::to_string(i) + ".png"),
                Image(48, 48, 1, static_cast<std::uint8_t>(20 * i)));
    }
  }
  const std::string command =
      kEval + " -m m.safetensors --data faces --split val --no-save --resamples 100";
  const auto other = run_shell(command, scratch.path());
  CHECK(other.exit_code == 0);
  CHECK_THAT(other.err, Catch::Contains("m.safetensors: was trained with the split") &&
                            Catch::Contains("--data-seed"));
  const auto unread = run_shell("{ sleep 0.5; " + kEval +
                                    " -m m.safetensors --data faces --split val --resamples 100 "
                                    "--fail-under 1; echo $? >code; } | true",
                                scratch.path());
  INFO(unread.err);
  CHECK(slurp(scratch / "code") == "3\n");  // also where nobody reads what is printed
  CHECK(std::filesystem::exists(scratch / "runs/eval/exp/report.html"));
  for (const std::string same : {" --data-seed 3", " --data-seed 4 --train-fraction 0.5"}) {
    const auto quiet = run_shell(command + same, scratch.path());
    CHECK(quiet.exit_code == 0);
    CHECK_THAT(quiet.err, !Catch::Contains("was trained"));
  }
  // The same draw, of data that had other images: as many of each label, but another one of them.
  DatasetOptions wanted;
  wanted.path = (scratch / "faces").string();
  wanted.heads = {{"face", "auto", TargetKind::kLabel}};
  wanted.seed = 3;
  const DrawnSplit drawn = open_dataset(wanted).drawn_splits.at(0);
  spec.provenance["drawn_splits"] = {
      {{"train_fraction", 0.8}, {"seed", 3}, {"images", drawn.images}, {"names", drawn.names}}};
  replace_spec(path, spec);
  CHECK(run_shell(command + " --data-seed 3", scratch.path()).err.find("was trained") ==
        std::string::npos);
  std::filesystem::rename(scratch / "faces/happy/3.png", scratch / "faces/happy/93.png");
  CHECK(open_dataset(wanted).drawn_splits.at(0).images == drawn.images);
  CHECK_THAT(run_shell(command + " --data-seed 3", scratch.path()).err,
             Catch::Contains("when it had other images"));
  const auto noted = eval_json("-m m.safetensors --data faces --split val --data-seed 3", scratch);
  CHECK_THAT(noted["notes"].dump(), Catch::Contains("when it had other images"));
  // Of a file that knows how many images there were, but not which.
  spec.provenance["drawn_splits"] = {
      {{"train_fraction", 0.8}, {"seed", 3}, {"images", "0123456789abcdef"}}};
  replace_spec(path, spec);
  const auto grown = run_shell(command + " --data-seed 3", scratch.path());
  CHECK(grown.exit_code == 0);
  CHECK_THAT(grown.err,
             Catch::Contains("was trained on other data, or on this when it had other images"));
}

TEST_CASE("fer-eval compares models, averages them and looks at several views of a face") {
  const TemporaryFolder scratch;
  const LabelList six = *label_preset("six");
  write_model(scratch / "a.safetensors", six, 1);
  write_model(scratch / "b.safetensors", six, 2);
  // The same net with its labels in another order: not the same answers, but the same table.
  write_model(scratch / "turned.safetensors", LabelList(six.rbegin(), six.rend()), 2);
  const std::string data = " --data synthetic:300 ";
  const auto a = eval_json("-m a.safetensors" + data, scratch);
  const auto b = eval_json("-m b.safetensors" + data, scratch);
  const auto both =
      eval_json("-m a.safetensors -m b.safetensors turned.safetensors" + data, scratch);
  CHECK(both["metrics"] == a["metrics"]);
  REQUIRE(both["comparisons"].size() == 2);
  CHECK(both["comparisons"][0]["model"] == "b");
  CHECK(both["comparisons"][0]["metrics"]["accuracy"] == metric(b, "accuracy"));
  CHECK(both["comparisons"][0]["differences"]["nll"]["value"].get<double>() ==
        Approx(metric(b, "nll") - metric(a, "nll")));
  const auto turned = eval_json("-m turned.safetensors --labels six" + data, scratch);
  CHECK(turned["comparisons"].empty());
  CHECK(both["comparisons"][1]["metrics"]["accuracy"] == metric(turned, "accuracy"));

  const auto mean = eval_json("-m a.safetensors b.safetensors --ensemble" + data, scratch);
  CHECK(mean["model"] == "the mean of a, b");
  CHECK(mean["comparisons"].size() == 2);
  // The logarithm is concave: the mean's loss is below the mean of the losses, and it is neither's.
  CHECK(metric(mean, "nll") < (metric(a, "nll") + metric(b, "nll")) / 2);
  CHECK(mean["metrics"] != a["metrics"]);
  CHECK(mean["metrics"] != b["metrics"]);
  for (const char* views : {"flip", "ten"}) {
    const auto seen = eval_json("-m a.safetensors --tta " + std::string(views) + data, scratch);
    CHECK(seen["metrics"] != a["metrics"]);
    CHECK(seen["notes"].size() == 1);
  }
}

TEST_CASE("fer-eval scores the six of a larger head, groups of a manifest, and honest test sets") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors", *label_preset("fer2013"));
  REQUIRE(run_shell(kData + " synth faces --count 120", scratch.path()).exit_code == 0);
  // Every test face twice, of two cameras; one of them stands in training, too, one is of a class
  // that the model does not know, and those of a seventh class are needed for a head of seven.
  std::string manifest = "path,label,split,camera\n";
  const LabelList six = *label_preset("six");
  for (const std::string& label : six) {
    const std::string file = "faces/test/" + label + "/00001.png," + label;
    manifest += file + ",test,front\n" + file + ",test,\n";
    for (const std::string part : {"train", "val"})
      manifest += "faces/" + part + "/" + label + "/00001.png," + label + "," + part + ",front\n";
  }
  manifest += "faces/test/sad/00001.png,sad,train,front\n";
  manifest += "faces/test/sad/00002.png,disgust,test,front\n";
  manifest += "faces/test/sad/00002.png,bored,test,front\n";
  write_text(scratch / "m.csv", manifest);
  const auto json = eval_json("-m m.safetensors --data m.csv --dedup --slice camera", scratch);
  CHECK(json["n"] == 13);
  REQUIRE(json["parts"].size() == 3);
  CHECK(json["parts"][0]["name"] == "six labels");
  CHECK(json["parts"][0]["n"] == 12);
  CHECK(json["parts"][1]["name"] == "without 2 that also stand in training");
  CHECK(json["parts"][1]["n"] == 11);
  CHECK(json["parts"][2]["n"] == 10);
  REQUIRE(json["slices"].size() == 1);
  REQUIRE(json["slices"][0]["groups"].size() == 2);
  CHECK(json["slices"][0]["groups"][0]["name"] == "(no value)");
  CHECK(json["slices"][0]["groups"][0]["n"] == 6);
  CHECK(json["slices"][0]["groups"][1]["n"] == 7);
  CHECK(json["notes"][0] ==
        "1 of 14 images of test are left out: their label is none of those evaluated (bored 1).");
  // The six alone: the same figures as the part.
  const auto alone = eval_json("-m m.safetensors --data m.csv --labels six", scratch);
  CHECK(alone["metrics"] == json["parts"][0]["metrics"]);
}

TEST_CASE("fer-eval says it where nothing is left beside the official figures") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors", *label_preset("fer2013"));
  REQUIRE(run_shell(kData + " synth faces --count 18", scratch.path()).exit_code == 0);
  std::string manifest = "path,label,split\n";
  const LabelList six = *label_preset("six");
  for (const std::string& label : six) {
    for (const std::string part : {"train", "val", "test"})
      manifest += "faces/train/" + label + "/00001.png," + label + "," + part + "\n";
  }
  write_text(scratch / "m.csv", manifest + "faces/train/sad/00001.png,disgust,train\n");
  const auto json = eval_json("-m m.safetensors --data m.csv --dedup", scratch);
  CHECK(json["n"] == 6);
  CHECK(json["parts"].size() == 1);  // the six
  CHECK_THAT(json["notes"].dump(), Catch::Contains("Every image of the split equals"));
}

TEST_CASE("fer-eval ends with code 3 below the bar that was asked for") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors", *label_preset("six"));
  const std::string run = kEval + " -m m.safetensors --data synthetic:120 --no-save ";
  const auto low = run_shell(run + "--fail-under 0.99 --fail-metric macro_f1", scratch.path());
  CHECK(low.exit_code == 3);
  CHECK_THAT(low.out, Catch::StartsWith("accuracy "));
  CHECK_THAT(low.err, Catch::Contains("macro_f1 is 0.") && Catch::Contains("under 0.99"));
  CHECK(run_shell(run + "--fail-under 0", scratch.path()).exit_code == 0);
  CHECK_FALSE(std::filesystem::exists(scratch / "runs"));
}

TEST_CASE("fer-eval says in one line what it cannot evaluate, before it computes") {
  const TemporaryFolder scratch;
  const LabelList six = *label_preset("six");
  write_model(scratch / "six.safetensors", six);
  write_model(scratch / "seven.safetensors", *label_preset("fer2013"));
  write_model(scratch / "own.safetensors", {"awake", "tired"});
  REQUIRE(run_shell(kData + " synth faces --count 18", scratch.path()).exit_code == 0);
  std::string manifest = "path,label,split\n";
  for (const std::string& label : six) {
    for (const std::string part : {"train", "val"})
      manifest += "faces/" + part + "/" + label + "/00001.png," + label + "," + part + "\n";
  }
  std::string many = "path,label,split,id\n";
  for (int i = 0; i < 60; ++i) {
    for (const std::string part : {"train", "val", "test"})
      many += "faces/train/" + six[i % 6] + "/00001.png," + six[i % 6] + "," + part + "," +
              std::to_string(i) + "\n";
  }
  write_text(scratch / "many.csv", many);
  std::string tests = "path,label,split\n", trains = tests;
  for (const std::string& label : six) {
    tests += "faces/train/" + label + "/00001.png," + label + ",test\n";
    for (const std::string part : {"train", "val"})
      trains += "faces/" + part + "/" + label + "/00001.png," + label + "," + part + "\n";
  }
  write_text(scratch / "tests.csv", tests);
  write_text(scratch / "trains.csv", trains);
  write_text(scratch / "mine.md", "# My card\n");
  write_text(scratch / "one.csv", manifest + "faces/train/sad/00001.png,sad,test\n");
  struct Case {
    std::string args, says;
  };
  for (const Case& c : std::vector<Case>{
           {"-m seven.safetensors --data synthetic:60",
            "the data has no class 'disgusted' (it has angry, fearful, happy, neutral, sad, "
            "surprised); name by --labels"},
           {"-m own.safetensors --data synthetic:60", "the data has no class 'awake'"},
           {"-m own.safetensors --data synthetic:60 --labels six",
            "own.safetensors: the data has the label 'angry', head 'face' has not (it has awake, "
            "tired)"},
           {"-m six.safetensors -m own.safetensors", "own.safetensors: the data has the label"},
           {"-m six.safetensors --data one.csv", "the split test holds 'sad' alone"},
           {"-m six.safetensors --data synthetic:60 --slice age", "no such column"},
           {"-m six.safetensors --ensemble", "two models or more"},
           {"-m six.safetensors --tta fip", "did you mean 'flip'"},
           {"-m six.safetensors --calibrate valid --tta flip", "without --tta"},
           {"-m six.safetensors --calibrate val --labels happy,sad", "in its own labels"},
           {"-m six.safetensors --dedup --split train", "--split val or test"},
           {"-m six.safetensors --fail-metric f1", "macro_f1"},
           {"-m six.safetensors --fail-metric macro_f1", "with --fail-under alone"},
           {"-m six.safetensors --fail-under nan", "'nan' is not a number"},
           {"-m six.safetensors --sure 0.9", "with --calibrate alone"},
           {"-m six.safetensors --data nowhere.csv --split tset", "tset"},
           {"-m six.safetensors --data many.csv --slice id", "column 'id' has 60 different values"},
           {"-m six.safetensors --fail-metric ece --fail-under 0.1", "less is better"},
           {"-m six.safetensors --fail-under high", "'high' is not a number"},
           {"-m six.safetensors --fail-under ''", "'' is not a number"},
           {"-m six.safetensors --threads -1", "--threads -1 is negative"},
           {"-m six.safetensors --name a/b", "is no folder name"},
           {"-m six.safetensors --model-card nowhere/card.md", "there is no folder nowhere"},
           {"-m six.safetensors --model-card mine.md", "was not written by fer-eval"},
           {"-m six.safetensors --data tests.csv --dedup", "no training part to compare with"},
           {"-m six.safetensors --data trains.csv",
            "the split test is empty; there is --split train"},
           {"-m six.safetensors --format yaml", "text or json"},
           {"-m six.safetensors --resamples 0", "at least 1"},
       }) {
    INFO("fer-eval " << c.args);
    const auto result = run_shell(kEval + " " + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    const auto lines = split(trim(result.err), '\n');
    CHECK_THAT(lines.back(), Catch::StartsWith("error: fer-eval: ") && Catch::Contains(c.says));
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "runs"));
  CHECK(read_text_file(scratch / "mine.md") == "# My card\n");
}

TEST_CASE("on FER2013 fer-eval leaves out the 288 test images that stand in training") {
  const auto csv = real_data("fer2013.csv");
  if (csv.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors", *label_preset("fer2013"));
  const auto json = eval_json("-m m.safetensors --dedup --data " + csv.string(), scratch);
  CHECK(json["n"] == 3589);
  CHECK(json["parts"][1]["name"] == "without 288 that also stand in training");
  CHECK(json["parts"][1]["n"] == 3301);
  CHECK(json["notes"].empty());
}

TEST_CASE("the shipped model gives its stored figures") {
  const auto csv = real_data("fer2013.csv");
  const std::filesystem::path models = std::filesystem::path(FER_SOURCE_DIR) / "models";
  const auto rows = split(trim(slurp(models / "figures.csv")), '\n');
  if (csv.empty()) return;
  REQUIRE(rows.size() > 1);
  const TemporaryFolder scratch;
  const auto cpu =
      run_shell(R"(awk -F': ' '/^vendor_id/ {v = $2} /^cpu family/ {f = $2} /^model\t/ {m = $2} )"
                R"(END {print v, f, m}' /proc/cpuinfo)",
                scratch.path());
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto field = split(rows[i], ',');
    REQUIRE(field.size() == 5);
    INFO(rows[i]);
    const auto result =
        run_shell(kEval + " -m " + (models / "fer.safetensors").string() + " --data " +
                      csv.string() + " --head " + field[0] + " --targets " + field[1] +
                      " --split val --engine onednn --no-save --resamples 1 --format json",
                  scratch.path());
    if (result.err.find("engine 'onednn'") != std::string::npos) {
      skip("built without oneDNN");
      return;
    }
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const auto json = nlohmann::json::parse(result.out);
    CHECK(json["n"] == std::stoi(field[3]));
    const double correct = metric(json, "accuracy") * std::stod(field[3]);
    // The same instructions round the same; others may tip an image or two.
    CHECK(std::abs(correct - std::stod(field[2])) <= (trim(cpu.out) == field[4] ? 0.1 : 3.1));
  }
}
#endif
