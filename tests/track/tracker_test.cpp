#include "fer/track/tracker.h"

#include <catch2/catch.hpp>

using namespace fer;

namespace {

Box face_at(float x, float y = 100, float size = 80) { return {x, y, size, size * 1.25f}; }

}  // namespace

TEST_CASE("a face that moves keeps its number, a new one takes the next") {
  Tracker tracker;
  for (int i = 0; i < 30; ++i) {
    const float moved = 10.0f * static_cast<float>(i);
    CHECK(tracker.update(std::vector{face_at(moved)}, i / 30.0) == std::vector{1});
  }
  CHECK(tracker.update(std::vector{face_at(600), face_at(290)}, 1.0) == std::vector{2, 1});
}

TEST_CASE("faces that pass each other keep their numbers as long as their boxes tell them apart") {
  Tracker tracker;
  // Two lanes: the boxes overlap by less than half when they pass.
  for (int i = 0; i <= 40; ++i) {
    const float x = 10.0f * static_cast<float>(i);
    CHECK(tracker.update(std::vector{face_at(x, 100), face_at(400 - x, 165)}, i / 30.0) ==
          std::vector{1, 2});
  }
}

TEST_CASE("the order in which a detector names the faces does not matter") {
  Tracker tracker;
  tracker.update(std::vector{face_at(0), face_at(300)}, 0);
  CHECK(tracker.update(std::vector{face_at(303), face_at(2)}, 0.04) == std::vector{2, 1});
}

TEST_CASE("a face that hides for a second comes back with its number, after long it is a new one") {
  Tracker tracker;
  tracker.update(std::vector{face_at(100)}, 0);
  for (int i = 1; i <= 30; ++i) CHECK(tracker.update({}, i / 30.0).empty());
  CHECK(tracker.remembers(1));
  // It moved by more than half its size meanwhile: the boxes hardly overlap.
  CHECK(tracker.update(std::vector{face_at(150)}, 1.03) == std::vector{1});
  tracker.update({}, 3.2);
  CHECK_FALSE(tracker.remembers(1));
  CHECK(tracker.boxes().empty());
  CHECK(tracker.update(std::vector{face_at(150)}, 3.3) == std::vector{2});
}

TEST_CASE("of frames that lie far apart a face is remembered longer, for that once") {
  Tracker tracker;
  tracker.update(std::vector{face_at(100)}, 0);
  CHECK(tracker.update(std::vector{face_at(100)}, 10, 15) == std::vector{1});
  tracker.update({}, 10.1, 0.15);
  CHECK(tracker.update(std::vector{face_at(100)}, 13, 4.35) == std::vector{1});
  CHECK(tracker.update({}, 13.1, 0.15).empty());
  CHECK(tracker.update({}, 15.2, 0.15).empty());
  CHECK(tracker.update(std::vector{face_at(100)}, 15.3, 0.15) == std::vector{2});
}

TEST_CASE("boxes are where each face is, or was last seen while it hides") {
  Tracker tracker;
  CHECK(tracker.boxes().empty());
  tracker.update(std::vector{face_at(0), face_at(300)}, 0);
  tracker.update(std::vector{face_at(310)}, 0.5);
  CHECK(tracker.boxes() == std::vector{face_at(0), face_at(310)});
  tracker.update(std::vector{face_at(320)}, 2.1);
  CHECK(tracker.boxes() == std::vector{face_at(320)});
}

TEST_CASE("a face far away or of another size is not the one that hides") {
  Tracker tracker;
  tracker.update(std::vector{face_at(100)}, 0);
  tracker.update({}, 0.1);
  CHECK(tracker.update(std::vector{face_at(400)}, 0.2) == std::vector{2});
  CHECK(tracker.update(std::vector{face_at(400), face_at(110, 100, 200)}, 0.3) ==
        std::vector{2, 3});
}

TEST_CASE("a number is given to one face of a frame alone") {
  Tracker tracker;
  tracker.update(std::vector{face_at(100)}, 0);
  CHECK(tracker.update(std::vector{face_at(104), face_at(101)}, 0.04) == std::vector{2, 1});
}
