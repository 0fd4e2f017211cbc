// Trained nets that go on as others: over pictures of another side, deeper or wider. What they have
// learned stays, so that they begin where the old net ended (Net2Net, Chen et al. 2016,
// arXiv:1511.05641).
#pragma once

#include <cstdint>
#include <vector>

#include "fer/model/checkpoint.h"

namespace fer {

// The same net over pictures of another side, which are made `resize` pixels wide before the crop
// to `side`. Throws kInput where its layers depend on the side.
Checkpoint with_input_size(const Checkpoint& checkpoint, int side, int resize);

// A deeper net that answers as this one does: a residual block more at the end of a stage of
// `compact` (from 1), which adds nothing until it has learned. Of its parameters only the weights
// that see to that are there, the others begin fresh. Throws kInput where the net has no such
// stage.
Checkpoint deepen(const Checkpoint& checkpoint, int stage);

// A wider net that answers as this one does but for rounding: `stages` are the channels of each
// stage of `compact`. A channel more is the copy of one, and what read that one reads both, in
// shares drawn by `seed`, so that the copies learn different things. Throws kInput where the net is
// no compact, has other stages or more channels.
Checkpoint widen(const Checkpoint& checkpoint, const std::vector<int>& stages, std::uint64_t seed);

}  // namespace fer
