#include "fer/model/graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"

namespace fer {

using nlohmann::json;

namespace {

// Limits on what a stored graph may ask for: far beyond any sensible network, far below what would
// exhaust a machine before the mistake is noticed.
constexpr std::size_t kMaxNodes = 10'000;
constexpr int kMaxChannels = 1 << 20;                        // of an image, or features
constexpr int kMaxSide = 1 << 13;                            // of an input
constexpr int kMaxWindow = 1 << 10;                          // kernel, stride, padding
constexpr std::int64_t kMaxActivation = 1 << 26;             // elements of one result, one sample
constexpr std::int64_t kMaxTensor = std::int64_t{1} << 31;   // elements of one parameter
constexpr std::int64_t kMaxResults = std::int64_t{1} << 31;  // of all nodes, one sample
constexpr std::int64_t kMaxParameters = std::int64_t{1} << 33;

// In the order of Operation.
constexpr const char* kOperationNames[] = {"input",           "conv2d",   "batch_norm", "relu",
                                           "sigmoid",         "silu",     "max_pool",   "avg_pool",
                                           "global_avg_pool", "zero_pad", "add",        "scale",
                                           "flatten",         "linear",   "dropout",    "concat"};
static_assert(std::size(kOperationNames) == std::variant_size_v<Operation>);

// The fields of every operation with their ranges, once for writing, reading and checking.
template <class Op, class Visitor>
void fields(Op& o, Visitor&& visit) {
  using T = std::remove_const_t<Op>;
  if constexpr (std::is_same_v<T, op::Input>) {
    visit("channels", o.channels, 1, kMaxChannels);
    visit("height", o.height, 1, kMaxSide);
    visit("width", o.width, 1, kMaxSide);
  } else if constexpr (std::is_same_v<T, op::Conv2d>) {
    visit("out_channels", o.out_channels, 1, kMaxChannels);
    visit("kernel_height", o.kernel_height, 1, kMaxWindow);
    visit("kernel_width", o.kernel_width, 1, kMaxWindow);
    visit("stride", o.stride, 1, kMaxWindow);
    visit("padding", o.padding);
    visit("groups", o.groups, 1, kMaxChannels);
    visit("bias", o.bias);
  } else if constexpr (std::is_same_v<T, op::BatchNorm>) {
    visit("epsilon", o.epsilon, 1e-12f, 1.0f);
  } else if constexpr (std::is_same_v<T, op::MaxPool> || std::is_same_v<T, op::AvgPool>) {
    visit("kernel", o.kernel, 1, kMaxWindow);
    visit("stride", o.stride, 1, kMaxWindow);
    visit("padding", o.padding);
  } else if constexpr (std::is_same_v<T, op::ZeroPad>) {
    visit("padding", o.padding);
  } else if constexpr (std::is_same_v<T, op::Linear>) {
    visit("out_features", o.out_features, 1, kMaxChannels);
    visit("bias", o.bias);
  } else if constexpr (std::is_same_v<T, op::Dropout>) {
    visit("rate", o.rate, 0.0f, 0.99f);
  } else {
    static_assert(std::is_empty_v<T>, "an operation whose fields are not listed");
  }
}

struct RangeCheck {
  template <class Number>
  void operator()(const char* key, Number value, Number low, Number high) const {
    if (!(value >= low && value <= high)) {
      fail_input(std::string(key) + " " + std::to_string(value) + " is not between " +
                 std::to_string(low) + " and " + std::to_string(high));
    }
  }
  void operator()(const char*, const Padding& p) const {
    (*this)("top padding", p.top, 0, kMaxWindow);
    (*this)("left padding", p.left, 0, kMaxWindow);
    (*this)("bottom padding", p.bottom, 0, kMaxWindow);
    (*this)("right padding", p.right, 0, kMaxWindow);
  }
  void operator()(const char*, bool) const {}
};

struct JsonWriter {
  json& out;
  void operator()(const char* key, int value, int, int) const { out[key] = value; }
  void operator()(const char* key, float value, float, float) const {
    out[key] = shortest_decimal(value);
  }
  void operator()(const char* key, const Padding& p) const {
    out[key] = {p.top, p.left, p.bottom, p.right};
  }
  void operator()(const char* key, bool value) const { out[key] = value; }
};

// Types only; Graph::add checks the ranges.
struct FieldReader {
  JsonReader& in;
  void operator()(const char* key, int& value, int, int) const {
    value = static_cast<int>(
        in.integer(key, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
  }
  void operator()(const char* key, float& value, float, float) const { value = in.number(key); }
  void operator()(const char* key, Padding& p) const {
    const auto sides = in.integers(key, 0, kMaxWindow);
    if (sides.size() != 4) {
      fail_input(in.place() + ": '" + key + "' must be [top, left, bottom, right]");
    }
    p = {static_cast<int>(sides[0]), static_cast<int>(sides[1]), static_cast<int>(sides[2]),
         static_cast<int>(sides[3])};
  }
  void operator()(const char* key, bool& value) const { value = in.boolean(key); }
};

template <class Op>
constexpr std::size_t input_count() {
  if (std::is_same_v<Op, op::Input>) return 0;
  if (std::is_same_v<Op, op::Add> || std::is_same_v<Op, op::Scale> ||
      std::is_same_v<Op, op::Concat>)
    return 2;
  return 1;
}

const Shape& image(const Shape& shape) {
  if (shape.size() != 3) fail_input("needs an image [C, H, W], got " + to_string(shape));
  return shape;
}

const Shape& features(const Shape& shape) {
  if (shape.size() != 1) fail_input("needs features [F], got " + to_string(shape));
  return shape;
}

std::int64_t windows(std::int64_t extent, int before, int after, int kernel, int stride) {
  const std::int64_t padded = extent + before + after;
  if (padded < kernel) {
    fail_input("a window of " + std::to_string(kernel) + " does not fit into " +
               std::to_string(padded) + " padded pixels");
  }
  return (padded - kernel) / stride + 1;
}

using Shapes = std::vector<Shape>;

Shape result_shape(const op::Input& o, const Shapes&) { return {o.channels, o.height, o.width}; }

Shape result_shape(const op::Conv2d& o, const Shapes& in) {
  const Shape& x = image(in[0]);
  if (x[0] % o.groups != 0 || o.out_channels % o.groups != 0) {
    fail_input(std::to_string(o.groups) + " groups do not divide " + std::to_string(x[0]) +
               " input and " + std::to_string(o.out_channels) + " output channels");
  }
  return {o.out_channels, windows(x[1], o.padding.top, o.padding.bottom, o.kernel_height, o.stride),
          windows(x[2], o.padding.left, o.padding.right, o.kernel_width, o.stride)};
}

template <class Pool>
Shape pooled(const Pool& o, const Shapes& in) {
  const Shape& x = image(in[0]);
  const Padding& p = o.padding;
  if (std::max({p.top, p.left, p.bottom, p.right}) >= o.kernel) {
    fail_input("padding must be less than the kernel of " + std::to_string(o.kernel));
  }
  return {x[0], windows(x[1], p.top, p.bottom, o.kernel, o.stride),
          windows(x[2], p.left, p.right, o.kernel, o.stride)};
}
Shape result_shape(const op::MaxPool& o, const Shapes& in) { return pooled(o, in); }
Shape result_shape(const op::AvgPool& o, const Shapes& in) { return pooled(o, in); }

Shape result_shape(const op::GlobalAvgPool&, const Shapes& in) { return {image(in[0])[0]}; }

Shape result_shape(const op::ZeroPad& o, const Shapes& in) {
  const Shape& x = image(in[0]);
  const Padding& p = o.padding;
  return {x[0], x[1] + p.top + p.bottom, x[2] + p.left + p.right};
}

Shape result_shape(const op::Add&, const Shapes& in) {
  if (in[0] != in[1]) {
    fail_input("inputs differ: " + to_string(in[0]) + " and " + to_string(in[1]));
  }
  return in[0];
}

Shape result_shape(const op::Scale&, const Shapes& in) {
  if (image(in[0])[0] != features(in[1])[0]) {
    fail_input("a gate of " + to_string(in[1]) + " does not fit the channels of " +
               to_string(in[0]));
  }
  return in[0];
}

Shape result_shape(const op::Concat&, const Shapes& in) {
  return {features(in[0])[0] + features(in[1])[0]};
}

Shape result_shape(const op::Flatten&, const Shapes& in) { return {element_count(image(in[0]))}; }

Shape result_shape(const op::Linear& o, const Shapes& in) {
  features(in[0]);
  return {o.out_features};
}

// Batch norm, activations and dropout.
template <class ElementWise>
Shape result_shape(const ElementWise&, const Shapes& in) {
  return in[0];
}

bool is_name(const std::string& text, bool dots) {
  const auto allowed = [dots](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (dots && c == '.');
  };
  constexpr std::size_t kLongest = 200;
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), allowed);
}

std::string describe(const Operation& operation) {
  std::string text = operation_name(operation);
  const auto append = [&text](const std::string& kernel, int stride) {
    text += " " + kernel;
    if (stride > 1) text += " /" + std::to_string(stride);
  };
  if (const auto* conv = std::get_if<op::Conv2d>(&operation)) {
    append(std::to_string(conv->kernel_height) + "x" + std::to_string(conv->kernel_width),
           conv->stride);
    if (conv->groups > 1) text += " groups " + std::to_string(conv->groups);
  } else if (const auto* max = std::get_if<op::MaxPool>(&operation)) {
    append(std::to_string(max->kernel), max->stride);
  } else if (const auto* avg = std::get_if<op::AvgPool>(&operation)) {
    append(std::to_string(avg->kernel), avg->stride);
  } else if (const auto* dropout = std::get_if<op::Dropout>(&operation)) {
    append(format("%g", dropout->rate), 1);
  }
  return text;
}

template <class Op>
std::optional<Operation> operation_from(const std::string& name, std::size_t index,
                                        JsonReader& reader) {
  if (name != kOperationNames[index]) return {};
  Op operation;
  fields(operation, FieldReader{reader});
  return operation;
}

template <std::size_t... index>
Operation read_operation(JsonReader& reader, std::index_sequence<index...>) {
  const std::string name = reader.text("op");
  std::optional<Operation> found;
  ((found = operation_from<std::variant_alternative_t<index, Operation>>(name, index, reader)) ||
   ...);
  if (!found) fail_input(reader.place() + ": unknown operation " + quote(name));
  return *found;
}

}  // namespace

std::string operation_name(const Operation& operation) {
  return kOperationNames[operation.index()];
}

Shape infer_shape(const Operation& operation, const std::vector<Shape>& inputs) {
  try {
    return std::visit(
        [&inputs]<class Op>(const Op& o) {
          fields(o, RangeCheck{});
          if (inputs.size() != input_count<Op>()) {
            fail_input("needs " + std::to_string(input_count<Op>()) + " inputs, got " +
                       std::to_string(inputs.size()));
          }
          Shape shape = result_shape(o, inputs);
          if (element_count(shape) > kMaxActivation) {
            fail_input("a result of " + to_string(shape) + " is too large");
          }
          return shape;
        },
        operation);
  } catch (const Error& error) {
    fail_input(operation_name(operation) + ": " + error.what());
  }
}

namespace {

std::vector<Parameter> node_parameters(const Node& node, const std::vector<Shape>& inputs) {
  std::vector<Parameter> result;
  const auto add = [&](const char* suffix, Shape shape, bool trainable = true) {
    result.push_back({node.name + "." + suffix, std::move(shape), trainable});
  };
  if (const auto* conv = std::get_if<op::Conv2d>(&node.operation)) {
    add("weight",
        {conv->out_channels, inputs[0][0] / conv->groups, conv->kernel_height, conv->kernel_width});
    if (conv->bias) add("bias", {conv->out_channels});
  } else if (const auto* linear = std::get_if<op::Linear>(&node.operation)) {
    add("weight", {linear->out_features, inputs[0][0]});
    if (linear->bias) add("bias", {linear->out_features});
  } else if (std::holds_alternative<op::BatchNorm>(node.operation)) {
    const Shape channels = {inputs[0][0]};
    add("weight", channels);
    add("bias", channels);
    add("running_mean", channels, false);
    add("running_var", channels, false);
  }
  return result;
}

}  // namespace

int Graph::add(std::string name, Operation operation, std::vector<int> inputs) {
  if (nodes_.size() >= kMaxNodes) {
    fail_input("a graph of more than " + std::to_string(kMaxNodes) + " nodes");
  }
  if (!is_name(name, true)) {
    fail_input("node name " + quote(name) + " is not 1 to 200 letters, digits, '_' and '.'");
  }
  if (find(name) >= 0) fail_input("node '" + name + "' stands twice");
  if (std::holds_alternative<op::Input>(operation) != nodes_.empty()) {
    fail_input("node '" + name + "': the first node, and no other, is the input");
  }
  std::vector<Shape> input_shapes;
  for (const int input : inputs) {
    if (input < 0 || input >= static_cast<int>(nodes_.size())) {
      fail_input("node '" + name + "': input " + std::to_string(input) + " is no earlier node");
    }
    input_shapes.push_back(shapes_[input]);
  }
  Shape shape;
  try {
    shape = infer_shape(operation, input_shapes);
  } catch (const Error& error) {
    fail_input("node '" + name + "': " + error.what());
  }
  const std::int64_t results = result_elements_ + element_count(shape);
  if (results > kMaxResults) {
    fail_input("node '" + name + "': with it the results of all nodes are too large");
  }
  std::int64_t weights = parameter_elements_;
  Node node{std::move(name), std::move(operation), std::move(inputs)};
  for (const Parameter& parameter : node_parameters(node, input_shapes)) {
    const std::int64_t count = element_count(parameter.shape);
    if (count > kMaxTensor || (weights += count) > kMaxParameters) {
      fail_input("parameter " + parameter.name + " " + to_string(parameter.shape) +
                 " is too large");
    }
  }
  shapes_.push_back(std::move(shape));
  try {
    nodes_.push_back(std::move(node));
  } catch (...) {
    shapes_.pop_back();  // both or none
    throw;
  }
  result_elements_ = results;
  parameter_elements_ = weights;
  return static_cast<int>(nodes_.size()) - 1;
}

bool Graph::is_output(int node) const {
  return std::ranges::any_of(outputs_, [node](const Output& o) { return o.node == node; });
}

void Graph::add_output(std::string head, int node) {
  // No dots: heads are parts of column and file names.
  if (!is_name(head, false)) {
    fail_input("head name " + quote(head) + " is not 1 to 200 letters, digits and '_'");
  }
  for (const Output& output : outputs_) {
    if (output.head == head) fail_input("head '" + head + "' stands twice");
  }
  if (node < 0 || node >= static_cast<int>(nodes_.size())) {
    fail_input("head '" + head + "': there is no node " + std::to_string(node));
  }
  if (shapes_[node].size() != 1) {
    fail_input("head '" + head + "' needs features [F], got " + to_string(shapes_[node]));
  }
  outputs_.push_back({std::move(head), node});
}

const op::Input& Graph::input() const {
  if (nodes_.empty()) fail_input("a graph without nodes has no input");
  return std::get<op::Input>(nodes_.front().operation);
}

int Graph::find(const std::string& node_name) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].name == node_name) return static_cast<int>(i);
  }
  return -1;
}

