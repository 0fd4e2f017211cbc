// Labelled faces as one small interface: a data set is size() and get(i); formats are functions
// that return one, and open_dataset() knows which.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fer/core/emotion.h"
#include "fer/core/image.h"

namespace fer {

enum class Split { kTrain, kVal, kTest };
std::string to_string(Split split);  // train, val, test
Split split_from_string(
    const std::string&);  // also Training, PublicTest, PrivateTest; throws kInput

// What one head shall learn from one sample.
struct Target {
  std::vector<float>
      distribution;  // over the head's labels, sums to 1; all 0 when there is no answer
  int label = -1;    // the class to score against; -1: the sample does not count here
  bool known() const { return !distribution.empty() && label_or_mass(); }

 private:
  bool label_or_mass() const {
    for (const float p : distribution) {
      if (p > 0) return true;
    }
    return false;
  }
};

struct Sample {
  Image image;                  // as stored: any size and colour
  std::vector<Target> targets;  // one a head, in the order of Dataset::heads()
};

struct HeadLabels {
  std::string name;
  LabelList labels;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  virtual const std::vector<HeadLabels>& heads() const = 0;
  virtual Image image(std::int64_t i) const = 0;  // thread-safe
  virtual const Target& target(std::int64_t i, std::size_t head) const = 0;
  // Where a sample came from, for messages and reports: "fer2013.csv row 812", "photos/a.jpg".
  virtual std::string origin(std::int64_t i) const = 0;
  // Further columns of a manifest ("age", "camera") and their values, for metrics by group.
  virtual const std::vector<std::string>& columns() const = 0;
  virtual const std::string& value(std::int64_t i, std::size_t column) const = 0;
  Sample get(std::int64_t i) const;
};

// Samples of each class by Target::label, in label order; unlabelled ones are not counted.
std::vector<std::int64_t> class_counts(const Dataset& dataset, std::size_t head = 0);
// Over images, targets and labels in order: the same data, the same 16 digits.
std::string fingerprint(const Dataset& dataset);

// A view of some samples of another data set, in the given order.
std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset,
                                      std::vector<std::int64_t> indices);

// Several data sets, one after the other. Heads and columns are matched by name, so their labels
// must be the same; a sample has no answer for a head, and an empty value for a column, that its
// own data set has not.
std::shared_ptr<const Dataset> concat(std::vector<std::shared_ptr<const Dataset>> datasets);

// Where a head's targets come from.
enum class TargetKind {
  kLabel,     // the data's own class label, one-hot
  kVotes,     // FER+ votes as a distribution over the head's labels; label: the majority's, or -1
  kMajority,  // FER+ protocol: single votes to 0, more than half of the rest, else dropped; one-hot
  kArgmax,    // the most votes; ties and unknown/NF winners are dropped; one-hot
};

// A head asked of the data. labels: a preset name, "auto" (the classes found) or a comma-separated
// list. An entry "new=a+b" merges the source classes a and b and calls them new; source classes
// that are not named are dropped. Names match as class_names() has them, so "fear" of a file is
// "fearful" here.
struct HeadRequest {
  std::string name;  // empty: the preset's name, or "labels"
  std::string labels = "six";
  TargetKind targets = TargetKind::kLabel;
  bool partial = false;  // the data may lack classes of the list, as it may lack a preset's
  LabelList list = {};   // instead of the text: labels whose names may hold commas
  bool operator==(const HeadRequest&) const = default;
};
// label, votes, majority, argmax
std::string to_string(TargetKind kind);
TargetKind target_kind_from_string(const std::string& name);

// "angry,glad=happy+surprised,..." parsed: target labels, and source label -> target index.
struct LabelMap {
  LabelList labels;
  std::map<std::string, int>
      index_of;  // name of a source class -> index in labels; absent: dropped
};
// Of each class of a data set the name under which it is known: spellings of one expression are one
// class. Another word for an expression ("joy") is that expression, too ("happy"), but where the
// data has both, or two such words, they are classes of their own.
LabelList class_names(const LabelList& vocabulary);
// `found`: the source classes of the data; used by "auto" and to name the nearest on a mistake.
// Throws kInput when a named source class does not exist in the data's vocabulary (but for
// `partial`), twice-used or empty names.
LabelMap make_label_map(const std::string& labels, const LabelList& found, bool partial = false);
// The same for labels that are known, whatever stands in their names.
LabelMap named_label_map(const LabelList& labels, const LabelList& found, bool partial = false);
// DatasetOptions::classes parsed, in the same form and with the same errors.
LabelMap make_class_map(const std::string& classes, const LabelList& found);

