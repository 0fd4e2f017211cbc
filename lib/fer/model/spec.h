// Everything a program must know to feed a network and to read its answer. It is stored in the
// checkpoint and is the only source of preprocessing and label order for every program.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fer/core/emotion.h"
#include "fer/core/image.h"
#include "fer/model/graph.h"
#include "fer/model/host_tensor.h"

namespace fer {

struct HeadSpec {
  std::string name;              // equals an Output::head of the graph
  LabelList labels;              // class index -> name
  float temperature = 1.0f;      // logits are divided by it before the softmax
  float uncertain_below = 0.0f;  // an answer whose best probability is lower reads "uncertain"
  bool operator==(const HeadSpec&) const = default;
};

// A head made of others: probability of a label = (sum of weight * that head's probability of the
// label) ^ (1 / temperature), over the labels of this list alone, normalised to 1.
struct MixedHeadSpec {
  std::string name;
  LabelList labels;
  std::vector<std::pair<std::string, float>> parts;  // (head, weight)
  float temperature = 1.0f;  // its own: a mean of calibrated heads is less sure than it is right
  float uncertain_below = 0.0f;
  bool operator==(const MixedHeadSpec&) const = default;
};

struct ModelSpec {
  std::string architecture;  // for people; the graph is what counts
  // A crop is resized to resize x resize, then the centre input_size x input_size is cut out
  // (training cuts elsewhere). resize >= input_size.
  int resize = 48;
  int input_size = 48;
  // Channels and their order: gray, gray3 (gray, repeated in three channels), rgb or bgr. A net
  // that learned from gray faces gets gray ones, whatever the picture.
  std::string colour = "gray";
  // value = (byte * scale - mean[c]) / std[c]
  float scale = 1.0f / 255.0f;
  std::vector<float> mean = {0.5f};
  std::vector<float> std = {0.25f};
  float crop_margin = 0.0f;  // of face_crop_box, for faces that a detector found
  std::vector<HeadSpec> heads;
  std::vector<MixedHeadSpec> mixed_heads;
  std::string default_head;      // a name of heads or mixed_heads
  std::string data_fingerprint;  // of the training data
  // Facts for people and reports: config, seed, commit, epoch, metrics. Free form, never needed to
  // run.
  nlohmann::json provenance = nlohmann::json::object();

  int channels() const { return colour == "gray" ? 1 : 3; }
  const HeadSpec& head(const std::string& name) const;  // throws kInput naming the heads there are
  bool operator==(const ModelSpec&) const = default;
};

nlohmann::json to_json(const ModelSpec& spec);
// Throws kInput naming the key on anything missing, unknown or out of range.
ModelSpec spec_from_json(const nlohmann::json& json);
// Throws kInput saying what differs: heads and class counts, channels, input size.
void check_spec(const ModelSpec& spec, const Graph& graph);

// [C, input_size, input_size] of one face crop of any size and colour, appended to `out`.
void preprocess(const ModelSpec& spec, const Image& crop, std::vector<float>& out);
// A batch [N, C, H, W].
HostTensor preprocess(const ModelSpec& spec, std::span<const Image> crops);

// softmax(logits / temperature)
std::vector<float> softmax(std::span<const float> logits, float temperature = 1.0f);

// Probabilities of one crop by head name, in the order of that head's labels.
using Probabilities = std::map<std::string, std::vector<float>>;
// logits [N, classes] by head -> one Probabilities a row, the mixed heads included.
std::vector<Probabilities> to_probabilities(const ModelSpec& spec,
                                            const std::map<std::string, HostTensor>& logits);
std::vector<std::string> head_names(const ModelSpec& spec);  // of mixed heads, too
// Labels of a head or mixed head.
const LabelList& labels_of(const ModelSpec& spec, const std::string& head);
float temperature(const ModelSpec& spec, const std::string& head);
float uncertain_below(const ModelSpec& spec, const std::string& head);

}  // namespace fer
