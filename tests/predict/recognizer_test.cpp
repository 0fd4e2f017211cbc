// The whole way, from photos of real people to labels, with the model that is shipped.
#include <algorithm>
#include <catch2/catch.hpp>

#include "fer/core/data_file.h"
#include "fer/core/error.h"
#include "fer/model/find_model.h"
#include "fer/vision/recognizer.h"
#include "support/real_data.h"
#include "support/sample_photos.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;

namespace {

// The model that programs take; "" after saying so where there is none.
std::filesystem::path default_model() {
  try {
    return find_model();
  } catch (const Error& error) {
    skip(error.what());
    return {};
  }
}

}  // namespace

TEST_CASE("what a person plainly sees on the sample photos is what the shipped model says") {
  const auto model = default_model();
  const auto yunet = real_data("face_detection_yunet_2022mar.onnx");
  if (model.empty() || yunet.empty() || sample_photos().empty()) return;
  RecognizerOptions options;
  options.detector.model = yunet;
  Recognizer recognizer = Recognizer::open(model, options);
  for (const SamplePhoto& photo : sample_photos()) {
    const std::vector<FaceResult> results = recognizer.analyze(photo.image);
    INFO(photo.name);
    CHECK(results.size() == photo.faces.size());
    for (const SampleFace& named : photo.faces) {
      const auto found = std::find_if(results.begin(), results.end(), [&](const FaceResult& r) {
        return intersection_over_union(r.face.box, named.box) >= 0.5f;
      });
      INFO("the face at " << named.box.x << ", " << named.box.y);
      REQUIRE(found != results.end());
      if (!named.label.empty()) CHECK(found->label == named.label);
    }
  }
}

TEST_CASE("the shipped model is small, stored in half precision, and answers with the six") {
  const auto model = find_data_file(kShippedModel);
  if (model.empty()) {
    skip(std::string("models/") + kShippedModel + " is not there");
    return;
  }
  CHECK(std::filesystem::file_size(model) <= 8'500'000);
  RecognizerOptions options;
  options.detector.kind = "none";
  const Recognizer recognizer = Recognizer::open(model, options);
  CHECK(recognizer.labels() == label_preset("six"));
  for (const char* head : {"fer2013", "ferplus"})
    CHECK(labels_of(recognizer.spec(), head) == label_preset(head));
}
