#include "fer/vision/overlay.h"

#include "fer/vision/annotate.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

bool inside(const Box& box, int width, int height) {
  return box.x >= 0 && box.y >= 0 && box.x + box.width <= static_cast<float>(width) &&
         box.y + box.height <= static_cast<float>(height);
}

bool apart(const Box& a, const Box& b) {
  return a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y ||
         b.y + b.height <= a.y;
}

void check_layout(int width, int height, const std::vector<Box>& faces,
                  const std::vector<LabelSize>& sizes) {
  const auto places = place_labels(width, height, faces, sizes);
  REQUIRE(places.size() == faces.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].width == 0) continue;
    CHECK(inside(places[i], width, height));
    CHECK(places[i].width == static_cast<float>(sizes[i].width));
    for (std::size_t j = 0; j < i; ++j)
      CHECK((places[j].width == 0 || apart(places[i], places[j])));
  }
}

std::vector<Annotation> five_faces(int width, int height) {
  std::vector<Annotation> faces;
  const char* labels[] = {"happy", "neutral", "surprised", "contemptuous", "sad"};
  for (int i = 0; i < 5; ++i) {
    const auto side = static_cast<float>(height) * 0.3f;
    Annotation face;
    face.box = {static_cast<float>(width) * (0.02f + 0.17f * static_cast<float>(i)),
                static_cast<float>(height) * (i % 2 ? 0.05f : 0.3f), side, side};
    face.title = std::string(labels[i]) + " 100 %";
    face.colour = {200, 30, 30};
    for (const char* label : labels) face.bars.push_back({label, 0.4f, {30, 200, 30}});
    faces.push_back(face);
  }
  return faces;
}

}  // namespace

TEST_CASE("labels are inside the picture and apart, however the faces lie") {
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    const int width = 64 + static_cast<int>(rng.below(800)),
              height = 64 + static_cast<int>(rng.below(600));
    std::vector<Box> faces;
    std::vector<LabelSize> sizes;
    for (std::uint32_t i = 0; i < 1 + rng.below(9); ++i) {
      const auto side = static_cast<float>(rng.uniform(10, 300));
      // Some of them reach outside.
      faces.push_back({static_cast<float>(rng.uniform(-50, width)),
                       static_cast<float>(rng.uniform(-50, height)), side, side});
      sizes.push_back(
          {20 + static_cast<int>(rng.below(120)), 10 + static_cast<int>(rng.below(30))});
    }
    check_layout(width, height, faces, sizes);
  }
}

TEST_CASE("a single label stands above its box, and below it where there is no room above") {
  const std::vector<LabelSize> size = {{60, 20}};
  const Box low{100, 100, 80, 100}, high{100, 5, 80, 100};
  CHECK(place_labels(400, 300, std::vector{low}, size)[0] == Box{100, 80, 60, 20});
  CHECK(place_labels(400, 300, std::vector{high}, size)[0] == Box{100, 105, 60, 20});
}

TEST_CASE("five faces that fill a picture of 320 pixels all get a label that can be read") {
  const auto faces = five_faces(320, 240);
  std::vector<Box> boxes;
  for (const Annotation& face : faces) boxes.push_back(face.box);
  const std::vector<LabelSize> sizes(5, {110, 18});
  for (const Box& place : place_labels(320, 240, boxes, sizes)) CHECK(place.width == 110);
  check_layout(320, 240, boxes, sizes);
}

TEST_CASE("labels that must stand beside their face and cover none rather stay away") {
  const std::vector<Box> faces = {{0, 0, 100, 100}};
  const std::vector<LabelSize> sizes = {{50, 50}};
  CHECK(place_labels(100, 100, faces, sizes, {}, true)[0].width == 0);
  CHECK(place_labels(100, 100, faces, sizes, {}, false)[0].width == 50);
  CHECK(place_labels(160, 100, faces, sizes, {}, true)[0].x >= 100);
}

TEST_CASE("drawing keeps the size of a picture, from a few pixels to 4K, and makes it RGB") {
  for (const auto& [width, height] : {std::pair{1, 1}, {40, 30}, {320, 240}, {3840, 2160}}) {
    Image image = corners(width, height, 1);
    draw_annotations(image, five_faces(width, height));
    draw_status(image, "30 frames/s");
    CHECK(image.width == width);
    CHECK(image.height == height);
    CHECK(image.channels == 3);
  }
}

TEST_CASE("text grows with the picture: its share of a 4K picture is that of a smaller one") {
  const auto text_rows = [](int width, int height) {
    Image image(width, height, 3, 255);
    draw_status(image, "HHHH");
    int rows = 0;  // the darkened line is as high as its text and a margin
    while (rows < height && image.at(0, rows) < 255) ++rows;
    return rows;
  };
  CHECK(text_rows(320, 240) >= 14);
  CHECK(text_rows(3840, 2160) == Approx(3 * text_rows(1280, 720)).margin(4));
}

TEST_CASE("an answer is drawn in its label's colour, an uncertain one in gray, an issue by name") {
  FaceResult face;
  face.label = "happy";
  face.confidence = 0.934f;
  face.uncertain = false;
  face.probabilities["six"] = {0.066f, 0.934f};
  const LabelList labels = {"sad", "happy"};
  const Annotation sure = annotation(face, "six", labels, 2);
  CHECK(sure.title == "happy 93 %");
  CHECK(sure.colour == label_colour("happy", 1));
  REQUIRE(sure.bars.size() == 2);
  REQUIRE(annotation(face, "six", labels, 1).bars.size() == 1);
  CHECK(annotation(face, "six", labels, 1).bars[0].label == "happy");
  CHECK(sure.bars[1].value == Approx(0.934f));
  face.uncertain = true;
  CHECK(annotation(face, "six", labels, 2).title == "uncertain 93 %");
  CHECK(annotation(face, "six", labels, 2).colour == Annotation{}.colour);
  FaceResult unclear;
  unclear.issues = {QualityIssue::kBlurred, QualityIssue::kTurned};
  CHECK(annotation(unclear, "six", labels, 2).title == "blurred, turned away");
  CHECK(annotation(unclear, "six", labels, 2).bars.empty());
}

TEST_CASE("a pixelated box keeps nothing finer than an eighth of it, and the rest stays") {
  Image image = noise(200, 100, 3, 2);
  const Image before = image;
  pixelate(image, {150, 20, 80, 40});  // reaches over the right edge
  std::size_t changed = 0;
  for (int y = 0; y < 100; ++y) {
    for (int x = 0; x < 200; ++x) {
      const bool within = x >= 150 && y >= 20 && y < 60;
      if (!within) CHECK(image.at(x, y) == before.at(x, y));
      changed += image.at(x, y) != before.at(x, y);
    }
  }
  CHECK(changed > 1500);
  for (int c = 0; c < 3; ++c) CHECK(image.at(151, 21, c) == image.at(158, 24, c));  // 10 x 5
  pixelate(image, {500, 500, 10, 10});
}
