#include "fer/model/pretrained.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"

namespace fer {
namespace {

// A node of ours and the layers that may stand for it. "#" is a number; "$1" the first of them,
// "$2-" the second less one, "$1+" the first and one more, "$i" the node's place among those of the
// stages. "head" is the one output.
struct Rule {
  std::string_view ours;
  std::vector<std::string_view> theirs;
};

const std::vector<Rule> kVggTorch = {
    // torchvision; timm's top has other names
    {"stage#.conv#", {"features.$i"}},
    {"stage#.bn#", {"features.$i"}},
    {"dense1.linear", {"classifier.0", "pre_logits.fc1"}},
    {"dense2.linear", {"classifier.3", "pre_logits.fc2"}},
    {"head", {"classifier.6", "head.fc"}},
};
const std::vector<Rule> kVggKeras = {
    {"stage#.conv#", {"block$1_conv$2"}},
    {"dense1.linear", {"fc1"}},
    {"dense2.linear", {"fc2"}},
    {"head", {"predictions"}},
};
const std::vector<Rule> kResNetKeras = {
    {"stem.conv", {"conv1_conv"}},
    {"stage#.block#.bn1", {"conv$1+_block$2_preact_bn"}},
    {"stage#.block#.shortcut.conv", {"conv$1+_block$2_0_conv"}},
    {"stage#.block#.conv1", {"conv$1+_block$2_1_conv"}},
    {"stage#.block#.bn2", {"conv$1+_block$2_1_bn"}},
    {"stage#.block#.conv2", {"conv$1+_block$2_2_conv"}},
    {"stage#.block#.bn3", {"conv$1+_block$2_2_bn"}},
    {"stage#.block#.conv3", {"conv$1+_block$2_3_conv"}},
    {"top.bn", {"post_bn"}},
    {"head", {"predictions", "probs"}},
};
const std::vector<Rule> kResNetTimm = {
    {"stem.conv", {"stem.conv"}},
    {"stage#.block#.bn1", {"stages.$1-.blocks.$2-.norm1"}},
    {"stage#.block#.shortcut.conv", {"stages.$1-.blocks.$2-.downsample.conv"}},
    {"stage#.block#.conv1", {"stages.$1-.blocks.$2-.conv1"}},
    {"stage#.block#.bn2", {"stages.$1-.blocks.$2-.norm2"}},
    {"stage#.block#.conv2", {"stages.$1-.blocks.$2-.conv2"}},
    {"stage#.block#.bn3", {"stages.$1-.blocks.$2-.norm3"}},
    {"stage#.block#.conv3", {"stages.$1-.blocks.$2-.conv3"}},
    {"top.bn", {"norm"}},
    {"head", {"head.fc"}},
};

struct Family {
  std::string name, architecture, variant;
  bool keras;
  const std::vector<Rule>& rules;
  Scaling scaling;
};

const std::vector<Family>& families() {
  const Scaling imagenet = default_scaling("vgg16"), symmetric = default_scaling("resnet50v2");
  // Keras' VGG16 takes blue, green, red, 0 to 255, less the mean.
  const Scaling bgr = {1.0f, {103.939f, 116.779f, 123.68f}, {1.0f, 1.0f, 1.0f}};
  static const std::vector<Family> all = {
      {"torchvision's vgg16", "vgg16", "", false, kVggTorch, imagenet},
      {"torchvision's vgg16_bn", "vgg16_bn", "", false, kVggTorch, imagenet},
      {"timm's resnetv2_50", "resnet50v2", "timm", false, kResNetTimm, symmetric},
      {"Keras' VGG16", "vgg16", "", true, kVggKeras, bgr},
      {"Keras' ResNet50V2", "resnet50v2", "keras", true, kResNetKeras, symmetric},
  };
  return all;
}

std::optional<std::vector<int>> match(std::string_view pattern, std::string_view name) {
  std::vector<int> numbers;
  std::size_t at = 0;
  for (const char expected : pattern) {
    if (expected != '#') {
      if (at == name.size() || name[at++] != expected) return {};
      continue;
    }
    const std::size_t begin = at;
    int number = 0;
    while (at < name.size() && at - begin < 4 && name[at] >= '0' && name[at] <= '9') {
      number = 10 * number + (name[at++] - '0');
    }
    if (at == begin) return {};
    numbers.push_back(number);
  }
  if (at != name.size()) return {};
  return numbers;
}

std::string fill(std::string_view pattern, const std::vector<int>& numbers, int place) {
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$') {
      text += pattern[i];
      continue;
    }
    const char which = pattern[++i];
    int number = which == 'i' ? place : numbers.at(static_cast<std::size_t>(which - '1'));
    if (i + 1 < pattern.size() && (pattern[i + 1] == '-' || pattern[i + 1] == '+')) {
      number += pattern[++i] == '+' ? 1 : -1;
    }
    text += std::to_string(number);
  }
  return text;
}

