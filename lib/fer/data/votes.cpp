#include "fer/data/votes.h"

#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/data/csv.h"

namespace fer {
namespace {

constexpr std::array<const char*, kVoteColumns> kColumnNames = {
    "neutral", "happiness", "surprise", "sadness", "anger",
    "disgust", "fear",      "contempt", "unknown", "NF"};
constexpr std::size_t kExpressions = 8;

}  // namespace

void join_votes(FaceTable& table, const std::filesystem::path& file, const std::string& csv_name) {
  const CsvFile csv = read_csv(file);
  if (static_cast<std::int64_t>(csv.rows.size()) != table.size()) {
    fail_input(format(
        "%s has %zu rows and %s has %lld: votes are joined row by row, so both must be complete",
        csv.name.c_str(), csv.rows.size(), csv_name.c_str(), static_cast<long long>(table.size())));
  }
  std::array<std::size_t, kVoteColumns> columns{};
  for (std::size_t c = 0; c < kVoteColumns; ++c) {
    columns[c] = require_column(csv.header, kColumnNames[c], csv.name);
  }
  const auto usage = find_column(csv.header, "Usage");
  table.votes.resize(csv.rows.size());
  for (std::size_t r = 0; r < csv.rows.size(); ++r) {
    const std::string place = csv.name + " row " + std::to_string(r + 1);
    if (usage && !table.splits.empty() &&
        split_from_string(csv.rows[r][*usage]) != table.splits[r]) {
      fail_input(place + ": Usage is " + csv.rows[r][*usage] + ", but " +
                 table.origin(static_cast<std::int64_t>(r)) + " belongs to " +
                 to_string(table.splits[r]) + "; the two files are not in the same order");
    }
    for (std::size_t c = 0; c < kVoteColumns; ++c) {
      long long count = 0;
      const std::string& text = csv.rows[r][columns[c]];
      if (!parse_int(text, count) || count < 0 || count > 255) {
        fail_input(place + ": " + kColumnNames[c] + " is '" + text +
                   "', expected a number of votes");
      }
      table.votes[r][c] = static_cast<std::uint8_t>(count);
    }
  }
}

Target target_from_votes(const Votes& votes, TargetKind kind, const LabelMap& map) {
  static const LabelList names = *label_preset("ferplus");
  std::vector<int> counts(map.labels.size(), 0);  // of the head's labels
  int other = 0;  // the most votes of an answer the head cannot give
  int total = 0;
  for (std::size_t c = 0; c < kVoteColumns; ++c) {
    const int n = kind != TargetKind::kArgmax && votes[c] == 1 ? 0 : votes[c];
    total += n;
    const auto found = c < kExpressions ? map.index_of.find(names[c]) : map.index_of.end();
    if (found == map.index_of.end()) {
      other = std::max(other, n);
    } else {
      counts[static_cast<std::size_t>(found->second)] += n;
    }
  }
  const auto best = std::max_element(counts.begin(), counts.end());
  const int winner = static_cast<int>(best - counts.begin());

  Target target;
  if (kind == TargetKind::kArgmax) {
    if (*best > other && std::count(counts.begin(), counts.end(), *best) == 1)
      target.label = winner;
  } else if (2 * *best > total) {
    target.label = winner;
  }
  if (kind != TargetKind::kVotes) {
    if (target.label >= 0) {
      target.distribution.assign(counts.size(), 0.0f);
      target.distribution[static_cast<std::size_t>(winner)] = 1.0f;
    }
  } else if (*best > 0 && *best >= other) {
    int kept = 0;
    for (const int n : counts) kept += n;
    for (const int n : counts) {
      target.distribution.push_back(static_cast<float>(n) / static_cast<float>(kept));
    }
  }
  return target;
}

}  // namespace fer
