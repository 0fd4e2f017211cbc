// Any graph on oneDNN.
#pragma once

#include "fer/model/network.h"

namespace fer {

// A MakeNetwork. Throws kRuntime when oneDNN cannot run it.
std::unique_ptr<Network> make_onednn_network(const Graph& graph, const TensorMap& weights);

}  // namespace fer
