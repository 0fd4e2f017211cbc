// A data set as the trainer reads it: every picture once, gray and of one size, in one U8 tensor on
// the training device, with its targets. FER2013 takes 66 MB.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fer/data/dataset.h"
#include "fer/train/options.h"

namespace at {
class Tensor;
}

namespace fer {

class PackedDataset {
 public:
  PackedDataset(const Dataset& dataset, int side, const std::string& device);
  ~PackedDataset();
  PackedDataset(PackedDataset&&) noexcept;

  std::int64_t size() const;
  std::size_t heads() const;
  const std::vector<int>& labels(std::size_t head) const;  // Target::label; -1: not scored
  at::Tensor images(const std::vector<std::int64_t>& indices) const;  // U8 [n, 1, side, side]
  at::Tensor targets(std::size_t head,
                     const std::vector<std::int64_t>& indices) const;  // F32 [n, classes]

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The order of an epoch: a permutation ("shuffle"), or draws with replacement in which every class
// of the first head comes up as often ("balanced"), votes without a majority by the most of them
// and samples without an answer for this head by their share. Decided by (seed, epoch). Sample i is
// drawn as i, the second time as i + size, then i + 2 size, ...: no draw stands twice, so that
// augmentation can make a picture of its own of each.
std::vector<std::int64_t> epoch_order(const PackedDataset& dataset, const std::string& sampler,
                                      std::uint64_t seed, std::int64_t epoch);

}  // namespace fer
