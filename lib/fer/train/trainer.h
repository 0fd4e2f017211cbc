// One epoch after another: order, augmentation, forward, loss, backward, step, and the score of
// both sides. What surrounds a run - folder, plots, signals - is in run.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fer/data/dataset.h"
#include "fer/eval/metrics.h"
#include "fer/model/checkpoint.h"
#include "fer/nn/augment.h"
#include "fer/train/options.h"
#include "fer/train/teacher.h"

namespace fer {

// Means over the samples that count; with several heads the plain mean of the heads.
struct Scores {
  double loss =
      0;  // the training objective; on validation without smoothing, mixing and class weights
  double accuracy = 0;
  double macro_f1 = 0;
  // Of one head alone, in the order of its labels; NaN of a label without a sample.
  std::vector<double> class_f1;
};

struct EpochResult {
  std::int64_t epoch = 0;         // from 1, as people count
  double lr = 0;                  // of the last step
  double seconds = 0;             // of this epoch, validation included
  double images_per_second = 0;   // of its training part
  Scores train;                   // on augmented pictures, while the weights moved
  Scores val;                     // of the weights that a checkpoint would hold
  std::vector<Scores> val_heads;  // one a head
};

class Trainer {
 public:
  struct Callbacks {
    std::function<bool()> stop_requested;  // looked at after every step
    // (images done, images of the epoch, mean loss so far)
    std::function<void(std::int64_t, std::int64_t, double)> progress;
  };

  // Throws kInput on options or data that do not go together (batch larger than the data, a head
  // weight for a head that is not there, an empty split). Sets libtorch's threads of the whole
  // process to options.threads. teachers: what each batch is answered by, too; of data.train and on
  // this device.
  Trainer(const Checkpoint& initial, const OpenedDataset& data, const TrainOptions& options,
          const AugmentOptions& augment, std::unique_ptr<const ConsistentTeachers> teachers = {});
  ~Trainer();

  // The weights of `initial`, and fresh ones from the seed where it has none.
  void initialise();

  std::int64_t epochs_done() const;
  bool finished() const;  // all epochs, or stopped early
  std::int64_t images_per_epoch() const;
  std::string device_description() const;  // "cpu, 2 threads, bf16"
  // "1.2 M parameters learn, the others are frozen"; empty when all learn.
  std::string phase_description() const;

  // Trains and validates one epoch, from where it stands. Empty when stop_requested said so: the
  // position inside the epoch is kept and part of save_state(). Throws kRuntime when the loss is no
  // number any more, naming epoch, step and learning rate.
  std::optional<EpochResult> run_epoch(const Callbacks& callbacks = {});
  // The same steps without validation, for measuring; returns images per second.
  double measure_epoch(std::int64_t max_images);
  // A bare loop of forward, backward and step over one resident batch.
  double measure_bare(std::int64_t max_images);

  bool last_was_best() const;
  std::int64_t best_epoch() const;
  double best_score() const;

  // The weights to use: the average where ema is on, else the plain ones.
  Checkpoint checkpoint() const;
  // `n` pictures of the batch at hand, which the net sees next or, at the end of an epoch, saw
  // last; mixed and of the epoch's side.
  std::vector<Image> preview(int n) const;

  // Everything that a resumed run needs to go on with the same numbers.
  void save_state(const std::filesystem::path& path, const std::string& note) const;
  // Returns the note. Throws kInput when the file belongs to another net, data, batch size or kind
  // of optimiser; that the other options are the run's own is up to the caller.
  std::string load_state(const std::filesystem::path& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fer
