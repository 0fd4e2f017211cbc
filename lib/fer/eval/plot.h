// Plots through gnuplot as a process: no library to link; SVG where the path ends in .svg, else
// PNG. A plot never fails a run: what goes wrong is logged as a warning and false comes back.
// Without gnuplot there is one warning, and the numbers are written under the same name as .csv.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fer/eval/calibration.h"
#include "fer/eval/metrics.h"

namespace fer {

bool gnuplot_available();

// One row an epoch; what curves.png shows: accuracy and loss, train and validation.
struct CurvePoint {
  int epoch = 0;
  double train_accuracy = 0, val_accuracy = 0, train_loss = 0, val_loss = 0;
};
// The rows of a run's results.csv (docs/formats.md); throws kInput naming file, row and value.
std::vector<CurvePoint> read_curve(const std::filesystem::path& results_csv);
enum class CurvePanels { kBoth, kAccuracy, kLoss };
// `kept`: the epoch whose weights are the model, which is marked; 0: none.
bool plot_curves(const std::filesystem::path& path, const std::vector<CurvePoint>& points, int kept,
                 const std::string& title, CurvePanels panels = CurvePanels::kBoth);

// Counts, or rows normalised to 1; the axis says truth and prediction; cells carry their number.
bool plot_confusion_matrix(const std::filesystem::path& path, const LabelList& labels,
                           const std::vector<std::vector<std::int64_t>>& confusion, bool normalised,
                           const std::string& title);

// Bars of samples a class, one colour a split.
bool plot_class_counts(const std::filesystem::path& path, const LabelList& labels,
                       const std::vector<std::string>& series,
                       const std::vector<std::vector<std::int64_t>>& counts,
                       const std::string& title);

// Bins of confidence against the share of right answers, and how many samples each bin has.
bool plot_reliability(const std::filesystem::path& path, const std::vector<ReliabilityBin>& bins,
                      const std::string& title);

// Accuracy of the surest answers against how many get one; `chosen` is marked.
bool plot_coverage(const std::filesystem::path& path, const std::vector<CoveragePoint>& curve,
                   const std::optional<CoveragePoint>& chosen, const std::string& title);

// The colour of a share 0 .. 1: white to dark blue, even in lightness (ColorBrewer's Blues).
std::array<std::uint8_t, 3> heat_colour(double value);
bool needs_white_text(double value);

}  // namespace fer
