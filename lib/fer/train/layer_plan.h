// Which layers of a net learn, and how fast, when it begins from weights that are already good.
//
// Layers are named by their group, the part of a node's name before the first dot ("stem",
// "stage3", "dense1"), or by any longer prefix up to a dot ("stage3.block1"). All heads together
// are the group "head". Of nets that were joined (model/ensemble.h) the same group of all counts as
// one; "net1" and "net1.stage3" name one net's.
#pragma once

#include <vector>

#include "fer/model/graph.h"
#include "fer/train/options.h"

namespace fer {

struct LayerPlan {
  std::vector<bool> frozen;  // a node: computes as in inference and does not change
  std::vector<double> rate;  // a node: factor of the learning rate
  // The last node that no step changes and that everything after it depends on alone, so that its
  // value is a picture's features. 0, the input, when something learns from the start.
  int boundary = 0;
};

// phase 0: options.freeze is frozen; phase 1, from unfreeze_at on: what of it is not in
// options.unfreeze. Throws kInput naming the option and a name that the net does not have, or when
// nothing is left to learn.
LayerPlan plan_layers(const Graph& graph, const TrainOptions& options, int phase);

// 0 or 1, of an epoch from 0.
int training_phase(const TrainOptions& options, std::int64_t epoch);

}  // namespace fer