// One node with parameters and the layers that may hold them.
struct Layer {
  int node = 0;
  std::vector<std::string> theirs;
  bool top = false;  // dense layers and the head: may be absent on either side
};

std::vector<Layer> layers_of(const Graph& graph, const std::vector<Rule>& rules) {
  std::vector<Layer> layers;
  int place = -1;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const std::string& name = graph.nodes()[i].name;
    if (name.starts_with("stage")) ++place;
    if (graph.parameters(i).empty()) continue;
    Layer layer{i, {}, graph.is_output(i) || name.starts_with("dense")};
    for (const Rule& rule : rules) {
      const auto numbers = match(rule.ours, graph.is_output(i) ? "head" : name);
      if (!numbers) continue;
      for (const auto theirs : rule.theirs) layer.theirs.push_back(fill(theirs, *numbers, place));
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::string suffix_of(const Parameter& parameter) {
  return parameter.name.substr(parameter.name.rfind('.'));
}

// Share of the backbone's tensors of a published net that the file has.
double share_present(const Family& family, const TensorMap& tensors) {
  ArchitectureOptions options;
  options.name = family.architecture;
  options.variant = family.variant;
  options.heads = {{"head", 2}};
  const Graph graph = make_architecture(options);
  int all = 0, present = 0;
  for (const Layer& layer : layers_of(graph, family.rules)) {
    if (layer.top) continue;
    for (const Parameter& parameter : graph.parameters(layer.node)) {
      ++all;
      present += tensors.contains(layer.theirs[0] + suffix_of(parameter));
    }
  }
  return static_cast<double>(present) / all;
}

const Family& choose_family(const TensorMap& tensors, bool keras,
                            const ArchitectureOptions& options, const std::string& place) {
  const std::string variant =
      options.name == "resnet50v2" && options.variant.empty() ? "keras" : options.variant;
  const std::string wanted = options.name + (variant.empty() ? "" : ", variant " + variant);
  const Family* chosen = nullptr;
  const Family* best = nullptr;
  double best_share = 0.5;  // fewer common names are an accident
  for (const Family& family : families()) {
    if (family.keras != keras) continue;
    if (family.architecture == options.name && family.variant == variant) chosen = &family;
    const double share = share_present(family, tensors);
    if (share > best_share) {
      best_share = share;
      best = &family;
    }
  }
  if (best != nullptr && best != chosen) {
    fail_input(place + ": weights of " + best->name + ", which do not fit arch " + wanted +
               "; they are for arch " + best->architecture +
               (best->variant.empty() ? "" : ", variant " + best->variant));
  }
  if (chosen == nullptr) {
    fail_input(place + ": " + (keras ? "Keras' weights" : "weights of torchvision or timm") +
               " for arch " + wanted + " are not known");
  }
  return *chosen;
}

// Keras flattens [H, W, C], we [C, H, W].
void reorder_flattened(HostTensor& weight, const Shape& image) {
  const std::int64_t channels = image[0], pixels = image[1] * image[2];
  const auto values = weight.floats();
  std::vector<float> row(static_cast<std::size_t>(channels * pixels));
  for (std::int64_t out = 0; out < weight.shape[0]; ++out) {
    float* begin = &values[static_cast<std::size_t>(out * channels * pixels)];
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) row[c * pixels + p] = begin[p * channels + c];
    }
    std::ranges::copy(row, begin);
  }
}

