#include "eval_options.h"

#include <cmath>
#include <filesystem>

#include "all_engines.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/eval/writers.h"
#include "fer/model/find_model.h"

namespace fer::tools {
namespace {

constexpr const char* kExamples =
    "  fer-eval --model runs/train/exp/weights/best.safetensors --data fer2013.csv --split val\n"
    "  fer-eval --model a.safetensors --model b.safetensors --data fer2013.csv --dedup\n"
    "  fer-eval --model a.safetensors b.safetensors --ensemble --tta flip --data fer2013.csv\n"
    "  fer-eval --model best.safetensors --data fer2013.csv --calibrate val\n"
    "  fer-eval --model best.safetensors --data faces.csv --slice camera --slice age\n"
    "  fer-eval --model best.safetensors --data fer2013.csv --fail-under 0.7 --format json\n";

// The file is made anew: a card that somebody wrote stays.
void check_model_card(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(folder))
    fail_input("--model-card " + file.string() + ": there is no folder " + folder.string());
  if (std::filesystem::exists(file) && !read_text_file(file).starts_with(kMeasuredPart)) {
    fail_input("--model-card " + file.string() +
               ": is there and was not written by fer-eval; name another file");
  }
}

void check(EvalFlags& flags) {
  if (flags.models.empty()) {
    if (!flags.calibrate.empty())
      fail_input("--calibrate writes into the checkpoint: name it by --model");
    flags.models.push_back(find_model().string());
  }
  if (flags.batch_size < 1)
    fail_input(format("--batch-size %d is not at least 1", flags.batch_size));
  if (flags.format != "text" && flags.format != "json") {
    fail_input("--format '" + flags.format + "': expected text or json");
  }
  flags.views = views_from_string(flags.tta);
  flags.split = to_string(split_from_string(flags.split));
  if (flags.ensemble && flags.models.size() < 2)
    fail_input("--ensemble needs two models or more: --model a --model b");
  if (flags.dedup && split_from_string(flags.split) == Split::kTrain)
    fail_input("--dedup leaves out what also stands in training: --split val or test");
  if (!flags.calibrate.empty()) {
    flags.calibrate = to_string(split_from_string(flags.calibrate));
    if (flags.models.size() > 1) fail_input("--calibrate takes one --model at a time");
    if (flags.views != Views::kOne)
      fail_input("--calibrate is for the answers that every program gives: without --tta");
  }
  if (!(flags.sure > 0 && flags.sure < 1))
    fail_input(format("--sure %g is not between 0 and 1", flags.sure));
  if (flags.bootstrap.resamples < 1)
    fail_input(format("--resamples %d is not at least 1", flags.bootstrap.resamples));
  if (!flags.fail_under.empty() &&
      !(parse_double(flags.fail_under, flags.bar) && std::isfinite(flags.bar)))
    fail_input("--fail-under '" + flags.fail_under + "' is not a number");
  metric_value(Metrics{}, flags.fail_metric);
  if (flags.engine.threads < 0)
    fail_input(format("--threads %d is negative", flags.engine.threads));
  if (flags.save) check_run_name(flags.name);
  if (!flags.model_card.empty()) check_model_card(flags.model_card);
  for (const char* loss : {"nll", "brier", "ece"}) {
    if (flags.fail_metric == loss)
      fail_input("--fail-metric " + flags.fail_metric + ": less is better there, no bar to reach");
  }
}

}  // namespace

EvalFlags parse_eval_options(int argc, char** argv) {
  EvalFlags flags;
  flags.data.labels = "";
  flags.data.targets = "";
  Options options("fer-eval", "Evaluates checkpoints on a split of a data set.", kExamples);
  options.group("Model");
  options.add(
      "-m,--model", "model", &flags.models,
      "checkpoint (.safetensors); several are compared with the first; default: FER_MODEL or "
      "the shipped one");
  options.add("--head", "head", &flags.head,
              "output to evaluate; default: the checkpoint's default head");
  options.add("--ensemble", "ensemble", &flags.ensemble, "evaluate the mean of the models");
  options.add("--tta", "tta", &flags.tta,
              "mean over views of a face: none, flip, or ten (five crops, mirrored)");
  add_data_options(options, flags.data, DataUse::kLooking);
  options.add("--split", "split", &flags.split, "train, val or test");
  options.add("--dedup", "dedup", &flags.dedup,
              "figures without images that also stand in training, beside the official ones");
  options.add("--slice", "slice", &flags.slices,
              "columns of a manifest: every metric a group of equal values");
  options.group("Calibration");
  options.add("--calibrate", "calibrate", &flags.calibrate,
              "fit temperature and threshold on this split first and store them in the checkpoint");
  options.add("--sure", "sure", &flags.sure,
              "with --calibrate: answers are 'uncertain' below the confidence from which on this "
              "share is right");
  options.group("Output");
  options.add("-f,--format", "format", &flags.format, "on standard output: text or json");
  options.add("--save", "save", &flags.save,
              "write a folder with report, plots, metrics and predictions");
  options.add("--project", "project", &flags.project, "where that folder goes");
  options.add("--name", "name", &flags.name, "its name; a number is appended when it exists");
  options.add("--exist-ok", "exist_ok", &flags.exist_ok, "write into it when it exists");
  options.add("--model-card", "model_card", &flags.model_card,
              "file for the measured part of a model card (Markdown)");
  options.add("--fail-under", "fail_under", &flags.fail_under,
              "end with code 3 when the metric is lower");
  options.add("--fail-metric", "fail_metric", &flags.fail_metric,
              "the metric of --fail-under, such as macro_f1");
  options.add("--resamples", "resamples", &flags.bootstrap.resamples, "of the intervals");
  options.group("Machine");
  options.add("-b,--batch-size", "batch_size", &flags.batch_size, "images at a time");
  add_engine_options(options, flags.engine, all_engines("auto"),
                     "of fp32 torch where it is built in, else the fastest by a short probe");
  options.add("--device", "device", &flags.device, "of torch: auto, cpu, cuda, cuda:N");
  options.add("--threads", "threads", &flags.engine.threads, "0: all cores");
  options.add_config_options();
  options.parse(argc, argv);
  check(flags);
  if (!options.given("--data") && flags.data.data == DataFlags().data)
    log_warning("no --data: what follows is of drawn faces, not of photos");
  if (options.given("--fail-under") && flags.fail_under.empty())
    fail_input("--fail-under '' is not a number");
  if (options.given("--sure") && flags.calibrate.empty())
    fail_input("--sure counts with --calibrate alone");
  if (options.given("--fail-metric") && flags.fail_under.empty())
    fail_input("--fail-metric counts with --fail-under alone");
  flags.effective_yaml = options.effective_yaml();
  return flags;
}

}  // namespace fer::tools
