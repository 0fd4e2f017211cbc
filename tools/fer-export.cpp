// fer-export: a checkpoint for other runtimes, or smaller and faster for this one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>

#include "data_options.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/eval/predict.h"
#include "fer/infer/onednn_classifier.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/ensemble.h"
#include "fer/model/find_model.h"
#include "fer/model/reference.h"
#include "fer/onnx/export.h"
#include "fer/vision/opencv_classifier.h"
#include "program.h"
#include "timing.h"

namespace {

namespace fs = std::filesystem;
using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-export --describe model.safetensors | jq .spec.heads\n"
    "  fer-export model.safetensors --format onnx --verify\n"
    "  fer-export model.safetensors --format onnx --normalize --softmax --opset 15\n"
    "  fer-export best.safetensors --format f16 --out models\n"
    "  fer-export model.safetensors --format bf16,int8 --data fer2013.csv --verify\n"
    "  fer-export a.safetensors b.safetensors --ensemble --format f16\n";

// What a variant may lose against fp32 and still be shipped.
constexpr double kF16Loss = 0.001, kBf16Loss = 0.002, kInt8Loss = 0.003;
constexpr int kComparedFaces = 64;

struct ExportFlags {
  std::vector<std::string> models;
  std::vector<std::string> formats;  // format, split
  std::string format, out;
  OnnxOptions onnx;
  bool verify = false, describe = false, ensemble = false;
  DataFlags data;
  std::string split = "val";
  int calibration_faces = 512;
};

// A flag that would not count is not heeded in silence.
void check_given(const Options& options, const ExportFlags& flags) {
  const auto only = [&](const char* flag, bool counts, const char* with) {
    if (options.given(flag) && !counts)
      fail_input(std::string(flag) + " counts with " + with + " alone");
  };
  const auto has = [&](const char* format) {
    return std::ranges::count(flags.formats, format) > 0;
  };
  for (const char* flag : {"--opset", "--normalize", "--softmax"})
    only(flag, has("onnx"), "--format onnx");
  only("--calibration-faces", has("int8"), "--format int8");
  for (const char* flag :
       {"--split", "--labels", "--classes", "--targets", "--votes", "--train-fraction",
        "--data-seed", "--group-by", "--detect", "--on-error"}) {
    only(flag, !flags.data.data.empty(), "--data");
  }
  if (flags.formats.empty()) {
    if (flags.verify) fail_input("--verify counts with a --format alone");
    if (!flags.data.data.empty()) fail_input("--data counts with a --format alone");
  }
  if (flags.describe) {
    for (const char* flag : {"--format", "--out", "--verify", "--data", "--ensemble"}) {
      if (options.given(flag))
        fail_input(std::string("--describe writes nothing: without ") + flag);
    }
  }
  if (std::set<std::string>(flags.formats.begin(), flags.formats.end()).size() <
      flags.formats.size()) {
    fail_input("--format '" + flags.format + "' names a format twice");
  }
}

ExportFlags parse(int argc, char** argv) {
  ExportFlags flags;
  flags.data.data = flags.data.labels = flags.data.targets = "";
  Options options(
      "fer-export",
      "Writes a checkpoint as ONNX, half as large as f16, or smaller and faster as bf16 "
      "and int8, and says what that costs; makes one net of several.",
      kExamples);
  options.add_positional("model", &flags.models,
                         "checkpoint (.safetensors); default: FER_MODEL or the shipped one; "
                         "several with --ensemble");
  options.group("Export");
  options.add("-f,--format", "format", &flags.format,
              "onnx (the default but with --ensemble), f16, bf16, int8, several by commas");
  options.add("--ensemble", "ensemble", &flags.ensemble,
              "write ensemble.safetensors, a net that answers with the mean of the models', and "
              "export that where a --format is given");
  options.add("-o,--out", "out", &flags.out, "folder; default: the checkpoint's");
  options.add("--opset", "opset", &flags.onnx.opset, "of ONNX, 9 to 17");
  options.add("--normalize", "normalize", &flags.onnx.normalize,
              "the ONNX network takes bytes, 0 to 255, and normalises them itself");
  options.add("--softmax", "softmax", &flags.onnx.softmax,
              "the ONNX network answers with probabilities");
  options.add("--verify", "verify", &flags.verify,
              "check ONNX by libonnx and, through OpenCV, against the reference; end with 3 when "
              "f16, bf16 or int8 lose too much accuracy or cannot be measured here");
  options.add("--calibration-faces", "calibration_faces", &flags.calibration_faces,
              "of the training split, for int8");
  options.add("--describe", "", &flags.describe,
              "print what the checkpoint says of itself as JSON, and end");
  add_data_options(options, flags.data, DataUse::kLooking);
  options.add("--split", "split", &flags.split, "whose accuracy counts: train, val or test");
  options.add_config_options();
  options.parse(argc, argv);
  if (!flags.ensemble && flags.models.size() > 1)
    fail_input("one model at a time, or one of them all with --ensemble");
  if (flags.ensemble && flags.models.size() < 2) fail_input("--ensemble needs at least two models");
  if (flags.format.empty() && !flags.ensemble && !options.given("--format")) flags.format = "onnx";
  if (!flags.format.empty() || options.given("--format")) flags.formats = split(flags.format, ',');
  for (const std::string& name : flags.formats) {
    const std::vector<std::string> known = {"onnx", "f16", "bf16", "int8"};
    if (std::ranges::count(known, name) == 0) {
      fail_input("--format '" + name + "': expected " + join(known, ", ") +
                 did_you_mean(name, known));
    }
    if (name == "int8" && flags.data.data.empty()) {
      fail_input("--format int8 needs --data: faces to calibrate with");
    }
    if (name != "onnx" && flags.verify && flags.data.data.empty()) {
      fail_input("--verify of " + name + " needs --data: labelled faces to measure accuracy on");
    }
  }
  split_from_string(flags.split);
  check_given(options, flags);
  check(flags.onnx);
  if (flags.calibration_faces < 1) {
    fail_input(format("--calibration-faces %d is not at least 1", flags.calibration_faces));
  }
  return flags;
}

// The faces that the variants are compared on.
struct Faces {
  std::shared_ptr<const Dataset> scored;  // with labels; null without --data
  std::vector<Image> calibration;
  std::vector<Image> compared;  // of the scored ones; without --data drawn ones
};

std::vector<Image> spread(const Dataset& data, std::int64_t count) {
  std::vector<Image> images;
  count = std::min(count, data.size());
  for (std::int64_t i = 0; i < count; ++i) images.push_back(data.image(i * data.size() / count));
  return images;
}

Faces open_faces(ExportFlags& flags, const ModelSpec& spec) {
  Faces faces;
  if (flags.data.data.empty()) {
    DatasetOptions drawn;
    drawn.path = format("synthetic:%d", 2 * kComparedFaces);
    faces.compared = spread(*open_dataset(drawn).train, kComparedFaces);
    return faces;
  }
  const OpenedDataset data = open_data_for(spec, spec.default_head, flags.data, spec.resize);
  const Split part = split_from_string(flags.split);
  faces.scored = labelled(part == Split::kTrain ? data.train
                          : part == Split::kVal ? data.val
                                                : data.test);
  if (faces.scored->size() == 0) {
    fail_input(flags.data.data + ": the split " + flags.split + " is empty");
  }
  if (std::ranges::count(flags.formats, "int8") > 0 && data.train->size() == 0)
    fail_input(flags.data.data + ": the split train is empty; int8 is calibrated on it");
  faces.calibration = spread(*data.train, flags.calibration_faces);
  faces.compared = spread(*faces.scored, kComparedFaces);
  return faces;
}

struct Row {
  std::string variant, file;
  double size = 0;                                     // MB
  std::optional<double> accuracy;                      // with --data
  double mean_difference = 0, largest_difference = 0;  // of a probability, from fp32
  double p50 = 0, p95 = 0;  // milliseconds of CPU time for a face, one thread
};

// Measures variants one after the other; the first one is what the others differ from.
class Comparison {
 public:
  explicit Comparison(const Faces& faces) : faces_(faces) {}

