// One self-describing file: graph, ModelSpec and weights in a safetensors container.
//
// Layout (version 1, pinned in docs/formats.md): metadata "format" = "fer-checkpoint", "version" =
// "1", "graph" and "spec" = JSON, "ranges" = JSON where there are any; one tensor a parameter, by
// name.
#pragma once

#include <filesystem>

#include "fer/model/graph.h"
#include "fer/model/safetensors.h"
#include "fer/model/spec.h"

namespace fer {

inline constexpr int kCheckpointVersion = 1;

// The values that a node's result takes on faces: what its 8 bits have to hold in int8.
struct Range {
  float low = 0, high = 0;
  bool operator==(const Range&) const = default;
};
using Ranges = std::map<std::string, Range>;  // by node

struct Checkpoint {
  Graph graph;
  ModelSpec spec;
  TensorMap weights;
  Ranges ranges = {};  // only after a calibration (fer-export --format int8)
};

// `dtype`: of the stored float weights; running statistics stay F32. Throws kInput, and writes
// nothing, on a weight that is no finite number in that type.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     DType dtype = DType::kF32);
// Throws kInput, naming the file and what is wrong, on everything that is not a whole and
// consistent checkpoint of a known version: of finite weights, too. They come back as F32.
Checkpoint load_checkpoint(const std::filesystem::path& path);

// Another spec for a stored network (a new temperature, say): graph and weights stay as they are,
// to the byte. Throws kInput when the spec does not fit the graph.
void replace_spec(const std::filesystem::path& path, const ModelSpec& spec);

}  // namespace fer
