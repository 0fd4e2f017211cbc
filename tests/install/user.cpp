// A program outside the project: builds against the installed tree alone.
#include <cstdio>

#include "fer/model/architectures.h"

int main() {
  fer::ArchitectureOptions options;
  options.heads = {{"six", 6}};
  const fer::Graph graph = fer::make_architecture(options);
  std::printf("%lld parameters\n", static_cast<long long>(fer::parameter_count(graph)));
}
