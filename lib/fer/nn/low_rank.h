// Smaller nets from trained ones.
#pragma once

#include "fer/model/checkpoint.h"

namespace fer {

// Each convolution of which less than half would remain is made of two: one of the same window into
// `rank` channels and one of 1x1 out of them, the nearest of that rank (Eckart and Young 1936)
// where each channel counts by what the batch norm behind it makes of it. Such a net has lost
// something and is trained further for a few epochs. "<conv>" becomes "<conv>.in" and "<conv>.out".
// Grouped convolutions and those of 1x1 stay; what has no weights yet begins fresh in two, too.
// Throws kInput where nothing is left to do, or `rank` is not positive.
Checkpoint low_rank(const Checkpoint& checkpoint, int rank);

}  // namespace fer
