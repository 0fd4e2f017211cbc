// One self-contained HTML file: works offline and printed, light and dark, on a desk and on a
// phone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fer/core/image.h"
#include "fer/eval/evaluation.h"
#include "fer/eval/plot.h"
#include "fer/eval/writers.h"

namespace fer {

// What a report shows beside the figures.
struct ReportSource {
  std::vector<CurvePoint> curve;             // of the training run; empty: left out
  int epoch = 0;                             // of the model in it; 0: not known
  std::function<Image(std::int64_t)> image;  // of a row of the predictions; empty: no pictures
  RowName origin;
  std::size_t mistakes = 24;  // of each kind
};

// Charts need gnuplot, pictures libpng; without them the report says what is missing.
std::string html_report(const Evaluation& evaluation, const Predictions& predictions,
                        const ReportSource& source);

}  // namespace fer
