// FER+ (Barsoum et al. 2016, arXiv 1608.01041): ten annotators' votes for every row of FER2013, and
// the ways to make a training target of them.
#pragma once

#include <filesystem>

#include "fer/data/table.h"

namespace fer {

// Reads fer2013new.csv into `table`, which holds the rows of the csv called `csv_name`. Throws
// kInput when the row counts or the usages of the two files differ.
void join_votes(FaceTable& table, const std::filesystem::path& file, const std::string& csv_name);

// The target of one row; `map` is over the preset "ferplus". Votes of merged labels are added;
// votes for labels that the map drops, unknown and NF stay in the count as answers the head cannot
// give.
//   kMajority, kVotes: single votes count as slips and are removed first (as FER+ does).
//   kVotes: the distribution of what the head's labels received; no answer when another one leads.
//     The label to score against is the majority's, -1 without one.
//   kMajority: the label with more than half of the votes, else no answer.
//   kArgmax: the label with the most votes; no answer on a tie or when another answer leads.
Target target_from_votes(const Votes& votes, TargetKind kind, const LabelMap& map);

}  // namespace fer
