#include "fer/vision/face_detector.h"

#include <cmath>
#include <cstdlib>
#include <numbers>

#include "fer/core/file.h"
#include "fer/vision/face_quality.h"
#include "support/real_data.h"
#include "support/skip.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

constexpr const char* kCascade = "/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt.xml";

FaceDetectorOptions cascade() {
  FaceDetectorOptions options;
  options.kind = "haar";
  return options;
}

// FER_YUNET for the length of a test.
class Environment {
 public:
  explicit Environment(const std::string& value) {
    if (const char* old = std::getenv("FER_YUNET")) old_ = old;
    ::setenv("FER_YUNET", value.c_str(), 1);
  }
  ~Environment() {
    old_.empty() ? ::unsetenv("FER_YUNET") : ::setenv("FER_YUNET", old_.c_str(), 1);
  }

 private:
  std::string old_;
};

}  // namespace

TEST_CASE("a detector that does not exist, or whose file does not, is named") {
  FaceDetectorOptions options;
  options.kind = "yumet";
  CHECK_THAT(message_of([&] { create_face_detector(options); }),
             Catch::Contains("did you mean 'yunet'?"));
  options = {};
  options.model = "none.onnx";
  CHECK_THAT(message_of([&] { create_face_detector(options); }), Catch::Contains("none.onnx"));
  options = {};
  options.input_size = 5;
  CHECK_THAT(message_of([&] { create_face_detector(options); }), Catch::Contains("5 pixels"));
  const Environment yunet("/nowhere/yunet.onnx");
  CHECK_THAT(message_of([] { create_face_detector(); }),
             Catch::Contains("FER_YUNET") && Catch::Contains("/nowhere/yunet.onnx"));
}

TEST_CASE("a file that is no model is an error that names it, for both detectors") {
  const TempFolder folder;
  for (const char* name : {"broken.onnx", "broken.xml"}) {
    write_file_atomically(folder / name, std::string_view("this is no model"));
    FaceDetectorOptions options;
    options.model = folder / name;
    CHECK_THAT(message_of([&] { create_face_detector(options); }), Catch::Contains(name));
  }
}

TEST_CASE("auto takes YuNet from FER_YUNET, and a given cascade as one") {
  if (!std::filesystem::exists(kCascade)) {
    skip("opencv-data is not installed");
    return;
  }
  FaceDetectorOptions options;
  options.model = kCascade;
  CHECK(resolve_face_detector(options).kind == "haar");
  CHECK(create_face_detector(options)->name() == "Haar cascade (haarcascade_frontalface_alt.xml)");
  const auto file = real_data("face_detection_yunet_2022mar.onnx");
  if (file.empty()) return;
  const Environment yunet(file.string());
  CHECK(resolve_face_detector({}).kind == "yunet");
  CHECK(resolve_face_detector({}).model == file);
  CHECK(create_face_detector()->name() == "YuNet (face_detection_yunet_2022mar.onnx)");
  CHECK(create_face_detector(cascade())->name() ==
        "Haar cascade (haarcascade_frontalface_alt.xml)");
}

TEST_CASE("pictures of any shape without a face have none") {
  if (!std::filesystem::exists(kCascade)) {
    skip("opencv-data is not installed");
    return;
  }
  std::vector<FaceDetectorOptions> all = {cascade()};
  if (const auto file = real_data("face_detection_yunet_2022mar.onnx"); !file.empty()) {
    all.emplace_back();
    all.back().model = file;
  }
  for (const FaceDetectorOptions& options : all) {
    const auto detector = create_face_detector(options);
    INFO(detector->name());
    CHECK(detector->detect(Image(1, 1, 1)).empty());
    CHECK(detector->detect(Image(2000, 3, 3, 90)).empty());
    CHECK(detector->detect(Image(3, 500, 3, 200)).empty());
    CHECK(detector->detect(corners(640, 480)).empty());
    CHECK(detector->detect(noise(320, 240, 3, 1)).empty());
    CHECK(detector->detect(Image(333, 251, 4, 7)).empty());
  }
}

TEST_CASE("a turn of the head is the way of the nose from the middle of the eyes, at any roll") {
  // Eyes 40 apart, the nose 5 to the right of their middle: 5 / 40.
  const Landmarks face = {{{100, 100}, {140, 100}, {125, 130}, {105, 150}, {135, 150}}};
  CHECK(turn(face) == Approx(0.125f));
  Landmarks rolled = face;
  const float angle = 0.6f;
  for (Point& p : rolled)
    p = {std::cos(angle) * p.x - std::sin(angle) * p.y,
         std::sin(angle) * p.x + std::cos(angle) * p.y};
  CHECK(turn(rolled) == Approx(0.125f).epsilon(1e-4));
  Landmarks profile = face;
  profile[2].x = 145;
  CHECK(turn(profile) > QualityLimits{}.max_turn);
  Landmarks other_way = face;
  other_way[2].x = 115;
  CHECK(turn(other_way) == Approx(0.125f));
  other_way[2].x = 95;
  CHECK(turn(other_way) > QualityLimits{}.max_turn);
}

TEST_CASE("sharpness falls with blur and not with size, light or contrast") {
  const auto box = [](const Image& image) {
    return Box{0, 0, float(image.width), float(image.height)};
  };
  const Image detail = resize(noise(24, 24, 1, 7), 240, 240);
  const float sharp = sharpness(detail, box(detail));
  const Image larger = resize(detail, 480, 480);
  CHECK(sharpness(larger, box(larger)) == Approx(sharp).epsilon(0.05));
  Image dim = detail;
  for (auto& p : dim.pixels) p = static_cast<std::uint8_t>(60 + p / 4);
  CHECK(sharpness(dim, box(dim)) == Approx(sharp).epsilon(0.05));
  const Image soft = resize(resize(detail, 8, 8), 240, 240);
  CHECK(sharpness(soft, box(soft)) < sharp / 4);
  CHECK(sharpness(Image(50, 50, 3, 128), {0, 0, 50, 50}) == 0.0f);
}

TEST_CASE("what is wrong with a face is named: too small, blurred, turned away") {
  const Image detail = resize(noise(96, 96, 1, 8), 384, 384);
  Face face;
  face.box = {32, 0, 300, 375};
  CHECK(check_quality(detail, face).empty());
  face.landmarks = Landmarks{{{100, 100}, {140, 100}, {150, 130}, {105, 150}, {135, 150}}};
  CHECK(check_quality(detail, face) == std::vector{QualityIssue::kTurned});
  face.landmarks.reset();
  face.box = {10, 10, 16, 20};
  const auto issues = check_quality(detail, face);
  REQUIRE_FALSE(issues.empty());
  CHECK(to_string(issues[0]) == "too small");
  face.box = {0, 0, 300, 375};
  CHECK(check_quality(corners(300, 375), face) == std::vector{QualityIssue::kBlurred});
}