  const Row& add(const std::string& variant, const fs::path& file, Classifier& classifier) {
    Row row;
    row.variant = variant;
    row.file = file.filename().string();
    row.size = static_cast<double>(fs::file_size(file)) / 1e6;
    const ModelSpec& spec = classifier.spec();
    std::vector<float> probabilities;
    if (faces_.scored) {
      const Predictions predictions =
          predict(classifier, *faces_.scored, {.head = spec.default_head});
      row.accuracy = compute_metrics(predictions).accuracy;
      probabilities = predictions.probabilities;
    } else {
      for (const Probabilities& answer : classifier.classify(faces_.compared)) {
        const auto& values = answer.at(spec.default_head);
        probabilities.insert(probabilities.end(), values.begin(), values.end());
      }
    }
    if (rows_.empty()) exact_ = probabilities;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      if (!std::isfinite(probabilities[i]))
        fail_runtime(file.string() + ": as " + variant + " its answer for a face is no number");
      const double difference = std::abs(probabilities[i] - exact_[i]);
      row.mean_difference += difference / static_cast<double>(probabilities.size());
      row.largest_difference = std::max(row.largest_difference, difference);
    }
    const auto times =
        time_logits(classifier, preprocess(spec, std::span(faces_.compared).first(1)), 0.5);
    row.p50 = median(times);
    row.p95 = quantile(times, 0.95);
    rows_.push_back(row);
    return rows_.back();
  }

