// fer-train: a net from a data set.
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "data_options.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/data/contact_sheet.h"
#include "fer/model/architectures.h"
#include "fer/nn/runtime.h"
#include "fer/train/memory.h"
#include "fer/train/run.h"
#include "program.h"
#include "train_options.h"

namespace {

using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-train --config configs/quick.yaml              # a minute or two on drawn faces\n"
    "  fer-train --arch compact --data fer2013.csv --labels fer2013\n"
    "  fer-train --config configs/compact.yaml --data photos/ --labels auto\n"
    "  fer-train --config configs/finetune.yaml --pretrained best.safetensors --data photos/ "
    "--labels auto\n"
    "  fer-train --resume                                 # go on with the newest unfinished run\n"
    "  fer-train --arch cnn-large --summary               # layers, shapes, parameters, FLOPs\n";

// What else is given would not count: a resumed run computes what it began.
void check_resume(const Options& options, const std::string& run) {
  for (const std::string& flag : options.given()) {
    const bool where = flag == "--resume" || (flag == "--project" && run == kNewestRun);
    if (!where && flag != "--device" && flag != "--threads") {
      fail_input(flag + ": a resumed run keeps its own; only --device and --threads may differ");
    }
  }
}

// How each class came out at the best epoch: a mean hides the one that nothing was learned of.
void print_classes(const ModelSpec& spec) {
  for (const HeadSpec& head : spec.heads) {
    const nlohmann::json& scores = spec.provenance.at("validation").at(head.name);
    if (!scores.contains("class_f1")) continue;  // a run that an older program began
    std::string line =
        format("%s: accuracy %.4f; F1", head.name.c_str(), scores.at("accuracy").get<double>());
    for (const std::string& label : head.labels) {
      const auto f1 = scores.at("class_f1").find(label);  // none: no validation image
      line += ' ' + label +
              (f1 == scores.at("class_f1").end() ? " -" : format(" %.2f", f1->get<double>()));
    }
    std::puts(line.c_str());
  }
}

// As it may stand in a shell's command.
std::string shell_word(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./,=+:@%").find(c) != std::string_view::npos;
  });
  return plain && !text.empty() ? text : "'" + replace_all(text, "'", "'\\''") + "'";
}

// The data as fer-eval needs it told, a YAML's keys as flags. drawn: validation was cut off by a
// seed, which must be the same there.
std::string evaluation_command(const RunFolder& folder, const DataFlags& data, bool drawn) {
  std::string command = "fer-eval --model " + shell_word(folder.best().string()) + " --data " +
                        shell_word(data.data) + " --split val";
  if (data.heads.empty()) {
    // The checkpoint knows the names of its labels, but not what they are made of.
    if (data.labels.find_first_of("=.") != std::string::npos)
      command += " --labels " + shell_word(data.labels);
    if (data.targets != DataFlags().targets) command += " --targets " + shell_word(data.targets);
  }
  if (!data.classes.empty()) command += " --classes " + shell_word(data.classes);
  if (!data.votes.empty()) command += " --votes " + shell_word(data.votes);
  if (data.on_error == "skip") command += " --on-error skip";
  if (data.detect) command += " --detect";
  if (const DataFlags usual; drawn && data.train_fraction != usual.train_fraction)
    command += format(" --train-fraction %g", data.train_fraction);
  if (drawn && data.seed != 0)
    command += format(" --data-seed %llu", static_cast<unsigned long long>(data.seed));
  if (drawn && !data.group_by.empty()) command += " --group-by " + shell_word(data.group_by);
  return command;
}

