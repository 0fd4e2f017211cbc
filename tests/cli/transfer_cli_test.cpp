// Transfer learning as its users do it: published weights, own photos, several data sets.
#if FER_HAVE_TRAIN
#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"
#include "fer/model/checkpoint.h"
#include "support/fer2013_row.h"
#include "support/program.h"
#include "support/real_data.h"
#include "support/seeded_weights.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kTrain = std::string(FER_BIN_DIR) + "/fer-train";
const std::string kEval = std::string(FER_BIN_DIR) + "/fer-eval";
const std::string kSource = FER_SOURCE_DIR;
const std::string kSmall =
    " --arch compact --stages 8 16 --blocks 1 --input-size 24 --batch-size 16";

std::string last_line(const std::string& text) {
  auto lines = split(text, '\n');
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines.empty() ? "" : lines.back();
}

// Drawn faces of two of the six classes under other names.
void write_photos(const fs::path& folder, int count, const std::vector<std::string>& names) {
  DatasetOptions options;
  options.path = "synthetic:" + std::to_string(6 * count * 5 / 4 + 60);
  const auto drawn = open_dataset(options);
  std::vector<int> written(6, 0);
  for (std::int64_t i = 0; i < drawn.train->size(); ++i) {
    const auto label = static_cast<std::size_t>(drawn.train->target(i, 0).label);
    if (label >= names.size() || written[label] == count) continue;
    const fs::path into = folder / names[label];
    fs::create_directories(into);
    write_png(into / (std::to_string(written[label]++) + ".png"), drawn.train->image(i));
  }
}

ProgramResult run_ok(const std::string& command, const fs::path& folder) {
  const auto result = run_shell(command, folder);
  INFO(command << "\n" << result.err);
  REQUIRE(result.exit_code == 0);
  return result;
}

void train_small(const fs::path& folder, const std::string& name) {
  run_ok(kTrain + kSmall + " --data synthetic:240 --epochs 1 --name " + name, folder);
}

// The shell line in the comment of a data set's YAML.
std::string recipe(const std::string& yaml, const std::string& begin) {
  for (const auto& line : split(slurp(kSource + "/datasets/" + yaml), '\n')) {
    if (line.starts_with("#   " + begin)) return line.substr(4);
  }
  FAIL(yaml << " has no line that begins with " << begin);
  return "";
}

void write_face(const fs::path& path) {
  fs::create_directories(path.parent_path());
  write_png(path, Image(48, 48, 1, static_cast<std::uint8_t>(path.string().size())));
}

// Opens the data set as its YAML says, with a copy of it in `folder`, and gives back data.json.
std::string open_as_published(const fs::path& folder, const std::string& yaml) {
  fs::copy_file(kSource + "/datasets/" + yaml, folder / yaml);
  run_ok(kTrain + kSmall + " --no-detect --epochs 1 --batch-size 2 --name opened --data " + yaml,
         folder);
  return slurp(folder / "runs/train/opened/data.json");
}

}  // namespace

TEST_CASE("fer-train --summary shows the published parameter counts of the backbones") {
  const TemporaryFolder scratch;
  CHECK_THAT(run_ok(kTrain + " --arch vgg16 --summary", scratch.path()).out,
             Contains("without heads 14,714,688"));
  CHECK_THAT(run_ok(kTrain + " --arch resnet50v2 --summary", scratch.path()).out,
             Contains("without heads 23,564,800"));
  const auto list = run_ok(kTrain + " --list-pretrained", scratch.path());
  CHECK_THAT(list.out, Contains("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5") &&
                           Contains("md5 fac2f116257151a9d068a22e544a4917"));
}

