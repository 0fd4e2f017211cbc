#include "fer/model/ensemble.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

// null where there is none.
nlohmann::json entry(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nlohmann::json() : *found;
}

nlohmann::json facts(const ModelSpec& spec, const char* key) { return entry(spec.provenance, key); }

// What must be equal, for people.
void check_alike(const ModelSpec& first, const ModelSpec& other, const std::string& place) {
  const auto differ = [&](const std::string& what) {
    fail_input(place + " and the first do not go together: other " + what);
  };
  const auto same_heads = [](const auto& a, const auto& b) {
    return a.name == b.name && a.labels == b.labels;
  };
  if (!std::ranges::equal(first.heads, other.heads, same_heads)) differ("heads or labels");
  const auto same_mix = [&](const MixedHeadSpec& a, const MixedHeadSpec& b) {
    return same_heads(a, b) && a.parts == b.parts;
  };
  if (!std::ranges::equal(first.mixed_heads, other.mixed_heads, same_mix)) differ("mixed heads");
  if (first.colour != other.colour) differ("colour (" + other.colour + ")");
  if (first.crop_margin != other.crop_margin) differ("margin around a face");
}

// Two splits of the same pictures leave none that neither net has learned from.
void check_splits(const ModelSpec& first, const ModelSpec& other, const std::string& place) {
  // Names do not depend on how the pictures are grouped; what has none is told by its classes.
  const auto same_pictures = [&](const nlohmann::json& a, const nlohmann::json& b) {
    const bool named = !entry(a, "names").is_null() && !entry(b, "names").is_null();
    const char* key = named ? "names" : "images";
    return entry(a, key) == entry(b, key);
  };
  for (const nlohmann::json& a : facts(first, "drawn_splits")) {
    for (const nlohmann::json& b : facts(other, "drawn_splits")) {
      if (a != b && same_pictures(a, b)) {
        fail_input(place + " learned from another split of the same pictures (" + b.dump() +
                   ") than one before it (" + a.dump() + "): none would be left to judge both by");
      }
    }
  }
}

void check_side(const ModelSpec& whole, const ModelSpec& part, const std::string& place) {
  if (whole.input_size % part.input_size != 0) {
    fail_input(format("%s: the largest input, %d px, is no multiple of its %d", place.c_str(),
                      whole.input_size, part.input_size));
  }
  const int times = whole.input_size / part.input_size;
  const auto corner = [](const ModelSpec& spec) { return (spec.resize - spec.input_size) / 2; };
  if (part.resize * times != whole.resize || corner(part) * times != corner(whole)) {
    fail_input(
        format("%s: its %d px are cut of %d from pixel %d on, which is not the place of %d cut "
               "of %d from pixel %d on; another --resize can make them one",
               place.c_str(), part.input_size, part.resize, corner(part), whole.input_size,
               whole.resize, corner(whole)));
  }
}

class Joiner {
 public:
  Joiner(const ModelSpec& spec, std::size_t nets) : spec_(spec), nets_(nets) {
    joined_.graph.add("input", op::Input{spec.channels(), spec.input_size, spec.input_size});
  }

  void add(const Checkpoint& net, const std::string& prefix, const std::string& place) {
    int features = shared_features(net.graph);
    if (features < 0) fail_input(place + ": its heads are no linear layers over the same features");
    // One dropout behind all features, so that what is before it can be computed once.
    if (const auto* drop = std::get_if<op::Dropout>(&net.graph.nodes()[features].operation)) {
      dropout_ = std::max(dropout_, drop->rate);
      features = net.graph.nodes()[features].inputs[0];
    }
    std::vector<int> moved = {add_input(net.spec, prefix)};
    const Graph body = backbone(net.graph, features);
    for (int i = 1; i < static_cast<int>(body.nodes().size()); ++i) {
      const Node& node = body.nodes()[i];
      std::vector<int> inputs;
      for (const int input : node.inputs) inputs.push_back(moved[input]);
      moved.push_back(joined_.graph.add(prefix + node.name, node.operation, inputs));
      for (const Parameter& parameter : body.parameters(i)) {
        joined_.weights[prefix + parameter.name] =
            net.weights.at(parameter.name).converted(DType::kF32);
      }
    }
    features_.push_back(moved.back());
    for (const HeadSpec& head : net.spec.heads) add_share(net, head);
  }

  Checkpoint finish() {
    int features = features_.front();
    for (std::size_t i = 1; i < features_.size(); ++i) {
      const std::string name = "features" + (i > 1 ? std::to_string(i) : std::string());
      features = joined_.graph.add(name, op::Concat{}, {features, features_[i]});
    }
    if (dropout_ > 0) features = joined_.graph.add("dropout", op::Dropout{dropout_}, {features});
    for (const HeadSpec& head : spec_.heads) {
      const Share& share = shares_.at(head.name);
      const auto classes = static_cast<std::int64_t>(head.labels.size());
      const std::string name = "head_" + head.name;
      const int node =
          joined_.graph.add(name, op::Linear{static_cast<int>(classes), true}, {features});
      joined_.graph.add_output(head.name, node);
      // A row a class: what each net's features count for.
      std::vector<float> rows;
      for (std::int64_t k = 0; k < classes; ++k) {
        for (const auto& weight : share.weights) {
          const auto inputs = static_cast<std::ptrdiff_t>(weight.size()) / classes;
          rows.insert(rows.end(), weight.begin() + k * inputs, weight.begin() + (k + 1) * inputs);
        }
      }
      const auto width = static_cast<std::int64_t>(rows.size()) / classes;
      joined_.weights[name + ".weight"] = HostTensor::from_floats({classes, width}, rows);
      joined_.weights[name + ".bias"] = HostTensor::from_floats({classes}, share.bias);
    }
    joined_.spec = spec_;
    return std::move(joined_);
  }

