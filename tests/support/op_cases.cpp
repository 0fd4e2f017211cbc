#include "support/op_cases.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "fer/core/random.h"
#include "fer/model/reference.h"

namespace fer::test {
namespace {

// A graph that grows node by node; nodes are named after their operation and index.
class Net {
 public:
  Net(int channels, int height, int width) { add(op::Input{channels, height, width}, {}); }

  int add(Operation operation, std::vector<int> inputs) {
    const std::string name = operation_name(operation) + std::to_string(graph_.nodes().size());
    return last_ = graph_.add(name, std::move(operation), std::move(inputs));
  }
  int then(Operation operation) { return add(std::move(operation), {last_}); }
  int last() const { return last_; }

  void output(const std::string& head, int node) {
    if (graph_.shape(node).size() == 3) node = add(op::Flatten{}, {node});
    graph_.add_output(head, node);
  }
  // The last node is the output, when none was named.
  Graph finish() {
    if (graph_.outputs().empty()) output("y", last_);
    return graph_;
  }

 private:
  Graph graph_;
  int last_ = 0;
};

op::Conv2d conv(int channels, int kernel = 3, int stride = 1) {
  return {.out_channels = channels,
          .kernel_height = kernel,
          .kernel_width = kernel,
          .stride = stride,
          .padding = Padding::all(kernel / 2)};
}

using Named = std::pair<std::string, Graph>;

std::string describe(const Padding& p) {
  return std::to_string(p.top) + "-" + std::to_string(p.left) + "-" + std::to_string(p.bottom) +
         "-" + std::to_string(p.right);
}

// One operation on every image size it fits.
void single_operations(std::vector<Named>& nets) {
  const auto on = [&nets](int channels, int height, int width, const std::string& name,
                          const Operation& operation) {
    Net net(channels, height, width);
    net.then(operation);
    nets.emplace_back(operation_name(operation) + " " + name + ", " + std::to_string(channels) +
                          "x" + std::to_string(height) + "x" + std::to_string(width),
                      net.finish());
  };
  for (const auto& [height, width] : {std::pair{8, 8}, std::pair{5, 7}}) {
    for (const Padding& padding : {Padding{}, Padding::all(1), Padding{0, 1, 2, 3}}) {
      for (const int stride : {1, 2, 3}) {
        const std::string name = "stride " + std::to_string(stride) + " pad " + describe(padding);
        on(3, height, width, "3x3 " + name,
           op::Conv2d{.out_channels = 5, .stride = stride, .padding = padding});
        on(2, height, width, "1x4 bias " + name,
           op::Conv2d{.out_channels = 3,
                      .kernel_height = 1,
                      .kernel_width = 4,
                      .stride = stride,
                      .padding = padding,
                      .bias = true});
        on(4, height, width, "5x2 groups 2 " + name,
           op::Conv2d{.out_channels = 6,
                      .kernel_height = 5,
                      .kernel_width = 2,
                      .stride = stride,
                      .padding = padding,
                      .groups = 2});
        on(2, height, width, "4 " + name, op::MaxPool{4, stride, padding});
        on(2, height, width, "4 " + name, op::AvgPool{4, stride, padding});
      }
      on(2, height, width, "pad " + describe(padding), op::ZeroPad{padding});
    }
    on(1, height, width, "2", op::MaxPool{});
    on(16, height, width, "2", op::AvgPool{});
    on(3, height, width, "", op::BatchNorm{});
    on(3, height, width, "", op::Relu{});
    on(3, height, width, "", op::Sigmoid{});
    on(3, height, width, "", op::Silu{});
    on(3, height, width, "", op::Dropout{});
    on(3, height, width, "", op::GlobalAvgPool{});
    on(3, height, width, "", op::Flatten{});
  }
  on(16, 6, 6, "1x1 stride 2", conv(32, 1, 2));
  on(16, 6, 6, "1x1 bias", op::Conv2d{32, 1, 1, 1, {}, 1, true});
  on(16, 6, 6, "depthwise bias", op::Conv2d{16, 3, 3, 1, Padding::all(1), 16, true});
  on(16, 6, 6, "depthwise stride 2, twice the channels",
     op::Conv2d{32, 3, 3, 2, Padding::all(1), 16, false});
  on(1, 1, 1, "on one pixel", conv(8));
}

// What fusing, folding and in-place execution could get wrong.
void combinations(std::vector<Named>& nets) {
  const auto named = [&nets](const std::string& name, Net& net) {
    nets.emplace_back(name, net.finish());
  };
  {
    Net net(3, 6, 5);
    net.then(conv(8));
    net.then(op::BatchNorm{1e-3f});
    net.then(op::Relu{});
    named("conv, batch norm, relu", net);
  }
  {
    Net net(3, 6, 5);
    net.then(op::BatchNorm{});
    net.then(op::Relu{});
    net.then(op::Conv2d{8, 3, 3, 1, Padding::all(1), 1, true});
    named("batch norm and relu before a padded conv", net);
  }
  {
    Net net(4, 6, 5);
    net.then(op::ZeroPad{{1, 2, 0, 1}});
    net.then(op::BatchNorm{});
    net.then(conv(4));
    named("batch norm on padded zeros", net);
  }
  {
    Net net(16, 7, 7);
    net.then(op::Conv2d{16, 3, 3, 2, Padding::all(1), 16, true});
    net.then(op::BatchNorm{});
    net.then(op::Silu{});
    net.then(conv(24, 1));
    net.then(op::BatchNorm{});
    named("depthwise conv, batch norm, silu, pointwise conv", net);
  }
  for (const bool branch_first : {true, false}) {
    Net net(8, 6, 6);
    net.then(conv(8));
    const int shortcut = net.then(op::Relu{});
    net.then(conv(8));
    net.then(op::BatchNorm{});
    net.then(op::Relu{});
    net.then(conv(8));
    const int branch = net.then(op::BatchNorm{});
    net.add(op::Add{},
            branch_first ? std::vector{branch, shortcut} : std::vector{shortcut, branch});
    net.then(op::Relu{});
    named(branch_first ? "residual block" : "residual block, shortcut named first", net);
  }
  {
    Net net(8, 7, 7);
    const int input = net.last();
    net.then(conv(16, 3, 2));
    const int branch = net.then(op::BatchNorm{});
    net.add(conv(16, 1, 2), {input});
    const int shortcut = net.then(op::BatchNorm{});
    net.add(op::Add{}, {branch, shortcut});
    net.then(op::Relu{});
    named("residual block with a strided projection", net);
  }
  {
    Net net(8, 6, 6);
    const int conv1 = net.then(conv(8));
    const int normed = net.then(op::BatchNorm{});
    net.add(op::Add{}, {conv1, normed});
    named("a conv used by its batch norm and by another", net);
  }
  {
    Net net(8, 6, 6);
    const int conv1 = net.then(conv(8));
    const int activated = net.then(op::Relu{});
    const int conv2 = net.add(conv(8), {conv1});
    const int sum = net.add(op::Add{}, {conv2, activated});
    net.add(op::Add{}, {sum, conv2});
    named("a value used before and after its relu, and a conv used by two sums", net);
  }
  {
    Net net(8, 6, 6);
    net.then(conv(8));
    const int shortcut = net.then(op::Relu{});
    const int branch = net.then(conv(8));
    net.add(op::Add{}, {shortcut, branch});
    named("a conv added to its own input", net);
  }
  {
    Net net(8, 6, 6);
    net.then(conv(8));
    const int shortcut = net.then(op::Relu{});
    net.then(conv(8));
    net.then(op::Relu{});
    const int branch = net.then(conv(8));
    const int sum = net.add(op::Add{}, {shortcut, branch});
    net.output("shortcut", shortcut);
    net.output("sum", sum);
    named("a shortcut that is also an output", net);
  }
  {
    Net net(4, 5, 5);
    const int sum = net.add(op::Add{}, {0, 0});
    net.add(op::Add{}, {sum, 0});
    named("a value added to itself and to the input", net);
  }
  {
    Net net(8, 6, 6);
    const int conv1 = net.then(conv(8));
    net.add(op::Add{}, {conv1, conv1});
    named("a conv added to itself", net);
  }
  {
    Net net(8, 5, 7);
    const int image = net.then(conv(8));
    net.then(op::GlobalAvgPool{});
    net.then(op::Linear{3});
    net.then(op::Relu{});
    net.then(op::Linear{8});
    const int gate = net.then(op::Sigmoid{});
    const int scaled = net.add(op::Scale{}, {image, gate});
    net.add(op::Add{}, {scaled, 0});
    net.then(op::Relu{});
    net.then(op::GlobalAvgPool{});
    named("squeeze and excitation in a residual block", net);
  }
  for (const bool bias : {true, false}) {
    Net net(3, 4, 5);
    net.then(op::Flatten{});
    net.then(op::Linear{20, bias});
    net.then(op::BatchNorm{});
    net.then(op::Relu{});
    net.then(op::Dropout{});
    net.then(op::Linear{7, bias});
    named(bias ? "dense layers" : "dense layers without bias", net);
  }
  {
    Net net(16, 4, 4);
    net.then(conv(16));
    net.then(op::Flatten{});
    net.then(op::Linear{10});
    net.then(op::Silu{});
    named("flatten after a conv keeps the order of channels", net);
  }
  {
    Net net(1, 6, 6);
    net.then(op::GlobalAvgPool{});
    const int a = net.then(op::Linear{6});
    const int b = net.then(op::Sigmoid{});
    net.add(op::Add{}, {a, b});
    named("a sum of features", net);
  }
  {
    Net net(3, 8, 8);
    net.then(op::AvgPool{2, 2});
    net.then(op::Conv2d{3, 1, 1, 1, {}, 3, true});
    net.then(conv(4));
    net.then(op::Relu{});
    named("squares of the picture averaged, each channel scaled and moved", net);
  }
  {
    Net net(3, 6, 6);
    const int wide = net.add(conv(5), {0}), narrow = net.add(conv(3, 3, 2), {0});
    const int a = net.add(op::GlobalAvgPool{}, {wide}), b = net.add(op::GlobalAvgPool{}, {narrow});
    const int both = net.add(op::Concat{}, {b, a});
    net.output("features", both);
    net.output("y", net.add(op::Linear{4}, {both}));
    net.output("twice", net.add(op::Linear{4}, {net.add(op::Concat{}, {both, both})}));
    named("features of two branches, one behind the other", net);
  }
  {
    Net net(3, 8, 8);
    net.then(conv(8));
    net.then(op::Relu{});
    net.then(op::MaxPool{});
    const int pooled = net.then(op::GlobalAvgPool{});
    const int seven = net.add(op::Linear{7}, {pooled});
    const int hidden = net.add(op::Relu{}, {seven});
    const int eight = net.add(op::Linear{8}, {hidden});
    net.output("seven", seven);
    net.output("eight", eight);
    net.output("seven_again", seven);
    net.output("pooled", pooled);
    named("several heads, one in the middle, one twice", net);
  }
  {
    Net net(2, 3, 4);
    const int flat = net.then(op::Flatten{});
    net.output("y", flat);
    net.add(conv(4), {0});
    named("the input as the output, beside a node that nobody uses", net);
  }
  {
    Net net(4, 12, 12);
    const op::Conv2d stem{8, 7, 7, 2, {}, 1, true};
    net.then(op::ZeroPad{Padding::all(3)});
    net.then(stem);
    net.then(op::ZeroPad{Padding::all(1)});
    int x = net.then(op::MaxPool{3, 2, {}});
    net.then(op::BatchNorm{1.001e-5f});
    const int pre = net.then(op::Relu{});
    const int shortcut = net.add(op::MaxPool{1, 2, {}}, {x});
    net.add(conv(8, 3, 2), {pre});
    const int branch = net.last();
    x = net.add(op::Add{}, {shortcut, branch});
    net.then(op::BatchNorm{1.001e-5f});
    net.then(op::Relu{});
    named("pre-activation block with a strided pool as shortcut", net);
  }
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<Named> nets;
    single_operations(nets);
    combinations(nets);
    std::vector<OpCase> result;
    for (const auto& [name, graph] : nets) {
      for (const int batch : {1, 3}) {
        const std::uint64_t seed = result.size();
        result.push_back({name + ", batch " + std::to_string(batch), graph,
                          random_weights(graph, seed), random_batch(graph, batch, seed)});
      }
    }
    return result;
  }();
  return cases;
}

Logits expected(const OpCase& c) { return run_reference(c.graph, c.weights, c.input); }

TensorMap random_weights(const Graph& graph, std::uint64_t seed) {
  Rng rng{seed, 1};
  TensorMap weights;
  for (const Parameter& parameter : graph.parameters()) {
    HostTensor tensor = HostTensor::zeros(parameter.shape);
    const bool kernel = parameter.shape.size() > 1;
    const double fan_in = static_cast<double>(element_count(parameter.shape)) /
                          static_cast<double>(parameter.shape[0]);
    const bool about_one =
        parameter.name.ends_with("running_var") || parameter.name.ends_with("weight");
    for (float& value : tensor.floats()) {
      const double drawn = kernel      ? rng.normal() * std::sqrt(2 / fan_in)
                           : about_one ? rng.uniform(0.5, 1.5)
                                       : rng.normal() * 0.2;
      value = static_cast<float>(drawn);
    }
    weights[parameter.name] = std::move(tensor);
  }
  return weights;
}

HostTensor random_batch(const Graph& graph, std::int64_t batch, std::uint64_t seed) {
  Rng rng{seed, 2};
  const auto& [channels, height, width] = graph.input();
  HostTensor tensor = HostTensor::zeros({batch, channels, height, width});
  for (float& value : tensor.floats()) value = static_cast<float>(rng.normal());
  return tensor;
}

double relative_error(const Logits& a, const Logits& b) {
  double difference = 0, largest = 0;
  if (a.size() != b.size()) throw std::runtime_error("different numbers of heads");
  for (const auto& [head, expected_logits] : b) {
    const auto found = a.find(head);
    if (found == a.end()) throw std::runtime_error("head " + head + " is missing");
    if (found->second.shape != expected_logits.shape) {
      throw std::runtime_error("head " + head + " is " + to_string(found->second.shape) + ", not " +
                               to_string(expected_logits.shape));
    }
    const auto x = found->second.floats(), y = expected_logits.floats();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i]) || !std::isfinite(y[i])) {
        return std::numeric_limits<double>::infinity();
      }
      difference = std::max(difference, std::abs(double{x[i]} - y[i]));
      largest = std::max(largest, std::abs(double{y[i]}));
    }
  }
  return difference / largest;
}

}  // namespace fer::test