  double loss(const Row& row) const {
    return row.accuracy ? *rows_.front().accuracy - *row.accuracy : 0.0;
  }

  void print() const {
    std::printf("%-6s %-32s %8s %9s %9s %9s %8s %8s\n", "", "file", "MB", "accuracy", "mean |dp|",
                "max |dp|", "p50 ms", "p95 ms");
    for (const Row& row : rows_) {
      std::printf("%-6s %-32s %8.1f %9s %9.2g %9.2g %8.2f %8.2f\n", row.variant.c_str(),
                  row.file.c_str(), row.size,
                  row.accuracy ? format("%.4f", *row.accuracy).c_str() : "-", row.mean_difference,
                  row.largest_difference, row.p50, row.p95);
    }
    const Row* ship = &rows_.front();
    for (const Row& row : rows_) {
      if (row.variant == "onnx" || loss(row) > allowed_loss(row.variant)) continue;
      // f16 is computed as fp32 is. Of the others times within a twentieth are equal, and the
      // smaller file decides, if it is so by more than its header.
      const bool same_work = row.variant == "f16" || row.variant == ship->variant;
      const bool faster = !same_work && row.p50 < 0.95 * ship->p50,
                 smaller =
                     (same_work || row.p50 < 1.05 * ship->p50) && row.size < 0.95 * ship->size;
      if (faster || smaller) ship = &row;
    }
    std::printf("\nto ship: %s (%s)", ship->file.c_str(), ship->variant.c_str());
    if (ship->variant != "fp32" && ship->variant != "f16")
      std::printf(", %.1f times as fast as fp32", rows_.front().p50 / ship->p50);
    if (ship->accuracy) {
      std::printf(" at %+.4f accuracy", 0.0 - loss(*ship));
    } else {
      std::printf(" (accuracy not measured: no --data)");
    }
    std::printf("; CPU time of one face, this machine\n");
  }

  static double allowed_loss(const std::string& variant) {
    return variant == "int8"   ? kInt8Loss
           : variant == "bf16" ? kBf16Loss
           : variant == "f16"  ? kF16Loss
                               : 0.0;
  }

 private:
  const Faces& faces_;
  std::vector<Row> rows_;
  std::vector<float> exact_;
};

// The file itself, with whatever it holds inside, against the reference interpreter.
void verify_onnx(const std::string& bytes, const Checkpoint& checkpoint, const OnnxOptions& options,
                 std::span<const Image> faces) {
  check_onnx(bytes);
  const ModelSpec& spec = checkpoint.spec;
  ModelSpec feed = spec;
  if (options.normalize) {
    feed.scale = 1.0f;
    std::ranges::fill(feed.mean, 0.0f);
    std::ranges::fill(feed.std, 1.0f);
  }
  const auto answers = make_opencv_classifier(spec, bytes, 1)->logits(preprocess(feed, faces));
  double largest = 0;
  for (std::size_t i = 0; i < faces.size(); ++i) {
    // One by one: the interpreter holds every layer's result.
    const auto logits =
        run_reference(checkpoint.graph, checkpoint.weights, preprocess(spec, faces.subspan(i, 1)));
    for (const HeadSpec& head : spec.heads) {
      const std::size_t classes = head.labels.size();
      const auto row = answers.at(head.name).floats().subspan(i * classes, classes);
      const auto expected = softmax(logits.at(head.name).floats(), head.temperature);
      const auto found = options.softmax ? std::vector<float>(row.begin(), row.end())
                                         : softmax(row, head.temperature);
      for (std::size_t k = 0; k < classes; ++k) {
        // As no number is larger than NaN, it is looked for by itself.
        if (!std::isfinite(found[k]) || !std::isfinite(expected[k]))
          fail_runtime("ONNX: head " + head.name + ": a probability is no number");
        largest = std::max(largest, double{std::abs(found[k] - expected[k])});
      }
    }
  }
  constexpr double kTolerance = 1e-5;
  if (!(largest <= kTolerance)) {
    fail_runtime(format("ONNX: a probability differs by %.2g from the reference", largest));
  }
  log_info(
      format("ONNX: valid to libonnx; through OpenCV no probability of %zu faces differs by more "
             "than %.1g from the reference",
             faces.size(), largest));
}

