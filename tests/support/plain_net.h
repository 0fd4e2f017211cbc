// Nets that can be reckoned by hand, and trainings that leave them as they are.
#pragma once

#include <memory>
#include <vector>

#include "fer/data/dataset.h"
#include "fer/model/checkpoint.h"
#include "fer/nn/augment.h"
#include "fer/train/options.h"

namespace fer::test {

// Pictures of side x side whose mean, -2 (black) to 2 (white), every head answers by weight and
// bias.
inline OpenedDataset as_opened(std::shared_ptr<const Dataset> data) {
  OpenedDataset opened;
  opened.train = opened.val = data;
  opened.test = subset(data, {});
  opened.fingerprint = fingerprint(*data);
  return opened;
}

struct PlainHead {
  std::vector<float> weight, bias;  // a class
};

inline Checkpoint plain_net(const OpenedDataset& data, const std::vector<PlainHead>& given,
                            int side = 8) {
  Checkpoint c;
  const int input = c.graph.add("input", op::Input{1, side, side});
  const int mean = c.graph.add("mean", op::GlobalAvgPool{}, {input});
  for (std::size_t h = 0; h < given.size(); ++h) {
    const HeadLabels& head = data.train->heads()[h];
    const auto classes = static_cast<std::int64_t>(head.labels.size());
    const std::string layer = "head_" + head.name;
    c.graph.add_output(head.name,
                       c.graph.add(layer, op::Linear{static_cast<int>(classes), true}, {mean}));
    c.weights[layer + ".weight"] = HostTensor::from_floats({classes, 1}, given[h].weight);
    c.weights[layer + ".bias"] = HostTensor::from_floats({classes}, given[h].bias);
    c.spec.heads.push_back({head.name, head.labels, 1.0f, 0.0f});
  }
  c.spec.architecture = "plain";
  c.spec.resize = c.spec.input_size = side;
  c.spec.default_head = c.spec.heads[0].name;
  c.spec.data_fingerprint = data.fingerprint;
  return c;
}

// One step over everything that changes nothing.
inline TrainOptions still(const OpenedDataset& data) {
  TrainOptions o;
  o.epochs = 1;
  o.batch_size = static_cast<int>(data.train->size());
  o.device = "cpu";
  o.amp = "off";
  o.opt = "sgd";
  o.lr = 1e-30;
  o.warmup_epochs = 0;
  o.ema = 0;
  o.label_smoothing = 0;
  return o;
}

inline AugmentOptions without_augmentation() {
  AugmentOptions a;
  a.enabled = false;
  return a;
}

}  // namespace fer::test
