// The options of every program that opens a data set.
#pragma once

#include "fer/data/dataset.h"
#include "options.h"

namespace fer::tools {

struct DataFlags {
  std::string data = "synthetic";
  std::string labels = "six";
  std::string targets = "label";
  std::vector<std::string>
      heads;  // several heads: name:targets[:weight], name being a preset or list
  std::string votes;
  double train_fraction = 0.8;
  std::uint64_t seed = 0;
  std::string on_error = "stop";
};

// `data_flag`: names of the option for the data; "-d,data,--data" makes it a positional, too.
void add_data_options(Options& options, DataFlags& flags,
                      const std::string& data_flag = "-d,--data");

struct RequestedHeads {
  std::vector<HeadRequest> requests;
  std::map<std::string, double> weights;  // of the losses, by head name
};
RequestedHeads requested_heads(const DataFlags& flags);
// image_size: side to which image files are reduced at load.
DatasetOptions dataset_options(const DataFlags& flags, int image_size);

// What was opened and what was left out, a line each, on stderr.
void describe(const OpenedDataset& data);

}  // namespace fer::tools
