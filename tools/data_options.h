// The options of every program that opens a data set.
#pragma once

#include "fer/data/dataset.h"
#include "fer/model/spec.h"
#include "options.h"

namespace fer::tools {

struct DataFlags {
  std::string data = "synthetic";
  std::vector<std::string>
      more;             // further data sets, each with its own YAML; the first has the heads
  std::string classes;  // what the data's class names mean
  double weight = 1;    // how often a training image stands in an epoch, beside other data
  int per_class = 0;    // training images of each class at most; 0: all
  bool detect = false;  // photos: find the face and cut it out
  std::string labels = "six";
  std::string targets = "label";
  std::vector<std::string>
      heads;  // several heads: name:targets[:weight], name being a preset or list
  std::string votes;
  double train_fraction = 0.8;
  std::uint64_t seed = 0;
  std::string group_by;  // column of a manifest whose groups a split that is drawn keeps whole
  std::string on_error = "stop";
};

// What only a training heeds (heads, weight, per_class) is no flag of the other programs, and a
// data set's YAML may hold it for the training's sake.
enum class DataUse { kTraining, kLooking };
// `data_flag`: names of the option for the data; "-d,data,--data" makes it a positional, too.
void add_data_options(Options& options, DataFlags& flags, DataUse use,
                      const std::string& data_flag = "-d,--data");

struct RequestedHeads {
  std::vector<HeadRequest> requests;
  std::map<std::string, double> weights;  // of the losses, by head name
};
RequestedHeads requested_heads(const DataFlags& flags);
// Of the first data set. image_size: side to which image files are reduced at load; crop_margin: of
// faces that are detected.
DatasetOptions dataset_options(const DataFlags& flags, int image_size, float crop_margin = 0);
// All data sets as one. The further ones answer the heads of the first, each with what its YAML
// says; split, seed, group_by, per_class, detect and on_error are the first's where it says
// nothing. They may lack classes.
OpenedDataset open_data(const DataFlags& flags, int image_size, float crop_margin = 0);

// What the head of a model can be measured on. Where labels and targets are empty they become the
// head's labels and, for FER+ on FER2013's csv, the majority protocol, else the data's own label.
// `further` heads, with other labels, come after it.
OpenedDataset open_data_for(const ModelSpec& spec, const std::string& head, DataFlags& flags,
                            int image_size, const std::vector<HeadRequest>& further = {});

// As a checkpoint keeps it.
nlohmann::json split_facts(const DrawnSplit& drawn);

// What was opened and what was left out, a line each, on stderr.
void describe(const OpenedDataset& data);

}  // namespace fer::tools
