// Face detection on real photos.
#include <algorithm>

#include "fer/vision/face_detector.h"
#include "fer/vision/face_quality.h"
#include "support.h"
#include "support/real_data.h"
#include "support/sample_photos.h"

using namespace fer;
using namespace fer::test;

namespace {

struct Outcome {
  std::size_t named = 0, found = 0, surplus = 0;
};

Outcome look(FaceDetector& detector, const SamplePhoto& photo) {
  Outcome outcome;
  outcome.named = photo.faces.size();
  for (const Face& face : detector.detect(photo.image)) {
    const auto hit = [&](const SampleFace& named) {
      return intersection_over_union(named.box, face.box) >= 0.5f;
    };
    const bool right = std::any_of(photo.faces.begin(), photo.faces.end(), hit);
    ++(right ? outcome.found : outcome.surplus);
  }
  return outcome;
}

}  // namespace

TEST_CASE("YuNet finds each named face on the sample photos, and no other, at once") {
  const auto model = real_data("face_detection_yunet_2022mar.onnx");
  if (model.empty() || sample_photos().empty()) return;
  FaceDetectorOptions options;
  options.model = model;
  const auto detector = create_face_detector(options);
  CHECK_THAT(detector->name(), Catch::StartsWith("YuNet"));
  for (const SamplePhoto& photo : sample_photos()) {
    INFO(photo.name);
    const Outcome outcome = look(*detector, photo);
    CHECK(outcome.found == outcome.named);
    CHECK(outcome.surplus == 0);
  }
}

TEST_CASE("the Haar cascade finds most faces that look at the camera") {
  if (sample_photos().empty()) return;
  FaceDetectorOptions options;
  options.kind = "haar";
  const auto detector = create_face_detector(options);
  Outcome total;
  for (const SamplePhoto& photo : sample_photos()) {
    const Outcome outcome = look(*detector, photo);
    total.named += outcome.named;
    total.found += outcome.found;
    total.surplus += outcome.surplus;
  }
  CHECK(total.found >= total.named * 6 / 10);
  CHECK(total.surplus <= total.named / 8);
}

TEST_CASE("of the sample photos the profile is turned away and the faces in front are not") {
  const auto model = real_data("face_detection_yunet_2022mar.onnx");
  if (model.empty() || sample_photos().empty()) return;
  FaceDetectorOptions options;
  options.model = model;
  const auto detector = create_face_detector(options);
  const Box profile{352, 143, 196, 270};  // sample2.jpg, on the left
  int front = 0, refused = 0;
  for (const SamplePhoto& photo : sample_photos()) {
    for (const Face& face : detector->detect(photo.image)) {
      const auto issues = check_quality(photo.image, face);
      const bool turned =
          std::find(issues.begin(), issues.end(), QualityIssue::kTurned) != issues.end();
      if (photo.name == "sample2.jpg" && intersection_over_union(face.box, profile) > 0.5f) {
        CHECK(turned);
      } else {
        ++front;
        refused += !issues.empty();
      }
    }
  }
  CHECK(front >= 30);
  CHECK(refused <= 2);
}