// One input channel for three. A pixel g enters as (g - mean) / std where it entered channel c as
// (g - mean_c) / std_c, so W = std * sum W_c / std_c, and what is left of the means goes to the
// bias.
void sum_stem(HostTensor& weight, HostTensor* bias, const Scaling& scaling) {
  ModelSpec gray;
  set_scaling(gray, scaling, 1);
  const std::int64_t outputs = weight.shape[0], taps = weight.shape[2] * weight.shape[3];
  HostTensor summed = HostTensor::zeros({outputs, 1, weight.shape[2], weight.shape[3]});
  const auto from = std::as_const(weight).floats();
  const auto to = summed.floats();
  for (std::int64_t out = 0; out < outputs; ++out) {
    double shift = 0;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      double sum = 0;
      for (std::int64_t c = 0; c < 3; ++c) {
        const double w = from[(out * 3 + c) * taps + tap] / scaling.std[c];
        sum += w;
        shift += w * (double{gray.mean[0]} - scaling.mean[c]);
      }
      to[out * taps + tap] = static_cast<float>(sum * gray.std[0]);
    }
    if (bias != nullptr) bias->floats()[out] += static_cast<float>(shift);
  }
  weight = std::move(summed);
}

}  // namespace

WeightFile identify_weights(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string begin(9, '\0');
  if (!file.read(begin.data(), static_cast<std::streamsize>(begin.size()))) {
    fail_input(path.string() + ": cannot be read, or too short to hold weights");
  }
  if (begin.starts_with("\x89HDF\r\n\x1a\n")) return WeightFile::kHdf5;
  // The length of a safetensors header can begin with any bytes; the header itself with a brace.
  const bool pickle = begin.starts_with("PK\x03\x04") || begin.starts_with("\x80\x02");
  if (pickle && begin[8] != '{') {
    fail_input(path.string() +
               ": a Python pickle, which is not read; docs/training.md shows how to convert it to "
               "safetensors");
  }
  const auto metadata = read_safetensors_metadata(path);
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second == "fer-checkpoint" ? WeightFile::kCheckpoint
                                                                        : WeightFile::kSafetensors;
}