TEST_CASE("the README's lines: a two-label task on photos of one's own, from a checkpoint") {
  const TemporaryFolder scratch;
  train_small(scratch.path(), "base");
  write_photos(scratch / "photos", 24, {"tired", "awake"});
  const std::string finetune = kTrain + " --config " + kSource +
                               "/configs/finetune.yaml --pretrained "
                               "runs/train/base/weights/best.safetensors --data photos --labels ";
  const auto result =
      run_ok(finetune + "auto --epochs 4 --unfreeze-at 2 --name mine", scratch.path());
  CHECK_THAT(result.err, Contains("a checkpoint of compact") &&
                             Contains("fresh: head_labels.weight, head_labels.bias") &&
                             Contains("frozen features are computed once") &&
                             Contains("batch size "));
  const fs::path run = scratch / "runs/train/mine";
  const Checkpoint base = load_checkpoint(scratch / "runs/train/base/weights/best.safetensors");
  const Checkpoint mine = load_checkpoint(run / "weights/best.safetensors");
  CHECK(mine.spec.heads[0].labels == LabelList{"awake", "tired"});
  CHECK(mine.spec.input_size == base.spec.input_size);
  CHECK(mine.spec.resize == base.spec.resize);
  CHECK(mine.spec.provenance.at("pretrained") == "runs/train/base/weights/best.safetensors");
  const auto eval = run_ok(kEval +
                               " --model runs/train/mine/weights/best.safetensors --data photos "
                               "--labels auto --split val",
                           scratch.path());
  CHECK_THAT(eval.out, Contains("accuracy") && Contains("tired"));

  SECTION("labels may stand in a file, merged and renamed, and the run repeats itself") {
    write_text(scratch / "mine.yaml", "labels: [sleepy=tired, awake]\n");
    run_ok(finetune + "mine.yaml --epochs 2 --unfreeze-at 1 --name renamed", scratch.path());
    CHECK(load_checkpoint(scratch / "runs/train/renamed/weights/best.safetensors")
              .spec.heads[0]
              .labels == LabelList{"sleepy", "awake"});
    run_ok(kTrain + " --config runs/train/renamed/args.yaml --name again", scratch.path());
    CHECK(load_checkpoint(scratch / "runs/train/again/weights/last.safetensors")
              .weights.at("head_labels.weight")
              .bytes == load_checkpoint(scratch / "runs/train/renamed/weights/last.safetensors")
                            .weights.at("head_labels.weight")
                            .bytes);
  }
  SECTION("a run that was stopped goes on without the file that it began from") {
    const std::string args = "auto --epochs 40 --unfreeze-at 2 --name ";
    run_ok(finetune + args + "whole", scratch.path());
    const auto stopped = run_shell(
        finetune + args +
            "stopped & pid=$!; until grep -q '^2,' runs/train/stopped/results.csv 2>/dev/null || "
            "! kill -0 $pid; do sleep .05; done; kill -KILL $pid; wait $pid",
        scratch.path());
    INFO(stopped.err);
    REQUIRE(stopped.exit_code == 137);
    REQUIRE(fs::exists(scratch / "runs/train/stopped/weights/state.safetensors"));
    fs::rename(scratch / "runs/train/base/weights/best.safetensors", scratch / "elsewhere");
    run_ok(kTrain + " --resume", scratch.path());
    const auto whole =
        load_checkpoint(scratch / "runs/train/whole/weights/last.safetensors").weights;
    const auto parts =
        load_checkpoint(scratch / "runs/train/stopped/weights/last.safetensors").weights;
    for (const auto& [name, tensor] : whole) CHECK((parts.at(name).bytes == tensor.bytes));
  }
}

TEST_CASE("photos that are no crops are cut at load, and a picture shows how") {
  const char* samples = std::getenv("FER_SAMPLES");
  if (samples == nullptr || !fs::exists(fs::path(samples) / "franck_01829.jpg") ||
      real_data("face_detection_yunet_2022mar.onnx").empty()) {
    skip("no sample photos in FER_SAMPLES, or no face detector");
    return;
  }
  ::setenv("FER_YUNET", real_data("face_detection_yunet_2022mar.onnx").c_str(), 0);
  const TemporaryFolder scratch;
  for (const std::string label : {"early", "late"}) {
    fs::create_directories(scratch / ("photos/" + label));
    const auto names = label == "early"
                           ? std::vector<std::string>{"01829", "02045", "02159", "02221"}
                           : std::vector<std::string>{"03979", "04000", "04035", "04117"};
    for (const auto& name : names) {
      fs::copy_file(fs::path(samples) / ("franck_" + name + ".jpg"),
                    scratch / ("photos/" + label + "/" + name + ".jpg"));
    }
  }
  const std::string args =
      kSmall +
      " --data photos --labels auto --batch-size 2 --epochs 1 --detect --exist-ok --name cut";
  run_ok(kTrain + args, scratch.path());
  const Image sheet = read_png(scratch / "runs/train/cut/detected.png");
  CHECK(sheet.width == 3 * 64);
  CHECK(sheet.height == 2 * 64);
  // A photo without a face stops, or is left out.
  write_png(scratch / "photos/late/empty.png", Image(200, 200, 1, 90));
  const auto stopped = run_shell(kTrain + args, scratch.path());
  CHECK(stopped.exit_code == 2);
  CHECK_THAT(last_line(stopped.err), Contains("empty.png: no face found"));
  CHECK_THAT(run_ok(kTrain + args + " --on-error skip", scratch.path()).err,
             Contains("empty.png: no face found"));
}

