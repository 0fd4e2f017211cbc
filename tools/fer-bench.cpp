// fer-bench: what this machine does a second, as ratios side by side in one run.
#include <algorithm>
#include <cstdio>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/nn/runtime.h"
#include "fer/train/trainer.h"
#include "train_options.h"

namespace {

using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-bench train --arch cnn-large --data fer2013.csv --labels fer2013\n"
    "  fer-bench train --arch compact --rounds 9\n";

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Training as it is (order, augmentation, loss, metrics) against forward, backward and step alone.
int bench_train(const TrainFlags& flags, const DataFlags& data_flags, int rounds, int images) {
  const OpenedDataset data = open_dataset(dataset_options(data_flags, resize_of(flags)));
  Trainer trainer(initial_checkpoint(flags, data, ""), data, flags.train, flags.augment);
  trainer.initialise();
  trainer.measure_bare(flags.train.batch_size * 2);  // warm up
  trainer.measure_epoch(flags.train.batch_size * 2);
  std::printf("%s, %s, batch %d\n%-7s %12s %12s %7s\n", flags.architecture.name.c_str(),
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

int bench(int argc, char** argv) {
  std::vector<std::string> what;
  DataFlags data_flags;
  TrainFlags flags;
  int rounds = 5, images = 1280;
  Options options(
      "fer-bench",
      "Measures this machine; `fer-bench train`: the training loop against the bare step.",
      kExamples);
  options.add_positional("what", &what, "train");
  options.group("Measurement");
  options.add("--rounds", "bench.rounds", &rounds,
              "alternating measurements of each side; the median counts");
  options.add("--images", "bench.images", &images, "images a measurement");
  add_data_options(options, data_flags);
  add_train_options(options, flags);
  options.add_config_options();
  options.parse(argc, argv);
  if (what.size() != 1 || what[0] != "train")
    fail_input("what to measure? expected: fer-bench train");
  if (rounds < 1) fail_input(format("--rounds %d is not at least 1", rounds));
  flags.train.head_weights = requested_heads(data_flags).weights;
  return bench_train(flags, data_flags, rounds, images);
}

}  // namespace

int main(int argc, char** argv) {
  prepare_torch_process();
  return run_program("fer-bench", [&] { return bench(argc, argv); });
}
