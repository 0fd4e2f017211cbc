#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {

Graph make_cnn_large(const ArchitectureOptions& options) {
  const auto stages = options.stages.empty() ? std::vector{64, 128, 256, 512} : options.stages;
  const auto dense = options.dense_given ? options.dense : std::vector{4096, 4096};
  const float dropout = options.dropout < 0 ? 0.5f : options.dropout;

  Graph graph;
  int x = add_input(graph, options, static_cast<int>(stages.size()));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    x = plain_stage(graph, "stage" + std::to_string(i + 1) + ".", x, stages[i], 2);
  }
  x = graph.add("flatten", op::Flatten{}, {x});
  x = dense_layers(graph, x, dense, dropout);
  add_heads(graph, options, x);
  return graph;
}

}  // namespace fer
