// Sums over one pass of one side of the data; part of a run's state, so that a resumed epoch
// reports the whole epoch.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "fer/model/spec.h"
#include "fer/train/trainer.h"

namespace fer {

struct Tally {
  explicit Tally(const std::vector<HeadSpec>& heads);

  double loss_sum = 0;  // of all heads, each image once
  std::int64_t images = 0;
  // Of validation, a head each; an image without a label of a head does not count there.
  std::vector<double> head_loss_sums;
  std::vector<std::int64_t> head_counts;
  std::vector<std::vector<std::vector<std::int64_t>>> confusion;  // [head][label][answer]

  // answers: the index of the highest logit; labels: below 0 where there is none.
  void count(std::size_t head, const std::vector<std::int64_t>& answers,
             const std::vector<int>& labels);

  Scores head_scores(std::size_t head) const;
  Scores scores() const;  // accuracy and F1: the mean of the heads
};

// Of training: without the losses a head.
void to_json(nlohmann::json& json, const Tally& tally);
void from_json(const nlohmann::json& json, Tally& tally);

}  // namespace fer
