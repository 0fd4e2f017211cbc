// What is wrong with a data set before anything is trained on it: the same picture twice, in
// training and in a test, or under two labels; pictures that show nothing; classes that hardly
// exist.
//
// Exact: the same bytes. Near: the same photograph compressed, scaled, stamped or slightly cut
// anew: a difference hash (Krawetz 2013: 64 comparisons of neighbours in a 9 x 8 picture) within
// hash_distance bits, found through a multi-index (Norouzi et al. 2012), and then a correlation of
// the pictures at 24 x 24 of at least min_correlation. On FER2013 pairs over .95 are right at a
// glance and from .90 down they are not.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fer/data/dataset.h"

namespace fer {

struct AuditOptions {
  int hash_distance = 7;  // of 64 bits; at most 7, what the index can find
  double min_correlation = 0.95;
  double blank_deviation = 6.0;  // tones; a picture with a smaller standard deviation shows nothing
  // Whether a detector sees a face in a picture; called on several threads. Empty: not asked.
  std::function<bool(const Image&)> shows_face;
};

void check(const AuditOptions& options);  // throws kInput naming the option and its value

struct SampleRef {
  Split split = Split::kTrain;
  std::int64_t index = 0;
  auto operator<=>(const SampleRef&) const = default;
};

struct DuplicateGroup {
  std::vector<SampleRef> members;  // at least two; train before val before test
  bool across_splits = false;
  bool conflicting = false;  // known labels of the first head differ
};

// Images of validation or test that also stand in training.
struct Leak {
  std::int64_t images = 0;
  std::int64_t conflicting =
      0;  // of these: under another label than one of their twins in training
};

struct Audit {
  std::array<std::vector<std::int64_t>, 3> class_counts;  // [split][label] of the first head
  std::vector<DuplicateGroup> exact;
  std::vector<DuplicateGroup>
      near;  // of two different pictures or more, their exact copies included
  std::vector<SampleRef> blank;
  std::optional<std::vector<SampleRef>> faceless;  // none: not asked; the blank ones not again
  std::array<Leak, 3> exact_leaks;                 // [split]; none for training
  std::array<Leak, 3> near_leaks;                  // of images without an exact twin in training
  std::int64_t repeated = 0;                       // images that equal an earlier one

  bool leaks() const;  // any exact one
};

// Uses all cores; about 3 s for FER2013 without shows_face.
Audit audit(const OpenedDataset& data, const AuditOptions& options = {});

// The findings in lines for a terminal.
std::string audit_text(const Audit& audit, const OpenedDataset& data);
// All of them, with every image by its origin (docs/formats.md).
std::string audit_json(const Audit& audit, const OpenedDataset& data);
// One self-contained page with the findings as pictures, the gravest first, at most `most` groups
// of a kind.
std::string audit_html(const Audit& audit, const OpenedDataset& data, std::size_t most = 60);

// Indices of the images of `part` that equal, byte by byte, one of `train`: what an honest test
// leaves out.
std::vector<std::int64_t> also_in(const Dataset& part, const Dataset& train);

}  // namespace fer