std::vector<Parameter> Graph::parameters(int node) const {
  const Node& n = nodes_.at(node);
  std::vector<Shape> inputs;
  for (const int input : n.inputs) inputs.push_back(shapes_[input]);
  return node_parameters(n, inputs);
}

std::vector<Parameter> Graph::parameters() const {
  std::vector<Parameter> result;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (Parameter& parameter : parameters(static_cast<int>(i))) {
      result.push_back(std::move(parameter));
    }
  }
  return result;
}

std::int64_t parameter_count(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters()) count += element_count(parameter.shape);
  return count;
}

std::int64_t trainable_parameter_count(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters()) {
    if (parameter.trainable) count += element_count(parameter.shape);
  }
  return count;
}

std::int64_t flops(const Graph& graph, int node) {
  const Node& n = graph.nodes().at(node);
  const std::int64_t results = element_count(graph.shape(node));
  if (const auto* conv = std::get_if<op::Conv2d>(&n.operation)) {
    const std::int64_t taps =
        graph.shape(n.inputs[0])[0] / conv->groups * conv->kernel_height * conv->kernel_width;
    return 2 * results * taps;
  }
  if (std::holds_alternative<op::Linear>(n.operation)) {
    return 2 * results * graph.shape(n.inputs[0])[0];
  }
  const bool moves_only = std::holds_alternative<op::Input>(n.operation) ||
                          std::holds_alternative<op::Flatten>(n.operation) ||
                          std::holds_alternative<op::Concat>(n.operation) ||
                          std::holds_alternative<op::Dropout>(n.operation);
  return moves_only ? 0 : results;
}

