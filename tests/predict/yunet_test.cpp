// YuNet on the engine of the classifiers finds what OpenCV's own detector finds.
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/model/network.h"
#include "fer/predict/engine.h"
#include "fer/vision/face_detector.h"
#include "support/real_data.h"
#include "support/sample_photos.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;

namespace {

MakeNetwork onednn() {
  for (const Engine& engine : light_engines()) {
    if (engine.make_network) return engine.make_network;
  }
  return nullptr;
}

// Counts the runs of another network: a detector that fell back to OpenCV has none.
class CountedNetwork : public Network {
 public:
  CountedNetwork(std::unique_ptr<Network> network, int& runs)
      : network_(std::move(network)), runs_(runs) {}
  void run(std::span<const float> input) override {
    ++runs_;
    network_->run(input);
  }
  std::span<const float> output(const std::string& head) const override {
    return network_->output(head);
  }

 private:
  std::unique_ptr<Network> network_;
  int& runs_;
};

double apart(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

}  // namespace

TEST_CASE("YuNet finds the same faces on oneDNN as on OpenCV, at any size of its input") {
  const auto yunet = real_data("face_detection_yunet_2022mar.onnx");
  if (yunet.empty() || sample_photos().empty()) return;
  if (!onednn()) {
    skip("built without oneDNN");
    return;
  }
  for (const int size : {320, 500}) {
    FaceDetectorOptions options;
    options.model = yunet;
    options.input_size = size;
    const auto opencv = create_face_detector(options);
    int runs = 0;
    options.make_network = [&runs](const Graph& graph, const TensorMap& weights) {
      return std::make_unique<CountedNetwork>(onednn()(graph, weights), runs);
    };
    const auto ours = create_face_detector(options);
    CHECK(ours->name() == opencv->name());
    for (const SamplePhoto& photo : sample_photos()) {
      const auto expected = opencv->detect(photo.image);
      INFO(photo.name << " at " << size);
      const int runs_before = runs;
      const auto found = ours->detect(photo.image);
      REQUIRE(runs > runs_before);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(std::abs(found[i].score - expected[i].score) < 1e-3);
        const Box &a = found[i].box, &b = expected[i].box;
        CHECK(intersection_over_union(a, b) > 0.995f);
        for (std::size_t k = 0; k < 5; ++k) {
          CHECK(apart((*found[i].landmarks)[k], (*expected[i].landmarks)[k]) < 0.01 * b.height);
        }
      }
    }
  }
}