TEST_CASE("several data sets train one net, each with its map and weight, and judge it in turn") {
  const TemporaryFolder scratch;
  write_photos(scratch / "a", 20, {"Anger", "fear", "joy"});
  write_photos(scratch / "b", 10, {"0", "1"});
  write_text(scratch / "a.yaml",
             "path: a\nclasses: angry=Anger,fearful=fear,happy=joy\nlabels: angry,fearful,happy\n");
  write_text(scratch / "b.yaml", "path: b\nclasses: angry=0,fearful=1\nweight: 2\n");
  run_ok(kTrain + kSmall + " --data a.yaml --data b.yaml --epochs 2 --name both", scratch.path());
  const std::string facts = slurp(scratch / "runs/train/both/data.json");
  const auto counts = nlohmann::json::parse(facts).at("heads").at(0);
  CHECK(counts.at("labels") == std::vector<std::string>{"angry", "fearful", "happy"});
  CHECK(counts.at("train") == std::vector<int>{16 + 2 * 8, 16 + 2 * 8, 16});
  CHECK(counts.at("val") == std::vector<int>{4 + 2, 4 + 2, 4});

  // args.yaml repeats it.
  run_ok(kTrain + " --config runs/train/both/args.yaml --name again", scratch.path());
  CHECK(slurp(scratch / "runs/train/again/data.json") == facts);

  // Trained on one, judged on the other.
  run_ok(kTrain + kSmall + " --data a.yaml --labels angry,fearful --epochs 1 --name a",
         scratch.path());
  const auto eval = run_ok(kEval +
                               " --model runs/train/a/weights/best.safetensors --data b.yaml "
                               "--split val",
                           scratch.path());
  CHECK_THAT(eval.out, Contains("n=4") && Contains("fearful"));
}

TEST_CASE("photos without votes teach the head of labels beside a FER2013 with votes") {
  const TemporaryFolder scratch;
  write_photos(scratch / "photos", 10, {"angry", "fearful"});
  std::string faces = "emotion,pixels,Usage\n";
  std::string votes =
      "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,"
      "NF\n";
  for (int i = 0; i < 48; ++i) {
    const std::string usage = i % 4 == 3 ? "PublicTest" : "Training";
    const bool angry = i % 2 == 0;
    faces += fer2013_row(angry ? "0" : "2", usage, i);
    votes += usage + (angry ? ",x.png,1,0,0,0,9,0,0,0,0,0\n" : ",x.png,1,0,0,0,0,0,9,0,0,0\n");
  }
  write_text(scratch / "faces.csv", faces);
  write_text(scratch / "fer2013new.csv", votes);
  const std::string train = kTrain + kSmall + " --epochs 1 --data faces.csv --data photos";
  const auto both =
      run_ok(train + " --heads fer2013:label ferplus:votes --name both", scratch.path());
  CHECK_THAT(both.err, Contains("photos: no FER+ votes, so that it does not teach head ferplus"));
  const auto heads = nlohmann::json::parse(slurp(scratch / "runs/train/both/data.json"))["heads"];
  CHECK(heads[0]["train"] == std::vector<int>{24 + 8, 0, 12 + 8, 0, 0, 0, 0});
  CHECK(heads[1]["train"] == std::vector<int>{0, 0, 0, 0, 24, 0, 12, 0});
  CHECK(heads[1]["val"] == std::vector<int>{0, 0, 0, 0, 0, 0, 12, 0});

  const auto none =
      run_shell(train + " --heads ferplus:votes six:votes --name none", scratch.path());
  CHECK(none.exit_code == 2);
  CHECK_THAT(last_line(none.err), Contains("need FER+ votes"));
}

