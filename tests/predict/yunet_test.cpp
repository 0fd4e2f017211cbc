// YuNet on the engine of the classifiers finds what OpenCV's own detector finds.
#include <catch2/catch.hpp>
#include <cmath>

#include "fer/predict/engine.h"
#include "fer/vision/face_detector.h"
#include "support/real_data.h"
#include "support/sample_photos.h"

using namespace fer;
using namespace fer::test;

namespace {

MakeNetwork onednn() {
  for (const Engine& engine : light_engines()) {
    if (engine.make_network) return engine.make_network;
  }
  return nullptr;
}

double apart(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

}  // namespace

TEST_CASE("YuNet finds the same faces on oneDNN as on OpenCV, at any size of its input") {
  const auto yunet = real_data("face_detection_yunet_2022mar.onnx");
  if (yunet.empty() || sample_photos().empty()) return;
  if (!onednn()) {
    std::cout << "SKIPPED: built without oneDNN\n";
    return;
  }
  for (const int size : {320, 500}) {
    FaceDetectorOptions options;
    options.model = yunet;
    options.input_size = size;
    const auto opencv = create_face_detector(options);
    options.make_network = onednn();
    const auto ours = create_face_detector(options);
    CHECK(ours->name() == opencv->name());
    for (const SamplePhoto& photo : sample_photos()) {
      const auto expected = opencv->detect(photo.image);
      const auto found = ours->detect(photo.image);
      INFO(photo.name << " at " << size);
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