int train(int argc, char** argv) {
  DataFlags data_flags;
  TrainFlags flags;
  Options options("fer-train", "Trains a facial expression classifier.", kExamples);
  add_data_options(options, data_flags, DataUse::kTraining);
  add_train_options(options, flags);
  options.add_config_options();
  options.parse(argc, argv);

  if (flags.list_pretrained) {
    std::fputs(list_of_pretrained().c_str(), stdout);
    return 0;
  }
  const bool resume = !flags.resume.empty();
  if (resume) check_resume(options, flags.resume);
  std::optional<Checkpoint> base;
  if (!resume) base = pretrained_checkpoint(flags, options);
  if (flags.summary) {
    const Graph graph =
        base ? base->graph
             : make_architecture(architecture_for(flags, heads_for_summary(data_flags)));
    std::fputs(summary(graph).c_str(), stdout);
    const auto gigabytes = [&](int batch) {
      return 1e-9 * static_cast<double>(training_bytes(graph, flags.train, batch));
    };
    std::printf(
        "a training step takes about %.2f GB with 8 pictures, %.2f with 32, %.2f with 128\n",
        gigabytes(8), gigabytes(32), gigabytes(128));
    return 0;
  }
  auto folder = resume ? std::optional(RunFolder::unfinished(
                             flags.project, flags.resume == kNewestRun ? "" : flags.resume))
                       : std::nullopt;
  std::optional<RunLock> lock;
  if (resume) {
    lock.emplace(folder->path());
    // The run's own configuration, but for where it computes.
    const auto device = flags.train.device;
    const int threads = flags.train.threads;
    options.apply(config_from_json(read_run_note(*folder)), folder->state().string());
    if (options.given("--device")) flags.train.device = device;
    if (options.given("--threads")) flags.train.threads = threads;
    // The net as the run has it: the file it began from may be gone.
    base = load_checkpoint(folder->last());
    log_info("resuming " + folder->path().string());
  }
  OpenedDataset data = open_training_data(flags, data_flags, base);
  Checkpoint initial;
  if (resume) {
    initial = std::move(*base);
    initial.spec.data_fingerprint = data.fingerprint;  // compared with the state's
  } else {
    initial = initial_checkpoint(flags, data, base);
    resolve_batch_size(flags, initial, data);
    initial.spec.provenance["config"] = options.effective_yaml();
    if (data_flags.detect) initial.spec.provenance["detect"] = true;  // faces cut out of photos
    for (const DrawnSplit& drawn : data.drawn_splits)
      initial.spec.provenance["drawn_splits"].push_back(split_facts(drawn));
  }
  auto teachers = add_teachers(flags, data, initial.spec.provenance);
  Trainer trainer(initial, data, flags.train, flags.augment, std::move(teachers));
  trainer.initialise();
  log_info(format("%s: %s parameters, %s; %lld images an epoch", initial.spec.architecture.c_str(),
                  human_count(static_cast<double>(parameter_count(initial.graph))).c_str(),
                  trainer.device_description().c_str(),
                  static_cast<long long>(trainer.images_per_epoch())));
  if (const std::string phase = trainer.phase_description(); !phase.empty()) log_info(phase);
  if (!folder) {
    folder = RunFolder::create(flags.project, flags.name, flags.exist_ok);
    lock.emplace(folder->path());
    write_file_atomically(folder->file("args.yaml"), options.effective_yaml());
    nlohmann::json facts = {{"description", data.description}, {"fingerprint", data.fingerprint}};
    for (const auto& dropped : data.dropped)
      facts["left_out"].push_back({{"reason", dropped.reason}, {"rows", dropped.rows}});
    for (std::size_t h = 0; h < data.label_maps.size(); ++h) {
      const auto& head = data.train->heads()[h];
      facts["heads"].push_back({{"name", head.name},
                                {"labels", head.labels},
                                {"map", data.label_maps[h].index_of},
                                {"train", class_counts(*data.train, h)},
                                {"val", class_counts(*data.val, h)},
                                {"test", class_counts(*data.test, h)}});
    }
    write_file_atomically(folder->file("data.json"), facts.dump(2) + "\n");
    draw_data(*folder, data, trainer);
    if (data_flags.detect) {
      const auto counts = class_counts(*data.train);
      const auto most = *std::max_element(counts.begin(), counts.end());
      write_png(folder->file("detected.png"),
                contact_sheet(*data.train, static_cast<int>(std::min<std::int64_t>(most, 12)), 64));
    }
  }
  log_info("run folder: " + folder->path().string());

  install_stop_handler();
  const RunOutcome outcome =
      run_training(trainer, *folder, options.effective_json(), resume, stop_requested);
  if (outcome.interrupted) {
    log_warning("interrupted; go on with: fer-train --resume=" + folder->path().string());
    return 130;
  }
  std::printf("best epoch %lld: validation %s %.4f  %s\n",
              static_cast<long long>(outcome.best_epoch), flags.train.monitor.c_str(),
              outcome.best_score, folder->best().c_str());
  print_classes(load_checkpoint(folder->best()).spec);
  std::fflush(stdout);
  log_info(std::string("what it gets wrong, and how sure that is") +
           (data_flags.more.empty() ? ": " : ", of the first data set: ") +
           evaluation_command(*folder, data_flags, !data.drawn_splits.empty()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  prepare_torch_process();
  return run_program("fer-train", [&] { return train(argc, argv); });
}
