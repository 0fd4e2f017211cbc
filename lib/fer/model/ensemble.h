// Several nets as one: what an ensemble gains, in a single checkpoint that every program and every
// engine takes.
#pragma once

#include <span>

#include "fer/model/checkpoint.h"

namespace fer {

// A net that answers with the mean of the nets' logits, each divided by its temperature (the
// geometric mean of their probabilities). Its input is the largest of theirs; the others see it
// averaged over squares of pixels. The nets' layers are called net1.*, net2.* and so on; their
// features, one behind the other, are what its heads look at, so that it can be trained further and
// its heads be replaced as any net's; one dropout, of the largest rate, is behind all. A head's
// temperature is the geometric mean of theirs, a mixed head's 1, and no answer is uncertain:
// fer-eval --calibrate finds better ones.
//
// Throws kInput naming the net, from 1, that does not go with the first: other heads, labels, mixed
// heads, colour or margin around a face; a side of which the largest is no multiple; a crop of
// another place; heads that are not linear layers over the same features; another split of the same
// training data, so that no pictures would be left that neither has learned from.
Checkpoint join_nets(std::span<const Checkpoint> nets);

}  // namespace fer