std::int64_t flops(const Graph& graph) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) sum += flops(graph, static_cast<int>(i));
  return sum;
}

std::string summary(const Graph& graph) {
  struct Row {
    std::string layer, operation, shape, parameters, flops;
  };
  std::vector<Row> rows = {{"layer", "operation", "output shape", "parameters", "FLOPs"}};
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const int node = static_cast<int>(i);
    std::int64_t count = 0;
    for (const Parameter& parameter : graph.parameters(node)) {
      count += element_count(parameter.shape);
    }
    rows.push_back({graph.nodes()[i].name, describe(graph.nodes()[i].operation),
                    to_string(graph.shape(node)), with_thousands(count),
                    with_thousands(flops(graph, node))});
  }
  rows.push_back(
      {"total", "", "", with_thousands(parameter_count(graph)), with_thousands(flops(graph))});

  const auto width = [&rows](std::string Row::*column) {
    std::size_t widest = 0;
    for (const Row& row : rows) widest = std::max(widest, (row.*column).size());
    return static_cast<int>(widest);
  };
  const int widths[] = {width(&Row::layer), width(&Row::operation), width(&Row::shape),
                        width(&Row::parameters), width(&Row::flops)};
  std::string text;
  const auto rule = [&] {
    int total = 8;  // two spaces between columns
    for (const int w : widths) total += w;
    text += std::string(total, '-') + "\n";
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i == 1 || i + 1 == rows.size()) rule();
    const Row& row = rows[i];
    text += format("%-*s  %-*s  %-*s  %*s  %*s\n", widths[0], row.layer.c_str(), widths[1],
                   row.operation.c_str(), widths[2], row.shape.c_str(), widths[3],
                   row.parameters.c_str(), widths[4], row.flops.c_str());
  }
  const std::int64_t trainable = trainable_parameter_count(graph);
  std::int64_t heads = 0;
  for (const Output& output : graph.outputs()) {
    for (const Parameter& parameter : graph.parameters(output.node)) {
      heads += element_count(parameter.shape);
    }
  }
  text += "trainable " + with_thousands(trainable) + ", running statistics " +
          with_thousands(parameter_count(graph) - trainable) + ", all without heads " +
          with_thousands(parameter_count(graph) - heads) + "; shapes and FLOPs for one sample\n";
  return text;
}

