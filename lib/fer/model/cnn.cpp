#include "fer/model/architectures.h"
#include "fer/model/layers.h"

namespace fer {

Graph make_cnn(const ArchitectureOptions& options) {
  const auto stages = options.stages.empty() ? std::vector{64, 128, 256} : options.stages;
  const auto dense = options.dense_given ? options.dense : std::vector{256};
  const float dropout = options.dropout < 0 ? 0.5f : options.dropout;

  Graph graph;
  int x = add_input(graph, options, static_cast<int>(stages.size()));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string prefix = "stage" + std::to_string(i + 1) + ".";
    x = plain_stage(graph, prefix, x, stages[i], blocks_of(options, i, stages.size(), 2));
    // Neighbouring pixels share what they say, so that stages need less than dense layers.
    x = add_dropout(graph, prefix + "dropout", x, dropout / 2);
  }
  x = graph.add("flatten", op::Flatten{}, {x});
  for (std::size_t i = 0; i < dense.size(); ++i) {
    const std::string prefix = "dense" + std::to_string(i + 1) + ".";
    x = graph.add(prefix + "linear", op::Linear{dense[i], /*bias=*/false}, {x});
    x = graph.add(prefix + "bn", op::BatchNorm{}, {x});
    x = graph.add(prefix + "relu", op::Relu{}, {x});
    x = add_dropout(graph, prefix + "dropout", x, dropout);
  }
  add_heads(graph, options, x);
  return graph;
}

}  // namespace fer
