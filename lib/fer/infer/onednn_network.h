// Any graph on oneDNN.
#pragma once

#include "fer/model/network.h"

namespace fer {

// A MakeNetwork. Throws kRuntime, here or in the first run(), when oneDNN cannot.
std::unique_ptr<Network> make_onednn_network(const Graph& graph, const TensorMap& weights);

}  // namespace fer
