// Small networks that between them use every operation of a Graph in every way a back end could get
// wrong: each back end runs them all and must agree with run_reference.
//
//   for (const OpCase& c : op_cases()) {
//     INFO(c.name);
//     CHECK(relative_error(my_engine(c.graph, c.weights, c.input), expected(c)) < 1e-5);
//   }
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fer/model/graph.h"

namespace fer::test {

using Logits = std::map<std::string, HostTensor>;  // [N, classes] by head

struct OpCase {
  std::string name;  // "conv2d 3x3 stride 2, 5x7, batch 3"
  Graph graph;
  TensorMap weights;
  HostTensor input;
};

const std::vector<OpCase>& op_cases();  // each net with batch 1 and 3
Logits expected(const OpCase& c);       // by run_reference

// Weights scaled so that activations keep their size (He et al. 2015); batch norm statistics and
// scales away from 0 and 1.
TensorMap random_weights(const Graph& graph, std::uint64_t seed);
// [batch, C, H, W] with mean 0 and variance 1.
HostTensor random_batch(const Graph& graph, std::int64_t batch, std::uint64_t seed);

// Largest |a - b| of all heads over the largest |b|. Throws when heads or shapes differ; not a
// number and infinity count as an infinite error.
double relative_error(const Logits& a, const Logits& b);

}  // namespace fer::test
