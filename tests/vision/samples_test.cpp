// Faces on real photos: samples.json says what a person sees on those that scripts/fetch-samples.sh
// brings. FER_SAMPLES names their folder.
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fer/core/file.h"
#include "fer/vision/face_detector.h"
#include "fer/vision/face_quality.h"
#include "fer/vision/frame_source.h"
#include "fer/vision/image_io.h"
#include "support.h"
#include "support/real_data.h"

using namespace fer;
using namespace fer::test;

namespace {

struct SamplePhoto {
  std::string name;
  Image image;
  std::vector<Box> faces;
};

// Empty, after saying so, where the samples are not.
const std::vector<SamplePhoto>& sample_photos() {
  static const std::vector<SamplePhoto> photos = [] {
    std::vector<SamplePhoto> found;
    const char* folder = std::getenv("FER_SAMPLES");
    if (folder == nullptr || *folder == '\0') return found;
    const auto list = nlohmann::json::parse(
        read_text_file(std::string(FER_SOURCE_DIR) + "/tests/vision/samples.json"));
    for (const auto& entry : list) {
      const std::string file = std::string(folder) + "/" + entry.at("file").get<std::string>();
      if (!std::filesystem::exists(file)) continue;
      SamplePhoto photo;
      photo.name = entry.at("file").get<std::string>();
      if (entry.contains("frame")) {
        FrameSourceOptions options;
        options.source = file;
        const auto clip = open_frame_source(options);
        for (int i = 0; i < entry.at("frame").get<int>(); ++i) clip->skip();
        photo.image = clip->next().value().image;
        photo.name += " frame " + std::to_string(entry.at("frame").get<int>());
      } else {
        photo.image = read_image(file);
      }
      for (const auto& face : entry.at("faces")) {
        const auto& b = face.at("box");
        photo.faces.push_back({b.at(0), b.at(1), b.at(2), b.at(3)});
      }
      found.push_back(std::move(photo));
    }
    return found;
  }();
  if (photos.empty()) std::cout << "SKIPPED: FER_SAMPLES names no folder with the sample photos\n";
  return photos;
}

struct Outcome {
  std::size_t named = 0, found = 0, surplus = 0;
};

Outcome look(FaceDetector& detector, const SamplePhoto& photo) {
  Outcome outcome;
  outcome.named = photo.faces.size();
  for (const Face& face : detector.detect(photo.image)) {
    const auto hit = [&](const Box& box) { return intersection_over_union(box, face.box) >= 0.5f; };
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
