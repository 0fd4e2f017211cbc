// Parts and mixtures of predictions: some rows, some labels, several models.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fer/eval/metrics.h"

namespace fer {

// The rows `rows`, in that order.
Predictions select_rows(const Predictions& predictions, std::span<const std::int64_t> rows);

// Rows whose true class is among `labels`: the ones that restrict_labels keeps.
std::vector<std::int64_t> rows_of_labels(const Predictions& predictions, const LabelList& labels);

// The six of a 7- or 8-class head: the answer is the best among `labels` (in their order), whose
// probabilities are normalised to 1; rows of other truth are dropped. Throws kInput when a label is
// unknown or no row is left.
Predictions restrict_labels(const Predictions& predictions, const LabelList& labels);

// An ensemble, or one model on several views of each face: the mean of the probabilities. Throws
// kInput when labels or truth differ.
Predictions average(std::span<const Predictions> members);

// Mistakes by how sure the model was of the wrong answer: the surest first (the worst), or the one
// least sure of anything (the most uncertain). At most `count` rows.
std::vector<std::int64_t> worst_mistakes(const Predictions& predictions, std::size_t count);
std::vector<std::int64_t> most_uncertain_mistakes(const Predictions& predictions,
                                                  std::size_t count);

}  // namespace fer
