#include "fer/live/following_detector.h"

#include <chrono>
#include <thread>

#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

// Knows where the face is, after a while; counts how often it was asked.
class Oracle : public FaceDetector {
 public:
  Oracle(const Box& truth, int& looks, std::chrono::milliseconds takes = {})
      : truth_(truth), looks_(looks), takes_(takes) {}
  std::string name() const override { return "oracle"; }
  std::vector<Face> detect(const Image&) override {
    ++looks_;
    std::this_thread::sleep_for(takes_);
    Face face;
    face.box = truth_;
    return {face};
  }

 private:
  const Box& truth_;
  int& looks_;
  std::chrono::milliseconds takes_;
};

Image scene(const Box& face) {
  Image image = corners(640, 480);
  const Image texture =
      resize(noise(8, 10, 3, 5), static_cast<int>(face.width), static_cast<int>(face.height));
  for (int y = 0; y < texture.height; ++y) {
    for (int x = 0; x < texture.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.at(static_cast<int>(face.x) + x, static_cast<int>(face.y) + y, c) =
            texture.at(x, y, c);
      }
    }
  }
  return image;
}

}  // namespace

TEST_CASE("between two looks a face is followed to where it moves") {
  Box truth{200, 150, 80, 100};
  int looks = 0;
  const auto detector =
      make_following_detector(std::make_unique<Oracle>(truth, looks), {.every = 5});
  for (int i = 0; i < 20; ++i) {
    const auto faces = detector->detect(scene(truth));
    REQUIRE(faces.size() == 1);
    CHECK(faces[0].box.x == Approx(truth.x).margin(2.5));
    CHECK(faces[0].box.y == Approx(truth.y).margin(2.5));
    truth.x += 6;
    truth.y -= 2;
  }
  CHECK(looks == 4);
}

TEST_CASE("left to itself the detector looks as often as half the time between pictures allows") {
  const Box truth{200, 150, 80, 100};
  const auto looks_at = [&](int pictures, std::chrono::milliseconds takes, double frame_time) {
    int looks = 0;
    const auto detector = make_following_detector(std::make_unique<Oracle>(truth, looks, takes),
                                                  {.every = 0, .frame_time = frame_time});
    for (int i = 0; i < pictures; ++i) REQUIRE(detector->detect(scene(truth)).size() == 1);
    return looks;
  };
  CHECK(looks_at(12, std::chrono::milliseconds(0), 100) == 12);
  // A look takes five halves of what it may, so that it is due with each third picture, or later
  // where the machine is slow.
  const int some = looks_at(12, std::chrono::milliseconds(25), 0.02);
  CHECK(some <= 4);
  CHECK(some >= 2);
  // However slow, a new face waits no longer than ten pictures.
  CHECK(looks_at(21, std::chrono::milliseconds(25), 0.001) == 3);
}

TEST_CASE("a face that is no longer there makes the detector look at once") {
  Box truth{200, 150, 80, 100};
  int looks = 0;
  const auto detector =
      make_following_detector(std::make_unique<Oracle>(truth, looks), {.every = 100});
  detector->detect(scene(truth));
  detector->detect(scene(truth));
  CHECK(looks == 1);
  truth = {420, 300, 80, 100};
  const auto faces = detector->detect(scene(truth));
  CHECK(looks == 2);
  CHECK(faces.at(0).box == truth);
}

TEST_CASE("while it always looks, the detector sees every picture") {
  Box truth{200, 150, 80, 100};
  int looks = 0;
  std::atomic<bool> always{false};
  FollowOptions options;
  options.every = 5;
  options.always = &always;
  const auto detector = make_following_detector(std::make_unique<Oracle>(truth, looks), options);
  for (const auto& [wanted, seen] :
       {std::pair(false, 1), std::pair(true, 5), std::pair(false, 5)}) {
    always = wanted;
    for (int i = 0; i < 4; ++i) detector->detect(scene(truth));
    CHECK(looks == seen);
  }
}

TEST_CASE("a face that comes in over the edge is followed to where it is") {
  Box truth{-30, 150, 80, 100};
  const auto half_in = [&] {
    // The scene is larger than the picture, which sees it from x = 100 on.
    Box shifted = truth;
    shifted.x += 100;
    const Image large = scene(shifted);
    return crop(large, {100, 0, 540, 480}, 540, 480);
  };
  int looks = 0;
  const auto detector =
      make_following_detector(std::make_unique<Oracle>(truth, looks), {.every = 60});
  for (int i = 0; i < 12; ++i) {
    const auto faces = detector->detect(half_in());
    REQUIRE(faces.size() == 1);
    CHECK(faces[0].box.x == Approx(truth.x).margin(2.5));
    CHECK(faces[0].box.y == Approx(truth.y).margin(2.5));
    truth.x += 4;
  }
  CHECK(looks == 1);
}

TEST_CASE("a picture of one row is followed in, too") {
  Box truth{200, 0, 80, 1};
  int looks = 0;
  const auto detector =
      make_following_detector(std::make_unique<Oracle>(truth, looks), {.every = 2});
  for (int i = 0; i < 4; ++i) CHECK_NOTHROW(detector->detect(Image(1000, 1, 3, 90)));
  CHECK(looks >= 2);
}

TEST_CASE("every frame means the detector itself") {
  Box truth{200, 150, 80, 100};
  int looks = 0;
  const auto detector =
      make_following_detector(std::make_unique<Oracle>(truth, looks), {.every = 1});
  for (int i = 0; i < 5; ++i) detector->detect(scene(truth));
  CHECK(looks == 5);
}