// Labels, preprocessing, temperatures and thresholds, and how it was trained.
std::string description(const fs::path& file, const Checkpoint& checkpoint) {
  nlohmann::ordered_json about = {{"file", file.string()},
                                  {"bytes", fs::file_size(file)},
                                  {"parameters", parameter_count(checkpoint.graph)},
                                  {"int8", !checkpoint.ranges.empty()},
                                  {"spec", to_json(checkpoint.spec)}};
  return about.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// Makes one net of the models; returns its file.
fs::path write_ensemble(const ExportFlags& flags) {
  const fs::path folder =
      flags.out.empty() ? fs::path(flags.models[0]).parent_path() : fs::path(flags.out);
  const fs::path file = folder / "ensemble.safetensors";
  std::vector<fs::path> parts;
  std::vector<Checkpoint> nets;
  for (const std::string& name : flags.models) {
    const fs::path part = find_model(name);
    std::error_code ignored;
    const auto is_target = [&](const std::string& ending) {
      return fs::equivalent(part, folder / ("ensemble" + ending + ".safetensors"), ignored);
    };
    if (is_target("") || std::ranges::any_of(flags.formats, [&](const std::string& variant) {
          return is_target("-" + variant);
        })) {
      fail_input(part.string() + " would be written over; --out names another folder");
    }
    for (const fs::path& other : parts) {
      if (fs::equivalent(part, other, ignored))
        fail_input(part.string() + ": named twice, an ensemble needs different models");
    }
    parts.push_back(part);
    nets.push_back(load_checkpoint(part));
  }
  Checkpoint joined;
  try {
    joined = join_nets(nets);
  } catch (const Error& error) {
    std::string names;
    for (std::size_t i = 0; i < parts.size(); ++i)
      names += (i > 0 ? ", net " : "net ") + std::to_string(i + 1) + " is " + parts[i].string();
    fail_input(std::string(error.what()) + " (" + names + ")");
  }
  if (!folder.empty()) make_directories(folder);
  save_checkpoint(file, joined);
  log_info(format(
      "%s: %s, %.2f M parameters, %d px", file.string().c_str(), joined.spec.architecture.c_str(),
      static_cast<double>(parameter_count(joined.graph)) / 1e6, joined.spec.input_size));
  return file;
}

int export_model(int argc, char** argv) {
  ExportFlags flags = parse(argc, argv);
  const fs::path model = flags.ensemble ? write_ensemble(flags)
                                        : find_model(flags.models.empty() ? "" : flags.models[0]);
  if (flags.formats.empty()) return 0;
  const Checkpoint checkpoint = load_checkpoint(model);
  if (flags.describe) {
    std::fputs(description(model, checkpoint).c_str(), stdout);
    return 0;
  }
  const Faces faces = open_faces(flags, checkpoint.spec);
  const fs::path folder = flags.out.empty() ? model.parent_path() : fs::path(flags.out);
  if (!folder.empty()) make_directories(folder);
  const auto target = [&](const std::string& ending) {
    return folder / (model.stem().string() + ending);
  };

  Comparison comparison(faces);
  comparison.add("fp32", model, *make_onednn_classifier(checkpoint, {"fp32", 1}));
  bool kept = true;
  for (const std::string& variant : flags.formats) {
    if (variant == "onnx") {
      const std::string bytes = to_onnx(checkpoint, flags.onnx);
      if (flags.verify) verify_onnx(bytes, checkpoint, flags.onnx, faces.compared);
      write_file_atomically(target(".onnx"), bytes);
      for (const MixedHeadSpec& mixed : checkpoint.spec.mixed_heads) {
        log_info(target(".onnx").string() + ": the mixed head " + mixed.name +
                 " is no output; docs/deployment.md says how to make it of the others");
      }
      // The network alone: what is inside beside it costs nothing.
      comparison.add(variant, target(".onnx"),
                     *make_opencv_classifier(checkpoint.spec, to_onnx(checkpoint), 1));
      continue;
    }
    const bool int8 = variant == "int8";
    const fs::path file = target("-" + variant + ".safetensors");
    Checkpoint smaller = checkpoint;
    smaller.ranges.clear();
    if (int8)
      smaller.ranges = calibrate(checkpoint, preprocess(checkpoint.spec, faces.calibration));
    // f16 is a way to store weights; the engine computes with them in fp32. In int8 it rounds to 8
    // bits a channel when it loads; 16 bits lose nothing that matters then.
    save_checkpoint(file, smaller, variant == "bf16" ? DType::kBF16 : DType::kF16);
    const std::string precision = variant == "f16" ? "fp32" : variant;
    if ((int8 && !cpu_has_int8()) || (variant == "bf16" && !cpu_has_bf16())) {
      log_warning(file.string() + ": written, but this CPU cannot measure " + variant);
      kept = false;
      continue;
    }
    const Row& row = comparison.add(variant, file,
                                    *make_onednn_classifier(load_checkpoint(file), {precision, 1}));
    if (comparison.loss(row) > Comparison::allowed_loss(variant)) {
      log_warning(format("%s costs %.4f accuracy, more than %.3f", variant.c_str(),
                         comparison.loss(row), Comparison::allowed_loss(variant)));
      kept = false;
    }
  }
  comparison.print();
  return flags.verify && !kept ? 3 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("fer-export", [&] { return export_model(argc, argv); });
}
