#include "fer/eval/predict.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/eval/calibration.h"

using namespace fer;

namespace {

// Its logits are the first pixels of the face, so that every answer can be told by hand.
class PixelReader : public Classifier {
 public:
  explicit PixelReader(LabelList labels, float temperature = 1) {
    spec_.mean = {0};
    spec_.std = {1};
    spec_.heads = {{"face", std::move(labels), temperature, 0.0f}};
    spec_.default_head = "face";
  }
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    const auto classes = static_cast<std::int64_t>(spec_.heads[0].labels.size());
    HostTensor out = HostTensor::zeros({batch.shape[0], classes});
    for (std::int64_t i = 0; i < batch.shape[0]; ++i) {
      for (std::int64_t c = 0; c < classes; ++c)
        out.floats()[i * classes + c] = batch.floats()[i * 48 * 48 + c];
    }
    return {{"face", out}};
  }

 private:
  ModelSpec spec_;
};

OpenedDataset faces(const std::string& labels, const std::string& path = "synthetic:60") {
  DatasetOptions options;
  options.path = path;
  options.heads = {{"face", labels, TargetKind::kLabel}, {"every label", "auto"}};
  return open_dataset(options);
}

double pixel(const Dataset& data, std::int64_t i, int at) {
  return data.image(i).pixels[static_cast<std::size_t>(at)] / 255.0;
}

}  // namespace

TEST_CASE("predictions stand in the data's labels, whatever the order and number of the model's") {
  const auto data = labelled(faces("happy,sad,angry").train);
  CHECK(data->size() == 24);  // three of six classes
  PixelReader net({"sad", "disgusted", "angry", "happy"});
  std::int64_t seen = 0;
  PredictOptions options{"face", Views::kOne, 7, [&](std::int64_t done) { seen = done; }};
  const Predictions p = predict(net, *data, options);
  CHECK(seen == 24);
  CHECK(p.labels == LabelList{"happy", "sad", "angry"});
  REQUIRE(p.size() == 24);
  for (const std::int64_t i : {0, 6, 7, 23}) {
    CHECK(p.truth[i] == data->target(i, 0).label);
    const double happy = std::exp(pixel(*data, i, 3)), sad = std::exp(pixel(*data, i, 0)),
                 angry = std::exp(pixel(*data, i, 2));
    CHECK(p.row(i)[0] == Approx(happy / (happy + sad + angry)).epsilon(1e-4));
    CHECK(p.row(i)[2] == Approx(angry / (happy + sad + angry)).epsilon(1e-4));
  }
}

TEST_CASE("a label that the model has not, and a sample without one, are refused") {
  const auto data = faces("happy,sad,angry").train;
  PixelReader net({"happy", "sad", "angry"});
  const PredictOptions options{"face"};
  CHECK_THROWS_WITH(predict(net, *data, options),
                    Catch::Contains("there is no label to score against"));
  PixelReader other({"happy", "sad", "bored"});
  CHECK_THROWS_WITH(predict(other, *labelled(data), options),
                    "the model: the data has the label 'angry', head 'face' has not (it has happy, "
                    "sad, bored)");
  CHECK_THROWS_AS(predict(net, *labelled(data), {"nose"}), Error);
}

TEST_CASE("a calibrated spec makes every classifier answer with the fitted temperature") {
  const auto data = labelled(faces("happy,sad,angry", "synthetic:150").train);
  const LabelList labels = {"happy", "sad", "angry"};
  PixelReader net(labels, 0.2f);
  const Predictions before = predict(net, *data, {"face"});
  const ModelSpec fitted = calibrated(net.spec(), "face", before, 0.4);
  const float temperature = fitted.heads[0].temperature;
  CHECK(temperature == Approx(0.2 * fit_temperature(before)));
  PixelReader mended(labels, temperature);
  const Predictions after = predict(mended, *data, {"face"});
  CHECK(compute_metrics(after).nll < compute_metrics(before).nll);
  const Predictions same = apply_temperature(before, fit_temperature(before));
  for (std::int64_t i = 0; i < same.size(); ++i)
    CHECK(after.row(i)[0] == Approx(same.row(i)[0]).epsilon(1e-4));
}
