// The few combinations of operations that the architectures are made of. Each appends nodes whose
// names begin with `prefix` and returns the last one.
#pragma once

#include <string>
#include <vector>

#include "fer/model/architectures.h"
#include "fer/model/graph.h"

namespace fer {

// options.blocks of stage `i` (from 0) of `stages`, or `own`. Throws kInput when the option names
// neither one number nor one a stage.
int blocks_of(const ArchitectureOptions& options, std::size_t i, std::size_t stages, int own);

// The input node; throws kInput when `halvings` of the resolution leave nothing.
int add_input(Graph& graph, const ArchitectureOptions& options, int halvings);

// "<prefix>conv<suffix>" without bias, padded to keep the size at stride 1 (odd kernels), and
// "<prefix>bn<suffix>".
int conv_bn(Graph& graph, const std::string& prefix, const std::string& suffix, int input,
            int channels, int kernel = 3, int stride = 1);

// `convolutions` times 3x3 convolution, batch norm, ReLU; then 2x2 max pooling.
int plain_stage(Graph& graph, const std::string& prefix, int input, int channels, int convolutions);

// Nothing when the rate is 0.
int add_dropout(Graph& graph, const std::string& name, int input, float rate);

// "dense<i>.linear", ".relu" and ".dropout" for each width.
int dense_layers(Graph& graph, int input, const std::vector<int>& widths, float dropout);

// A linear layer "head_<name>" and an output for each head.
void add_heads(Graph& graph, const ArchitectureOptions& options, int features);

}  // namespace fer
