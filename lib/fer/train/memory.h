// How much memory training needs, so that a batch size can be chosen that never swaps.
#pragma once

#include <cstdint>
#include <filesystem>

#include "fer/model/graph.h"
#include "fer/train/options.h"

namespace fer {

// Estimate of a step's peak, in bytes: weights with gradients, optimiser and average once; every
// layer's result with its gradient for each picture of the batch. Measured against it in
// docs/training.md.
std::int64_t training_bytes(const Graph& graph, const TrainOptions& options, std::int64_t batch);

// What this process may still take: the system's available memory, or less where a control group
// (of either version) or one above it limits it; files that were read count as available. root: of
// the file system that is asked.
std::int64_t available_memory(const std::filesystem::path& root = "/");

// The largest power of two, at most 128, whose step fits into half of `bytes` (what is free beside
// the pictures) and that leaves eight steps an epoch - but for that not less than 8: batch norm
// needs some pictures. Throws kInput when not even 2 fit.
int fitting_batch_size(const Graph& graph, const TrainOptions& options, std::int64_t train_images,
                       std::int64_t bytes);

}  // namespace fer
