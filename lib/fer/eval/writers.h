// The forms an evaluation is written in: for a terminal, for programs, for a model card, as files.
//
// The layout of metrics.json and predictions.csv is pinned in docs/formats.md.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "fer/eval/evaluation.h"

namespace fer {

// Tables for a terminal; the first line is "accuracy 0.7012 [0.6861, 0.7160] n=3589".
std::string to_text(const Evaluation& evaluation);
std::string to_json(const Evaluation& evaluation);  // metrics.json
// The measured part of a model card, which begins with kMeasuredPart.
std::string to_markdown(const Evaluation& evaluation);
inline constexpr const char* kMeasuredPart = "Measured on ";

// Where a row came from: a path, or file and row.
using RowName = std::function<std::string(std::int64_t)>;
// origin,truth,prediction,confidence, then a probability a label.
std::string predictions_csv(const Predictions& predictions, const RowName& origin);

// metrics.json, predictions.csv, and as .png and .svg confusion_matrix,
// confusion_matrix_normalized, reliability and coverage.
void write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation,
                      const Predictions& predictions, const RowName& origin);

}  // namespace fer