 private:
  struct Share {
    std::vector<std::vector<float>> weights;  // of each net, [classes, features]
    std::vector<float> bias;
  };

  // The input in the size and the scale that a net knows.
  int add_input(const ModelSpec& net, const std::string& prefix) {
    int x = 0;
    if (const int times = spec_.input_size / net.input_size; times > 1)
      x = joined_.graph.add(prefix + "stem.input", op::AvgPool{times, times}, {x});
    const int channels = spec_.channels();
    std::vector<float> factor, shift;
    for (int c = 0; c < channels; ++c) {
      const double scale = double{net.scale} / spec_.scale;
      factor.push_back(static_cast<float>(spec_.std[c] * scale / net.std[c]));
      shift.push_back(static_cast<float>((spec_.mean[c] * scale - net.mean[c]) / net.std[c]));
    }
    const auto is = [](float wanted) { return [wanted](float value) { return value == wanted; }; };
    if (std::ranges::all_of(factor, is(1)) && std::ranges::all_of(shift, is(0))) return x;
    const std::string name = prefix + "stem.scaling";
    joined_.weights[name + ".weight"] = HostTensor::from_floats({channels, 1, 1, 1}, factor);
    joined_.weights[name + ".bias"] = HostTensor::from_floats({channels}, shift);
    return joined_.graph.add(name,
                             op::Conv2d{.out_channels = channels,
                                        .kernel_height = 1,
                                        .kernel_width = 1,
                                        .stride = 1,
                                        .groups = channels,
                                        .bias = true},
                             {x});
  }

  void add_share(const Checkpoint& net, const HeadSpec& head) {
    const auto output = std::ranges::find(net.graph.outputs(), head.name, &Output::head);
    const std::string& name = net.graph.nodes()[output->node].name;
    // Divided by all temperatures' mean again, which stays a temperature (see joined_spec).
    const float share =
        spec_.head(head.name).temperature / (static_cast<float>(nets_) * head.temperature);
    const auto scaled = [&](const std::string& suffix) {
      auto values = net.weights.at(name + suffix).to_floats();
      for (float& value : values) value *= share;
      return values;
    };
    Share& sum = shares_[head.name];
    sum.weights.push_back(scaled(".weight"));
    sum.bias.resize(head.labels.size());
    if (!std::get<op::Linear>(net.graph.nodes()[output->node].operation).bias) return;
    const auto bias = scaled(".bias");
    std::ranges::transform(sum.bias, bias, sum.bias.begin(), std::plus<float>());
  }

  ModelSpec spec_;
  std::size_t nets_;
  Checkpoint joined_;
  std::vector<int> features_;  // of each net
  float dropout_ = 0;
  std::map<std::string, Share> shares_;
};

// The first net's, at the largest input and all nets' mean temperatures.
ModelSpec joined_spec(std::span<const Checkpoint> nets) {
  ModelSpec spec = nets.front().spec;
  std::vector<std::string> architectures;
  nlohmann::json parts = nlohmann::json::array();
  std::set<std::string> data;
  nlohmann::json splits = nlohmann::json::array(), older_split;
  for (const Checkpoint& net : nets) {
    if (net.spec.input_size > spec.input_size) {
      spec.input_size = net.spec.input_size;
      spec.resize = net.spec.resize;
    }
    architectures.push_back(net.spec.architecture);
    parts.push_back(net.spec.provenance);
    data.insert(net.spec.data_fingerprint);
    if (const auto split = facts(net.spec, "split"); !split.is_null()) older_split = split;
    for (const nlohmann::json& split : facts(net.spec, "drawn_splits")) {
      if (std::ranges::count(splits, split) == 0) splits.push_back(split);
    }
  }
  spec.architecture = join(architectures, " + ");
  if (data.size() > 1) spec.data_fingerprint.clear();
  const bool cut = std::ranges::any_of(
      nets, [](const Checkpoint& net) { return facts(net.spec, "detect") == true; });
  spec.provenance = {{"ensemble", std::move(parts)}};
  // What programs look at.
  if (!splits.empty()) spec.provenance["drawn_splits"] = splits;
  if (!older_split.is_null()) spec.provenance["split"] = older_split;
  if (cut) spec.provenance["detect"] = true;
  for (std::size_t h = 0; h < spec.heads.size(); ++h) {
    double logarithms = 0;
    for (const Checkpoint& net : nets) logarithms += std::log(net.spec.heads[h].temperature);
    spec.heads[h].temperature =
        static_cast<float>(std::exp(logarithms / static_cast<double>(nets.size())));
    spec.heads[h].uncertain_below = 0;
  }
  for (MixedHeadSpec& head : spec.mixed_heads) head.temperature = 1, head.uncertain_below = 0;
  return spec;
}

}  // namespace

Checkpoint join_nets(std::span<const Checkpoint> nets) {
  if (nets.size() < 2) fail_input("an ensemble is of at least two nets");
  const auto place_of = [](std::size_t i) { return "net " + std::to_string(i + 1); };
  for (std::size_t i = 1; i < nets.size(); ++i) {
    check_alike(nets.front().spec, nets[i].spec, place_of(i));
    for (std::size_t j = 0; j < i; ++j) check_splits(nets[j].spec, nets[i].spec, place_of(i));
  }
  const ModelSpec spec = joined_spec(nets);
  Joiner joiner(spec, nets.size());
  for (std::size_t i = 0; i < nets.size(); ++i) {
    const std::string number = std::to_string(i + 1), place = place_of(i);
    check_side(spec, nets[i].spec, place);
    joiner.add(nets[i], "net" + number + ".", place);
  }
  return joiner.finish();
}

}  // namespace fer
