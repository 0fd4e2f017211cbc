// Face detection on real photos.
#include <algorithm>

#include "fer/vision/face_detector.h"
#include "fer/vision/face_quality.h"
#include "fer/vision/recognizer.h"
#include "support/real_data.h"
#include "support/sample_photos.h"
#include "support/tone_classifier.h"

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

TEST_CASE("a face that is tilted is turned upright by its eyes before it is cut out") {
  const auto model = real_data("face_detection_yunet_2022mar.onnx");
  if (model.empty() || sample_photos().empty()) return;
  FaceDetectorOptions options;
  options.model = model;
  const auto detector = create_face_detector(options);
  const auto photo = std::ranges::find(sample_photos(), "astronaut.png", &SamplePhoto::name);
  REQUIRE(photo != sample_photos().end());
  const Image& image = photo->image;
  const Box all{0, 0, static_cast<float>(image.width), static_cast<float>(image.height)};
  const auto cut = [](const Image& picture, const Face& face) {
    return to_gray(face_crop(picture, face, ModelSpec{}, 48));
  };
  const Face upright = detector->detect(image).at(0);
  const Image expected = cut(image, upright);
  const auto difference = [&](const Image& found) {
    double sum = 0;
    for (std::size_t i = 0; i < found.pixels.size(); ++i)
      sum += std::abs(found.pixels[i] - expected.pixels[i]);
    return sum / static_cast<double>(found.pixels.size());
  };
  for (const float angle : {-0.4f, 0.25f, 0.4f}) {
    const Image tilted = crop(image, all, image.width, image.height, angle);
    const std::vector<Face> faces = detector->detect(tilted);
    REQUIRE(faces.size() == 1);
    // YuNet places the eyes of a small face to about a tenth of their distance.
    CHECK(faces[0].roll == Approx(upright.roll - angle).margin(0.2));
    Face as_it_is = faces[0];
    as_it_is.roll = 0;
    CHECK(difference(cut(tilted, faces[0])) < difference(cut(tilted, as_it_is)));
  }
}
