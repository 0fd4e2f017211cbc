// What every format reads into: pictures and what the files say about them, before any label map.
// open_dataset() turns a table into heads, targets and splits, so a format is one function.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fer/data/dataset.h"

namespace fer {

// FER+ votes of ten annotators, in the order of the preset "ferplus", then unknown and NF (no
// face).
inline constexpr std::size_t kVoteColumns = 10;
using Votes = std::array<std::uint8_t, kVoteColumns>;

// split_from_string() without the exception.
std::optional<Split> find_split(const std::string& text);

struct FaceTable {
  std::string description;
  LabelList vocabulary;  // the source classes
  std::vector<Image> images;
  std::vector<int> labels;    // one a row, index in vocabulary
  std::vector<Votes> votes;   // one a row, or empty
  std::vector<Split> splits;  // one a row, or empty when the data has none
  std::function<std::string(std::int64_t)> origin;
  std::vector<std::string> columns;              // further columns of a manifest
  std::vector<std::vector<std::string>> values;  // [column][row]
  std::vector<DroppedCount> dropped;

  std::int64_t size() const { return static_cast<std::int64_t>(images.size()); }
};

}  // namespace fer