TEST_CASE("dlib's face net becomes a checkpoint that training begins from") {
  if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0) {
    skip("python3-numpy is not installed (scripts/bootstrap.sh test)");
    return;
  }
  const TemporaryFolder scratch;
  // Random weights in the layout of face-api.js.
  write_text(scratch / "layout.py", R"py(
import json, os
entries, raw = [], b""
def add(name, *shape):
    global raw
    count = 1
    for n in shape: count *= n
    entries.append({"name": name, "shape": list(shape), "dtype": "float32",
                    "quantization": {"dtype": "uint8", "scale": 0.0005, "min": -0.06}})
    raw += os.urandom(count)
def conv(name, size, before, after):
    add(name + "/conv/filters", size, size, before, after)
    add(name + "/conv/bias", after)
    add(name + "/scale/weights", after)
    add(name + "/scale/biases", after)
conv("conv32_down", 7, 3, 32)
for before, wide, blocks in ((32, 32, ("32_1", "32_2", "32_3")), (32, 64, ("64_down", "64_1", "64_2", "64_3")),
                             (64, 128, ("128_down", "128_1", "128_2")),
                             (128, 256, ("256_down", "256_1", "256_2", "256_down_out"))):
    for block in blocks:
        conv("conv" + block + "/conv1", 3, before, wide)
        conv("conv" + block + "/conv2", 3, wide, wide)
        before = wide
add("fc", 256, 128)
os.mkdir("model")
json.dump([{"weights": entries}], open("model/face_recognition_model-weights_manifest.json", "w"))
open("model/face_recognition_model.bin", "wb").write(raw)
)py");
  std::string faces = "emotion,pixels,Usage\n";
  for (int i = 0; i < 8; ++i) faces += fer2013_row("3", "Training", 29 * i);
  write_text(scratch / "faces.csv", faces);
  const std::string convert =
      "/usr/bin/python3 '" + kSource + "/scripts/face_weights.py' model faces.csv ";
  run_ok("/usr/bin/python3 layout.py && " + convert + "net.safetensors --side 96", scratch.path());
  const auto result = run_ok(kTrain +
                                 " --pretrained net.safetensors --data synthetic:96 --epochs 1 "
                                 "--batch-size 16 --name faces",
                             scratch.path());
  CHECK_THAT(result.err, Contains("a checkpoint of face-resnet"));
  const Checkpoint trained = load_checkpoint(scratch / "runs/train/faces/weights/last.safetensors");
  CHECK(trained.spec.input_size == 96);
  CHECK(trained.spec.heads[0].labels.size() == 6);

  fs::resize_file(scratch / "model/face_recognition_model.bin", 1000);
  const auto cut = run_shell(convert + "cut.safetensors", scratch.path());
  CHECK(cut.exit_code == 1);
  CHECK_THAT(last_line(cut.err), Contains("face_weights"));
  CHECK_FALSE(fs::exists(scratch / "cut.safetensors"));
}

