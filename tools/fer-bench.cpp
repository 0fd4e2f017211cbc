// fer-bench: what this machine does a second, as ratios side by side in one run.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>

#include "bench_infer.h"
#include "bench_pipeline.h"
#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/nn/runtime.h"
#include "fer/train/trainer.h"
#include "program.h"
#include "timing.h"
#include "train_options.h"

namespace {

using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-bench train --arch cnn-large --data fer2013.csv --labels fer2013\n"
    "  fer-bench train --arch compact --rounds 9\n"
    "  fer-bench infer --arch cnn --batch-sizes 1 8 64\n"
    "  fer-bench infer --model model.safetensors --against 'node scripts/onnxruntime.mjs time'\n"
    "  fer-bench pipeline photos/*.jpg --model model.safetensors\n";

// Training as it is (order, augmentation, loss, metrics) against forward, backward and step alone.
int bench_train(TrainFlags& flags, const DataFlags& data_flags, const Options& options, int rounds,
                int images) {
  const std::optional<Checkpoint> base = pretrained_checkpoint(flags, options);
  OpenedDataset data = open_training_data(flags, data_flags, base);
  Checkpoint initial = initial_checkpoint(flags, data, base);
  resolve_batch_size(flags, initial, data);
  auto teachers = add_teachers(flags, data, initial.spec.provenance);
  Trainer trainer(initial, data, flags.train, flags.augment, std::move(teachers));
  trainer.initialise();
  trainer.measure_bare(flags.train.batch_size * 2);  // warm up
  trainer.measure_epoch(flags.train.batch_size * 2);
  std::printf("%s, %s, batch %d\n%-7s %12s %12s %7s\n", initial.spec.architecture.c_str(),
              trainer.device_description().c_str(), flags.train.batch_size, "round", "bare img/s",
              "epoch img/s", "ratio");
  std::vector<double> bare, epoch, ratio;
  for (int round = 1; round <= rounds; ++round) {
    bare.push_back(trainer.measure_bare(images));
    epoch.push_back(trainer.measure_epoch(images));
    ratio.push_back(epoch.back() / bare.back());
    std::printf("%-7d %12.1f %12.1f %7.3f\n", round, bare.back(), epoch.back(), ratio.back());
    std::fflush(stdout);
  }
  std::printf("%-7s %12.1f %12.1f %7.3f\n", "median", median(bare), median(epoch), median(ratio));
  return 0;
}

// What describes a net without weights.
constexpr const char* kNet[] = {"--arch",     "--input-size", "--variant",
                                "--channels", "--stages",     "--blocks",
                                "--dense",    "--dropout",    "--squeeze-excitation"};

// A flag that the measurement would not heed is an error: its figure would be taken for another.
void check_flags(const Options& options, const std::string& kind, bool has_model) {
  std::set<std::string> heeded = {"--config", "--set", "--print-config", "--rounds"};
  std::set<std::string> others;
  if (kind == "train") {
    others = {"--model",   "--batch-sizes",    "--bench-threads",
              "--against", "--detector-model", "--list-pretrained",
              "--summary", "--resume",         "--project",
              "--name",    "--exist-ok"};
  } else if (kind == "infer") {
    heeded.insert({"--model", "--batch-sizes", "--bench-threads", "--against"});
    if (!has_model) heeded.insert(std::begin(kNet), std::end(kNet));
  } else {
    heeded.insert({"--model", "--images", "--detector-model"});
  }
  for (const std::string& flag : options.given()) {
    if (kind == "train" ? others.contains(flag) : !heeded.contains(flag)) {
      const bool net = std::ranges::count(kNet, flag) > 0;
      fail_input(flag + ": fer-bench " + kind + " does not heed it" +
                 (kind == "infer" && net ? ": the net of --model stays as it is" : ""));
    }
  }
}

int bench(int argc, char** argv) {
  std::vector<std::string> what;
  DataFlags data_flags;
  TrainFlags flags;
  InferBench infer;
  PipelineBench pipeline;
  std::string model, detector_model;
  int rounds = 5, images = 0;
  Options options("fer-bench",
                  "Measures this machine. train: the training loop against the bare step, as "
                  "fer-train's flags say (Data to Machine). infer: the engines side by side, of "
                  "--model or of the flags under Net. pipeline PHOTOS: fer-predict against its "
                  "parts.",
                  kExamples);
  options.add_positional("what", &what, "train, infer or pipeline and photos");
  options.group("Measurement");
  options.add("--rounds", "bench.rounds", &rounds,
              "alternating measurements of each side; the median counts");
  options.add("--images", "bench.images", &images,
              "images a measurement; 0: 1280 to train, 1000 photos through the pipeline");
  options.add("-m,--model", "bench.model", &model,
              "infer, pipeline: a checkpoint; infer without one: --arch with random weights");
  options.add("--batch-sizes", "bench.batch_sizes", &infer.batch_sizes, "infer: faces at once");
  options.add("--bench-threads", "bench.threads", &infer.threads, "infer: threads of each engine");
  options.add("--against", "bench.against", &infer.against,
              "infer: a command to compare with, such as 'node scripts/onnxruntime.mjs time'");
  options.add("--detector-model", "bench.detector_model", &detector_model,
              "pipeline: YuNet's .onnx or a cascade's .xml");
  add_data_options(options, data_flags, DataUse::kTraining);
  add_train_options(options, flags);
  options.add_config_options();
  options.parse(argc, argv);
  const std::string kind = what.empty() ? "" : what[0];
  if ((kind != "train" && kind != "infer" && kind != "pipeline") ||
      (kind != "pipeline" && what.size() > 1)) {
    fail_input("what to measure? expected: fer-bench train, infer, or pipeline and photos");
  }
  check_flags(options, kind, !model.empty());
  if (rounds < 1) fail_input(format("--rounds %d is not at least 1", rounds));
  if (images < 0) fail_input(format("--images %d is less than 0", images));
  for (const int size : infer.batch_sizes) {
    if (size < 1) fail_input(format("--batch-sizes %d is not at least 1", size));
  }
#if FER_HAVE_PREDICT
  if (kind == "pipeline") {
    pipeline.model = model;
    pipeline.photos.assign(what.begin() + 1, what.end());
    pipeline.detector.model = detector_model;
    pipeline.rounds = rounds;
    if (images > 0) pipeline.images = images;
    return bench_pipeline(pipeline);
  }
  if (kind == "infer") {
    infer.model = model;
    infer.architecture = architecture_for(flags, {{"fer2013", *label_preset("fer2013")}});
    infer.rounds = rounds;
    return bench_infer(infer);
  }
#else
  if (kind != "train") {
    fail_input("this fer-bench was built without engines but libtorch: it can train alone");
  }
#endif
  return bench_train(flags, data_flags, options, rounds, images > 0 ? images : 1280);
}

}  // namespace

int main(int argc, char** argv) {
  prepare_torch_process();
  return run_program("fer-bench", [&] { return bench(argc, argv); });
}
