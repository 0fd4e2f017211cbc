#include "fer/train/layer_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

constexpr const char* kBackbone = "backbone";
constexpr const char* kHead = "head";

// A node's name as the options see it: the heads are one group.
std::string name_of(const Graph& graph, int node) {
  return graph.is_output(node) ? kHead : graph.nodes()[node].name;
}

// Without "net1." of a net that was joined with others, or "net1.net2." of one joined twice.
std::string own_name(const std::string& name) {
  const std::size_t dot = name.find('.');
  long long number = 0;
  const bool joined = name.starts_with("net") && dot != std::string::npos &&
                      parse_int(name.substr(3, dot - 3), number);
  return joined ? own_name(name.substr(dot + 1)) : name;
}

// What own_name() leaves out; "" in a net that was not joined, and of what all have in common.
std::string net_of(const std::string& name) {
  return name.substr(0, name.size() - own_name(name).size());
}

std::string group_of(const Graph& graph, int node) {
  const std::string name = own_name(name_of(graph, node));
  return name.substr(0, name.find('.'));
}

// Those that have something to learn, from the input to the head; of one joined net, or of all.
std::vector<std::string> groups(const Graph& graph, const std::optional<std::string>& net = {}) {
  std::vector<std::string> result;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const std::string group = group_of(graph, i);
    if (group == kHead || graph.parameters(i).empty()) continue;
    if (net && net_of(graph.nodes()[i].name) != *net) continue;
    if (std::ranges::find(result, group) == result.end()) result.push_back(group);
  }
  result.push_back(kHead);
  return result;
}

bool begins(const std::string& prefix, const std::string& name) {
  return name == prefix || (name.starts_with(prefix) && name[prefix.size()] == '.');
}

bool covers(const std::string& prefix, const std::string& name) {
  return begins(prefix, name) || begins(prefix, own_name(name));
}

void check_known(const Graph& graph, const char* option, const std::string& name) {
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    if (covers(name, name_of(graph, i))) return;
  }
  const auto known = groups(graph);
  fail_input(std::string("train.") + option + ": the net has no layers '" + name + "'" +
             did_you_mean(name, known) + " (its groups are " + join(known, ", ") + ")");
}

bool covered(const std::vector<std::string>& prefixes, const std::string& name) {
  return std::ranges::any_of(prefixes, [&](const auto& prefix) { return covers(prefix, name); });
}

// "backbone" is every group but the head.
std::vector<std::string> frozen_prefixes(const Graph& graph, const TrainOptions& options) {
  if (options.freeze != std::vector<std::string>{kBackbone}) {
    for (const std::string& name : options.freeze) check_known(graph, "freeze", name);
    return options.freeze;
  }
  std::vector<std::string> all = groups(graph);
  all.pop_back();
  return all;
}

// The last node that everything later depends on alone, of those that are constant; 0 where nothing
// that is frozen comes before it: what only pads pictures is not worth keeping.
int find_boundary(const Graph& graph, const std::vector<bool>& frozen) {
  const auto count = static_cast<int>(graph.nodes().size());
  std::vector<bool> constant(count);
  for (int i = 0; i < count; ++i) {
    const Node& node = graph.nodes()[i];
    const bool learns = !graph.parameters(i).empty();
    constant[i] = std::ranges::all_of(node.inputs, [&](int input) { return constant[input]; }) &&
                  (frozen[i] || (!learns && !std::holds_alternative<op::Dropout>(node.operation)));
  }
  int first = 0;  // node that has parameters
  while (first < count && graph.parameters(first).empty()) ++first;
  int earliest = count;  // node that anything later than i looks at
  for (int i = count - 1; i >= first; --i) {
    if (constant[i] && earliest >= i) return i;
    for (const int input : graph.nodes()[i].inputs) earliest = std::min(earliest, input);
  }
  return 0;
}

}  // namespace

int training_phase(const TrainOptions& options, std::int64_t epoch) {
  return !options.freeze.empty() && options.unfreeze_at > 0 && epoch >= options.unfreeze_at ? 1 : 0;
}

LayerPlan plan_layers(const Graph& graph, const TrainOptions& options, int phase) {
  const std::vector<std::string> freeze = frozen_prefixes(graph, options);
  for (const std::string& name : options.unfreeze) check_known(graph, "unfreeze", name);
  for (const auto& [name, rate] : options.rates) check_known(graph, "rates", name);
  std::map<std::string, std::vector<std::string>> orders;  // of each net that was joined
  for (const Node& node : graph.nodes()) orders[net_of(node.name)];
  for (auto& [net, order] : orders) order = groups(graph, net);

  LayerPlan plan;
  bool learns = false;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const std::string name = name_of(graph, i);
    const bool released =
        phase == 1 && (options.unfreeze.empty() || covered(options.unfreeze, name));
    const auto& order = orders.at(net_of(graph.nodes()[i].name));
    const auto place = std::ranges::find(order, group_of(graph, i));
    double rate =
        std::pow(options.layer_decay, std::max<std::ptrdiff_t>(0, order.end() - place - 1));
    std::size_t longest = 0;  // the name that says most counts
    double own = 1;
    for (const auto& [prefix, factor] : options.rates) {
      // "net2" says more than a group of any net.
      const std::size_t says = prefix.size() + (begins(prefix, name) ? name.size() : 0);
      if (!covers(prefix, name) || says < longest) continue;
      longest = says;
      own = factor;
    }
    rate *= own;
    const bool frozen = (covered(freeze, name) && !released) || rate == 0;
    plan.frozen.push_back(frozen);
    plan.rate.push_back(frozen ? 0 : rate);
    learns = learns || (!frozen && !graph.parameters(i).empty());
  }
  if (!learns) fail_input("train.freeze: nothing is left to learn");
  plan.boundary = find_boundary(graph, plan.frozen);
  return plan;
}

}  // namespace fer
