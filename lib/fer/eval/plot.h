// Plots through gnuplot as a process: no library to link, PNG and SVG. Without gnuplot the data file is
// still written, one warning is logged, and false comes back; a plot never fails a run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fer/eval/metrics.h"

namespace fer {

bool gnuplot_available();

// One row an epoch; what curves.png shows: accuracy and loss, train and validation, best epoch marked.
struct CurvePoint {
  int epoch = 0;
  double train_accuracy = 0, val_accuracy = 0, train_loss = 0, val_loss = 0;
};
bool plot_curves(const std::filesystem::path& png, const std::vector<CurvePoint>& points,
                 const std::string& title);

// Counts, or rows normalised to 1; the axis says truth and prediction; cells carry their number.
bool plot_confusion_matrix(const std::filesystem::path& png, const LabelList& labels,
                           const std::vector<std::vector<std::int64_t>>& confusion, bool normalised,
                           const std::string& title);

// Bars of samples a class, one colour a split.
bool plot_class_counts(const std::filesystem::path& png, const LabelList& labels,
                       const std::vector<std::string>& series,
                       const std::vector<std::vector<std::int64_t>>& counts, const std::string& title);

}  // namespace fer