namespace {
// The least that has all its operations.
int version_of(const Graph& graph) {
  const bool concat = std::ranges::any_of(graph.nodes(), [](const Node& node) {
    return std::holds_alternative<op::Concat>(node.operation);
  });
  return concat ? 2 : 1;
}
}  // namespace

json to_json(const Graph& graph) {
  json nodes = json::array();
  for (const Node& node : graph.nodes()) {
    json entry = {
        {"name", node.name}, {"op", operation_name(node.operation)}, {"inputs", node.inputs}};
    std::visit([&entry](const auto& o) { fields(o, JsonWriter{entry}); }, node.operation);
    nodes.push_back(std::move(entry));
  }
  json outputs = json::array();
  for (const Output& output : graph.outputs()) {
    outputs.push_back({{"head", output.head}, {"node", output.node}});
  }
  return {{"version", version_of(graph)}, {"nodes", nodes}, {"outputs", outputs}};
}

Graph graph_from_json(const json& value) {
  JsonReader reader(value, "graph");
  const auto version = reader.integer("version", 1, std::numeric_limits<int>::max());
  if (version > kGraphVersion) {
    fail_input("graph version " + std::to_string(version) + ", this program reads versions up to " +
               std::to_string(kGraphVersion));
  }
  const json& nodes = reader.array("nodes");
  const json& outputs = reader.array("outputs");
  reader.finish();
  if (outputs.size() > nodes.size()) {
    fail_input("graph: more outputs than nodes");
  }
  if (nodes.size() > kMaxNodes) {
    fail_input("graph: " + std::to_string(nodes.size()) + " nodes, at most " +
               std::to_string(kMaxNodes) + " are read");
  }

  Graph graph;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    JsonReader node(nodes[i], "graph node " + std::to_string(i));
    std::string name = node.text("name");
    Operation operation =
        read_operation(node, std::make_index_sequence<std::variant_size_v<Operation>>());
    const auto earlier = static_cast<std::int64_t>(i) - 1;
    const auto inputs = node.integers("inputs", 0, earlier);
    node.finish();
    graph.add(std::move(name), std::move(operation), {inputs.begin(), inputs.end()});
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    JsonReader output(outputs[i], "graph output " + std::to_string(i));
    std::string head = output.text("head");
    const auto node = output.integer("node", 0, static_cast<std::int64_t>(nodes.size()) - 1);
    output.finish();
    graph.add_output(std::move(head), static_cast<int>(node));
  }
  if (version_of(graph) > version) {
    fail_input("graph: holds operations of version " + std::to_string(version_of(graph)) +
               ", says version " + std::to_string(version));
  }
  return graph;
}

