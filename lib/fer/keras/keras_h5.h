// Weights that Keras 2 saved as HDF5 (save_weights, or a whole model). Reading only, by libhdf5's C
// API.
#pragma once

#include <filesystem>

#include "fer/model/host_tensor.h"

namespace fer {

// F32 by "<layer>.<parameter>" as torch would name and lay them out: convolutions OIHW `weight` and
// `bias`, dense layers [out, in], batch norm `weight`, `bias`, `running_mean`, `running_var`. Keras
// tells weights by their order in a layer, and so does this.
// A file is hostile: links into other files are not followed, data is read only as far as it is
// really stored in this one. Throws kInput, naming file, layer and reason, on anything else than
// such a file, truncated ones included.
TensorMap read_keras_h5(const std::filesystem::path& path);

}  // namespace fer
