// A training run as people keep it: a folder that holds everything, and a loop that can be stopped
// at any moment - Ctrl-C, kill -9, a full disk - without losing what was reached.
//
//   runs/train/exp3/args.yaml               the effective configuration
//                   results.csv             a row an epoch (columns pinned in docs/formats.md)
//                   curves.png              accuracy and loss, redrawn every epoch
//                   labels.png              samples a class
//                   train_batch.png         what the net sees
//                   weights/best.safetensors    of the best validation score
//                   weights/last.safetensors    of the last epoch
//                   weights/state.safetensors   for resume; goes when the run is finished
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "fer/eval/plot.h"
#include "fer/train/trainer.h"

namespace fer {

// One process trains a run: whoever does holds this, and it is gone with the process. Throws kInput
// where another one holds it.
class RunLock {
 public:
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int folder_ = -1;  // a descriptor
};

class RunFolder {
 public:
  // A new folder: project/name, or project/name2, name3, ... where that is taken; with exist_ok
  // project/name itself, whatever is there.
  static RunFolder create(const std::filesystem::path& project, const std::string& name,
                          bool exist_ok);
  // An unfinished run. `run`: its folder, or "" for the newest under project that nobody trains.
  // Throws kInput when there is none, when it is finished, or when it is being trained.
  static RunFolder unfinished(const std::filesystem::path& project, const std::string& run);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  std::filesystem::path best() const { return path_ / "weights" / "best.safetensors"; }
  std::filesystem::path last() const { return path_ / "weights" / "last.safetensors"; }
  std::filesystem::path state() const { return path_ / "weights" / "state.safetensors"; }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// The rows of results.csv, kept in step with the file.
class ResultsLog {
 public:
  // Reads what is there and drops the rows after `epochs_done`.
  ResultsLog(std::filesystem::path path, const std::vector<HeadSpec>& heads,
             std::int64_t epochs_done);
  void append(const EpochResult& result);  // the whole file anew, atomically
  const std::vector<CurvePoint>& curve() const { return curve_; }

 private:
  void write() const;
  std::filesystem::path path_;
  std::string header_;
  std::vector<std::string> rows_;
  std::vector<CurvePoint> curve_;
  double seconds_ = 0;
};

struct RunOutcome {
  bool interrupted = false;
  std::int64_t best_epoch = 0;
  double best_score = 0;
};

// Pictures of the data beside the run: labels.png and train_batch.png.
void draw_data(const RunFolder& folder, const OpenedDataset& data, const Trainer& trainer);

// Trains until the end, the early stop, or stop_requested. `note` travels in the state file.
// With `resume` the trainer goes on from the folder's state.
RunOutcome run_training(Trainer& trainer, const RunFolder& folder, const std::string& note,
                        bool resume, const std::function<bool()>& stop_requested);

// The note in a state file, before a Trainer exists: the configuration to resume with.
std::string read_run_note(const RunFolder& folder);

}  // namespace fer