Graph backbone(const Graph& graph, int node) {
  std::vector<bool> needed(graph.nodes().size());
  needed.at(node) = true;
  for (int i = node; i >= 0; --i) {
    if (!needed[i]) continue;
    for (const int input : graph.nodes()[i].inputs) needed[input] = true;
  }
  Graph result;
  std::vector<int> renumbered(graph.nodes().size());
  for (int i = 0; i <= node; ++i) {
    if (!needed[i]) continue;
    std::vector<int> inputs = graph.nodes()[i].inputs;
    for (int& input : inputs) input = renumbered[input];
    renumbered[i] = result.add(graph.nodes()[i].name, graph.nodes()[i].operation, inputs);
  }
  return result;
}

int shared_features(const Graph& graph) {
  int features = -1;
  for (const Output& output : graph.outputs()) {
    const Node& node = graph.nodes()[output.node];
    if (!std::holds_alternative<op::Linear>(node.operation)) return -1;
    if (features >= 0 && features != node.inputs[0]) return -1;
    features = node.inputs[0];
  }
  return features;
}

Graph with_input_side(const Graph& graph, int side) {
  constexpr int kLeast = 8;
  if (side < kLeast) fail_input(format("an input of %d pixels: at least %d", side, kLeast));
  Graph result;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<op::Flatten>(node.operation)) {
      fail_input("the net has dense layers over the pixels and takes no other input size (" +
                 node.name + ")");
    }
    Operation operation = node.operation;
    if (auto* input = std::get_if<op::Input>(&operation)) input->height = input->width = side;
    const auto* mean = std::get_if<op::AvgPool>(&operation);
    const bool shrinks = mean != nullptr && node.inputs[0] == 0 && mean->kernel == mean->stride;
    if (shrinks && side % mean->kernel != 0) {
      fail_input(format("an input of %d pixels: the net averages squares of %d of them (%s)", side,
                        mean->kernel, node.name.c_str()));
    }
    result.add(node.name, std::move(operation), node.inputs);
  }
  for (const Output& output : graph.outputs()) result.add_output(output.head, output.node);
  return result;
}

}  // namespace fer
