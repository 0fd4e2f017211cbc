// What fer-train and fer-bench ask for: net, recipe and run folder.
#pragma once

#include <memory>
#include <optional>

#include "data_options.h"
#include "fer/data/dataset.h"
#include "fer/model/architectures.h"
#include "fer/model/checkpoint.h"
#include "fer/nn/augment.h"
#include "fer/train/options.h"
#include "fer/train/teacher.h"
#include "options.h"

namespace fer::tools {

inline constexpr const char* kNewestRun = "newest";

struct TrainFlags {
  ArchitectureOptions architecture;
  int resize = 0;           // side before the crop; 0: 48, or 12/11 of a larger input
  std::string pretrained;   // weights to begin with; see model/pretrained.h
  std::vector<int> widen;   // the pretrained net's stages from now on
  int low_rank = 0;         // channels that large convolutions of the pretrained net go through
  std::vector<int> deepen;  // stages of the pretrained net that get one more block
  bool list_pretrained = false;
  std::vector<std::string> rates;     // "stage1=0.1"
  std::string mix;                    // a head made of others: six=0.3*fer2013+0.7*ferplus
  std::vector<std::string> teachers;  // checkpoints whose answers join the labels
  TeacherOptions teacher;
  TrainOptions train;
  AugmentOptions augment;
  std::string project = "runs/train";
  std::string name = "exp";
  bool exist_ok = false;
  std::string resume;
  bool summary = false;
};

void add_train_options(Options& options, TrainFlags& flags);

// The checkpoint of ours that --pretrained names, nothing when it names none or a file of another
// project; flags.architecture.name becomes that of its net. Throws kInput on flags for a net of
// their own, which would not count, and on a configuration for another architecture.
std::optional<Checkpoint> pretrained_checkpoint(TrainFlags& flags, const Options& options);

ArchitectureOptions architecture_for(const TrainFlags& flags, const std::vector<HeadLabels>& heads);
// Heads without opening the data: their label counts alone matter.
std::vector<HeadLabels> heads_for_summary(const DataFlags& flags);
// Completes flags.train by what other flags say of it (--heads, --rates), checks the recipe, opens
// the data at the size that `base`, or else the net by name, takes, and says what was opened.
OpenedDataset open_training_data(TrainFlags& flags, const DataFlags& data_flags,
                                 const std::optional<Checkpoint>& base);
// Graph and spec for the data's heads, and the weights to begin with: those of `base`, else of the
// file that --pretrained names, else none. What was loaded, skipped and left fresh goes to the log.
Checkpoint initial_checkpoint(const TrainFlags& flags, const OpenedDataset& data,
                              const std::optional<Checkpoint>& base);
// --batch-size auto: the one that fits goes into flags.train and to the log.
void resolve_batch_size(TrainFlags& flags, const Checkpoint& initial, const OpenedDataset& data);
// What the teachers say joins the targets: once, in `data`, or (train.teacher_mode consistent) by
// what is returned, for the Trainer; nothing without any. Which files they are goes to
// `provenance`; throws kInput where it names others already.
std::unique_ptr<const ConsistentTeachers> add_teachers(const TrainFlags& flags, OpenedDataset& data,
                                                       nlohmann::json& provenance);
// Files that --pretrained reads, where they are published, size and checksum.
std::string list_of_pretrained();

}  // namespace fer::tools