ImportedWeights import_weights(const TensorMap& tensors, bool keras,
                               const ArchitectureOptions& options, const Graph& graph,
                               const std::string& place) {
  const Family& family = choose_family(tensors, keras, options, place);
  ImportedWeights result;
  result.family = family.name;
  result.scaling = family.scaling;
  std::set<std::string> used;

  for (const Layer& layer : layers_of(graph, family.rules)) {
    const std::vector<Parameter> parameters = graph.parameters(layer.node);
    const auto held = std::ranges::find_if(layer.theirs, [&](const std::string& name) {
      return tensors.contains(name + suffix_of(parameters[0]));
    });
    const bool absent = held == layer.theirs.end();
    const auto other_head = [&] {
      const HostTensor& weight = tensors.at(*held + suffix_of(parameters[0]));
      return graph.is_output(layer.node) && (weight.count() != element_count(parameters[0].shape) ||
                                             weight.shape[0] != parameters[0].shape[0]);
    };
    if (layer.top && (absent || other_head())) {
      for (const Parameter& parameter : parameters) result.fresh.push_back(parameter.name);
      continue;
    }
    const std::string theirs = absent ? layer.theirs.at(0) : *held;
    for (const Parameter& parameter : parameters) {
      const std::string name = theirs + suffix_of(parameter);
      const auto found = tensors.find(name);
      if (found == tensors.end()) {
        fail_input(place + ": " + family.name + " without the tensor " + name + " (our " +
                   parameter.name + ")");
      }
      used.insert(name);
      HostTensor tensor = found->second.converted(DType::kF32);
      Shape wanted = parameter.shape;
      const bool stem = wanted.size() == 4 && graph.input().channels == 1 &&
                        graph.shape(graph.nodes()[layer.node].inputs[0])[0] == 1;
      if (stem) wanted[1] = 3;
      // timm keeps dense layers as convolutions; their values stand in the same order.
      if (wanted.size() == 2 && tensor.shape.size() == 4 && tensor.shape[0] == wanted[0] &&
          tensor.count() == element_count(wanted)) {
        tensor.shape = wanted;
      }
      if (tensor.shape != wanted) {
        fail_input(place + ": tensor " + name + " is " + to_string(tensor.shape) + ", our " +
                   parameter.name + " needs " + to_string(wanted));
      }
      result.weights[parameter.name] = std::move(tensor);
    }
    const Node& node = graph.nodes()[layer.node];
    HostTensor& weight = result.weights.at(node.name + ".weight");
    if (std::holds_alternative<op::Conv2d>(node.operation) && weight.shape[1] == 3 &&
        graph.shape(node.inputs[0])[0] == 1) {
      const auto bias = result.weights.find(node.name + ".bias");
      sum_stem(weight, bias == result.weights.end() ? nullptr : &bias->second, family.scaling);
    }
    const Node& before = graph.nodes()[node.inputs[0]];
    if (keras && std::holds_alternative<op::Flatten>(before.operation)) {
      reorder_flattened(weight, graph.shape(before.inputs[0]));
    }
  }

  std::set<std::string> tops;
  for (const Rule& rule : family.rules) {
    if (rule.ours == "head" || rule.ours.starts_with("dense")) {
      tops.insert(rule.theirs.begin(), rule.theirs.end());
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (used.contains(name)) continue;
    if (!name.ends_with(".num_batches_tracked") &&
        !tops.contains(name.substr(0, name.rfind('.')))) {
      fail_input(place + ": " + family.name + " with a surplus tensor " + quote(name) + " " +
                 to_string(tensor.shape));
    }
    result.skipped.push_back(name);
  }
  return result;
}

Checkpoint replace_heads(const Checkpoint& checkpoint, const std::vector<HeadSpec>& heads) {
  const Graph& old = checkpoint.graph;
  const int features = shared_features(old);
  if (features < 0)
    fail_input("the net's heads do not share their features, so they cannot be replaced");
  Checkpoint result{backbone(old, features), checkpoint.spec, {}};
  for (const Parameter& parameter : result.graph.parameters()) {
    const auto known = checkpoint.weights.find(parameter.name);
    if (known != checkpoint.weights.end()) result.weights.insert(*known);
  }
  const int last = static_cast<int>(result.graph.nodes().size()) - 1;
  for (const HeadSpec& head : heads) {
    const std::string name = "head_" + head.name;
    const int node =
        result.graph.add(name, op::Linear{static_cast<int>(head.labels.size())}, {last});
    result.graph.add_output(head.name, node);
    for (const HeadSpec& known : checkpoint.spec.heads) {
      if (known.name != head.name || known.labels != head.labels) continue;
      const auto output = std::ranges::find(old.outputs(), head.name, &Output::head);
      for (const Parameter& parameter : old.parameters(output->node)) {
        result.weights[name + suffix_of(parameter)] = checkpoint.weights.at(parameter.name);
      }
    }
  }
  result.spec.heads = heads;
  result.spec.mixed_heads.clear();
  result.spec.default_head = heads.at(0).name;
  return result;
}

const std::vector<PublishedWeights>& published_weights() {
  static const std::string keras = "https://storage.googleapis.com/tensorflow/keras-applications/";
  static const std::string torch = "https://download.pytorch.org/models/";
  static const std::vector<PublishedWeights> all = {
      {"vgg16", "", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", keras + "vgg16/",
       "58,889,256 bytes", "md5 6d6bbae143d832006294945121d1f1fc"},
      {"vgg16", "", "vgg16_weights_tf_dim_ordering_tf_kernels.h5", keras + "vgg16/",
       "553,467,096 bytes", "md5 64373286793e3c8b2b4e3219cbf3544b"},
      {"resnet50v2", "keras", "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
       keras + "resnet/", "94,668,760 bytes", "md5 fac2f116257151a9d068a22e544a4917"},
      {"vgg16", "", "vgg16-397923af.pth", torch, "528 MB",
       "sha256 397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"},
      {"vgg16_bn", "", "vgg16_bn-6c64b313.pth", torch, "528 MB", "sha256 6c64b313..."},
      {"resnet50v2", "timm", "resnetv2_50_a1h-000cdf49.pth",
       "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-rsb-weights/",
       "98 MB", "sha256 000cdf49..."},
  };
  return all;
}

}  // namespace fer