// Decodes an image file; filled by the vision room (or by PNG alone in core). Throws fer::Error.
using ImageDecoder = std::function<Image(const std::filesystem::path&)>;

struct DatasetOptions {
  std::string path;  // a .csv, a folder, or "synthetic[:N[:easy|hard]]"
  std::vector<HeadRequest> heads = {HeadRequest{}};
  // What the data's own class names mean, where they are numbers or codes: "surprised=1,fearful=2".
  // It comes before the heads' labels; classes that it does not name keep their names. Empty: none.
  std::string classes;
  std::string votes;  // FER+ file; empty: fer2013new.csv beside the csv when a head needs votes
  // Of data without a validation split of its own; the rest becomes validation (of synthetic faces,
  // half of the rest becomes the test split). 1: no validation.
  double train_fraction = 0.8;
  std::uint64_t seed = 0;  // of that split, and of synthetic faces
  // Column of a manifest ("source", "subject"): where validation is cut off, rows of one value stay
  // together; a row without a value stands alone. Empty: image by image.
  std::string group_by;
  std::int64_t per_class =
      0;                     // at most so many training samples of each class, by the seed; 0: all
  bool skip_broken = false;  // --on-error skip: unreadable image files are reported and left out
  std::string broken = "broken file";  // what the decoder refuses, in DroppedCount
  int image_size = 48;   // image files become gray squares of this side at load (0: kept)
  bool enlarge = true;   // smaller ones, too; false: their squares stay as large as they are
  ImageDecoder decoder;  // for image files; without it folders of anything but PNG are an error
};

struct DroppedCount {
  std::string reason;  // "label disgusted is not among the six", "no FER+ majority", "broken file"
  std::int64_t rows = 0;
};

struct DrawnSplit {
  double train_fraction = 0;
  std::uint64_t seed = 0;
  // A fingerprint of the classes in their order: of how many images it is; and of their groups.
  std::string images;
  std::string group_by;  // the manifest's column; empty: image by image
  // A fingerprint of the images' names in their order, wherever the data lies: of which images it
  // is.
  std::string names;
  bool operator==(const DrawnSplit&) const = default;
};

// What was opened, split and left out; printed before training and stored with the run.
struct OpenedDataset {
  std::string description;                          // "FER2013 csv with FER+ votes, 35,887 rows"
  std::shared_ptr<const Dataset> train, val, test;  // never null; empty where the data has none
  std::vector<DroppedCount> dropped;
  std::vector<LabelMap> label_maps;  // one a head
  std::string fingerprint;           // of the training part
  // How validation was cut off, of each data set that had none of its own.
  std::vector<DrawnSplit> drawn_splits;
  const Dataset& split(Split s) const;
};

// Throws kInput with the file and row, and the value found.
OpenedDataset open_dataset(const DatasetOptions& options);

// Several opened data sets as one: every split is the concat() of theirs. `weights` says how often
// a training sample of each stands in it: 2 is twice, 0.5 a seeded half; empty: once.
OpenedDataset join_datasets(const std::vector<OpenedDataset>& parts,
                            const std::vector<double>& weights = {}, std::uint64_t seed = 0);

// For whoever trains: throws kInput on a class of the first head that only the other splits have,
// which can be scored but never learned.
void check_every_class_trains(const OpenedDataset& data);

// Positions of `classes` in two parts, both in ascending order: `fraction` of each class (rounded,
// but at least one sample on either side of a class with two) goes to the first. What a class gives
// depends on the seed, its name and its own samples alone, not on the other classes.
std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> stratified_split(
    const std::vector<std::string>& classes, double fraction, std::uint64_t seed);

// The same for samples that stay together where their numbers in `groups` (one a sample, from 0 on)
// are equal; fraction: between 0 and 1. The share of each class comes near it as far as whole
// groups allow. Each has samples in the first part, and in the second, too, where groups can be
// spared for it: a class of one group has none there. The second part is empty where each group
// holds a class that no other has.
std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> grouped_split(
    const std::vector<std::string>& classes, const std::vector<std::int64_t>& groups,
    double fraction, std::uint64_t seed);

}  // namespace fer