TEST_CASE("rafdb.yaml, affectnet.yaml, expw.yaml and ckplus.yaml open data laid out as published") {
  const TemporaryFolder scratch;
  SECTION("RAF-DB") {
    std::string list;
    int number = 0;
    // Counts that differ from class to class tell which label each became.
    for (int label = 1; label <= 7; ++label) {
      for (int i = 0; i < 3 + label; ++i) {
        const std::string name = format("%s_%05d", i < 3 ? "train" : "test", ++number);
        write_face(scratch / ("basic/Image/aligned/" + name + "_aligned.png"));
        list += name + ".jpg " + std::to_string(label) + "\n";
      }
    }
    fs::create_directories(scratch / "basic/EmoLabel");
    write_text(scratch / "basic/EmoLabel/list_patition_label.txt", list);
    run_ok(recipe("rafdb.yaml", "awk") + "; sed -i s/jpg/png/ faces.csv", scratch / "basic");
    const auto head =
        nlohmann::json::parse(open_as_published(scratch.path(), "rafdb.yaml"))["heads"][0];
    CHECK(head["labels"][0] == "angry");
    CHECK(head["train"] == std::vector<int>(7, 2));
    CHECK(head["val"] == std::vector<int>(7, 1));
    CHECK(head["test"] == std::vector<int>{6, 3, 2, 4, 5, 1, 7});
  }
  SECTION("AffectNet") {
    fs::create_directories(scratch / "Manually_Annotated_file_lists");
    for (const std::string part : {"training", "validation"}) {
      std::string csv =
          "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
          "valence,arousal\n";
      int number = 0;
      for (int expression = 0; expression < 11; ++expression) {
        for (int i = 0; i < (part == "training" ? 2 : expression + 1); ++i, ++number) {
          const std::string file = format("%d/%s%d.png", number % 3, part.c_str(), number);
          write_face(scratch / ("Manually_Annotated_Images/" + file));
          csv += file + ",1,2,3,4,10.5;20.5;11," + std::to_string(expression) + ",0.1,0.2\n";
        }
      }
      write_text(scratch / ("Manually_Annotated_file_lists/" + part + ".csv"), csv);
    }
    run_ok(recipe("affectnet.yaml", "awk"), scratch.path());
    const auto head =
        nlohmann::json::parse(open_as_published(scratch.path(), "affectnet.yaml"))["heads"][0];
    CHECK(head["labels"].size() == 8);
    CHECK(head["train"] == std::vector<int>(8, 2));
    CHECK(head["val"] == std::vector<int>{1, 2, 4, 3, 7, 6, 5, 8});
  }
  SECTION("ExpW") {
    std::string list;
    for (int label = 0; label < 7; ++label) {
      for (int i = 0; i < 5 * (label + 1); ++i) {
        const std::string file = format("angry_actor_%d_%d.png", label, i);
        write_face(scratch / ("image/" + file));
        list += file + " 0 10 20 30 40 55.5 " + std::to_string(label) + "\n";
        // Photos of two people are left out.
        if (label == 0 && i == 0) list += file + " 1 50 60 70 80 44.4 3\n";
      }
    }
    fs::create_directories(scratch / "label");
    write_text(scratch / "label/label.lst", list);
    run_ok(recipe("expw.yaml", "awk"), scratch.path());
    const auto head =
        nlohmann::json::parse(open_as_published(scratch.path(), "expw.yaml"))["heads"][0];
    CHECK(head["labels"][0] == "angry");
    CHECK(head["train"] == std::vector<int>{3, 8, 12, 16, 20, 24, 28});
  }
  SECTION("CK+") {
    for (int subject = 5; subject < 15; ++subject) {
      for (int label = 1; label <= 7; ++label) {
        if (subject - 5 > label + 1) continue;
        const std::string id = format("S%03d", subject), take = format("%03d", label);
        const std::string frame = id + "_" + take + "_";
        const fs::path images = scratch / "cohn-kanade-images" / id / take;
        write_face(images / (frame + "00000001.png"));
        write_face(images / (frame + "00000011.png"));
        fs::create_directories(scratch / "Emotion" / id / take);
        write_text(scratch / "Emotion" / id / take / (frame + "00000011_emotion.txt"),
                   format("   %d.0000000e+00\n", label));
      }
    }
    run_ok("bash -c '" + replace_all(recipe("ckplus.yaml", "{ echo"), "'", "'\\''") + "'",
           scratch.path());
    const auto head =
        nlohmann::json::parse(open_as_published(scratch.path(), "ckplus.yaml"))["heads"][0];
    // Two of the ten people validate: S005 and S010.
    CHECK(head["labels"][0] == "neutral");
    CHECK(head["train"] == std::vector<int>{31, 5, 7, 6, 2, 4, 4, 3});
    CHECK(head["val"] == std::vector<int>{11, 2, 2, 2, 1, 1, 2, 1});
  }
}

TEST_CASE("bad weights and bad photos are one clear line and exit code 2") {
  const TemporaryFolder scratch;
  train_small(scratch.path(), "base");
  fs::rename(scratch / "runs/train/base/weights/best.safetensors", scratch / "base.safetensors");
  fs::remove_all(scratch / "runs");
  SafetensorsFile foreign;
  foreign.tensors["features.0.weight"] = seeded_tensor("features.0.weight", {64, 3, 3, 3});
  write_safetensors(scratch / "one.safetensors", foreign);
  const std::string whole = slurp(scratch / "base.safetensors");
  write_text(scratch / "cut.safetensors", whole.substr(0, whole.size() / 2));
  write_text(scratch / "hostile.safetensors",
             std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  write_text(scratch / "cut.h5", std::string("\x89HDF\r\n\x1a\n\0\0\0", 11));
  write_text(scratch / "weights.pth", "PK\x03\x04 and so on");
  write_photos(scratch / "photos", 6, {"tired", "awake"});
  write_photos(scratch / "lonely", 6, {"tired", "awake"});
  fs::create_directories(scratch / "lonely/bored");
  fs::copy_file(scratch / "photos/tired/0.png", scratch / "lonely/bored/0.png");
  write_photos(scratch / "parts/train", 6, {"tired", "awake"});
  write_photos(scratch / "parts/val", 2, {"tired", "awake", "bored"});
  struct Case {
    std::string args, says;
  };
  const std::string mine = "--data photos --labels auto --batch-size 2 ";
  for (const Case& c : std::vector<Case>{
           {mine + "--pretrained none.safetensors", "none.safetensors"},
           {mine + "--pretrained cut.safetensors", "cut.safetensors"},
           {mine + "--pretrained hostile.safetensors", "hostile.safetensors: not a safetensors"},
           {mine + "--pretrained weights.pth", "a Python pickle"},
           {mine + "--arch vgg16 --pretrained cut.h5", "cut.h5"},
           {mine + "--arch vgg16 --pretrained one.safetensors", "without the tensor"},
           {mine + "--arch compact --pretrained one.safetensors", "for arch compact are not known"},
           {mine + "--arch vgg16 --pretrained base.safetensors", "holds a net of --arch compact"},
           {mine + "--stages 4 8 --pretrained base.safetensors", "stays as it is"},
           {mine + "--input-size 2 --pretrained base.safetensors",
            "model.input_size 2: base.safetensors: an input of 2 pixels: at least 8"},
           {mine + "--input-size -5 --pretrained base.safetensors", "-5 is not in [0, 8192]"},
           {mine + "--input-size 100000000 --pretrained base.safetensors",
            "100000000 is not in [0, 8192]"},
           {mine + "--set model.arch=vgg16 --pretrained base.safetensors",
            "model.arch vgg16: base.safetensors holds a net of model.arch compact"},
           {mine + "--input-size 32 --resize 30 --pretrained base.safetensors",
            "model.resize: 30 is less than the input size 32"},
           {mine + "--arch vgg16 --variant timm", "vgg16 has no option variant"},
           {mine + "--freeze stge1", "train.freeze: the net has no layers 'stge1'"},
           {mine + "--freeze backbone --unfreeze-at 99", "unfreeze_at: 99"},
           {mine + "--rates stem", "expected a form like stage1=0.1"},
           {"--data lonely --labels auto", "label 'bored' has one image"},
           {"--data parts --labels auto", "label 'bored' has no training image, but 2 elsewhere"},
           {"--data photos --labels photos/none.yaml", "none.yaml"},
           {"--data photos --classes tired=1", "no class '1'"},
       }) {
    INFO("fer-train " << c.args);
    const auto result = run_shell(kTrain + " " + c.args, scratch.path());
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK_THAT(last_line(result.err), Catch::StartsWith("error: fer-train: ") && Contains(c.says));
    CHECK(result.out.empty());
  }
  CHECK_FALSE(fs::exists(scratch / "runs"));
}

TEST_CASE("a checkpoint goes on at another size") {
  const TemporaryFolder folder;
  train_small(folder.path(), "old");
  const std::string old = "runs/train/old/weights/best.safetensors";
  const ModelSpec before = load_checkpoint(folder / old).spec;
  const auto went_on = [&](const std::string& args) {
    run_ok(kTrain + " --pretrained " + old + " " + args +
               " --data synthetic:240 --batch-size 16 --epochs 1 --name on --exist-ok",
           folder.path());
    return load_checkpoint(folder / "runs/train/on/weights/best.safetensors");
  };
  // Framed as before.
  const int side = 2 * before.input_size;
  Checkpoint larger = went_on("--input-size " + std::to_string(side));
  CHECK(larger.graph.input().height == side);
  CHECK(larger.spec.input_size == side);
  CHECK(larger.spec.resize == 2 * before.resize);
  const auto idle = run_shell(
      kTrain + " --pretrained " + old + " --set model.dropout=0.5 --set model.stages=4,8 --summary",
      folder.path());
  CHECK(idle.exit_code == 0);
  CHECK_THAT(idle.err, Contains("warning: model.stages, dropout: the net of " + old));
  larger = went_on("--resize " + std::to_string(before.resize + 3));
  CHECK(larger.spec.input_size == before.input_size);
  CHECK(larger.spec.resize == before.resize + 3);
}

TEST_CASE("a checkpoint grows a block where asked") {
  const TemporaryFolder folder;
  train_small(folder.path(), "old");
  const std::string old = "runs/train/old/weights/best.safetensors";
  run_ok(kTrain + " --pretrained " + old +
             " --deepen 2 --data synthetic:240 --batch-size 16 --epochs 1 --sam 0.05 --name grown",
         folder.path());
  const Checkpoint before = load_checkpoint(folder / old);
  const Checkpoint grown = load_checkpoint(folder / "runs/train/grown/weights/best.safetensors");
  CHECK(before.graph.find("stage2.block2.conv1") < 0);
  CHECK(grown.graph.find("stage2.block2.conv1") > 0);
  CHECK(grown.graph.find("stage2.block3.conv1") < 0);
  run_ok(
      kTrain + " --pretrained " + old +
          " --widen 12 20 --deepen 2 --data synthetic:240 --batch-size 16 --epochs 1 --name both",
      folder.path());
  const Checkpoint both = load_checkpoint(folder / "runs/train/both/weights/best.safetensors");
  CHECK(both.graph.shape(both.graph.find("stem.relu"))[0] == 12);
  CHECK(both.graph.shape(both.graph.find("stage2.block2.relu2"))[0] == 20);

  const auto stage = run_shell(kTrain + " --pretrained " + old + " --deepen 3", folder.path());
  CHECK(stage.exit_code == 2);
  CHECK_THAT(stage.err, Contains("stage 3 to deepen: the net has no residual block"));
  run_ok(kTrain + " --pretrained " + old +
             " --low-rank 3 --data synthetic:240 --batch-size 16 --epochs 1 --name thin",
         folder.path());
  const Checkpoint thin = load_checkpoint(folder / "runs/train/thin/weights/best.safetensors");
  CHECK(thin.graph.shape(thin.graph.find("stage2.block1.conv2.in"))[0] == 3);
  CHECK(parameter_count(thin.graph) < parameter_count(before.graph));
  const auto rank = run_shell(kTrain + " --pretrained " + old + " --low-rank 99", folder.path());
  CHECK(rank.exit_code == 2);
  CHECK_THAT(rank.err,
             Contains("model.low_rank: " + old +
                      ": a rank of 99: no convolution of the net would be less than half"));
  run_ok(kTrain + " --pretrained " + old +
             " --deepen 2 --low-rank 3 --data synthetic:240 --batch-size 16 --epochs 1 --name deep",
         folder.path());
  const Checkpoint deep = load_checkpoint(folder / "runs/train/deep/weights/best.safetensors");
  CHECK(deep.graph.shape(deep.graph.find("stage2.block2.conv2.in"))[0] == 3);

  for (const std::string flag : {"--deepen", "--widen", "--low-rank"}) {
    const auto fresh = run_shell(kTrain + " " + flag + " 2", folder.path());
    CHECK(fresh.exit_code == 2);
    CHECK_THAT(fresh.err, Contains(flag + ": needs a checkpoint of ours"));
  }
}

#endif
