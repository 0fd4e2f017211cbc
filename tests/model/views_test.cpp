#include "fer/model/views.h"

#include <catch2/catch.hpp>

#include "fer/core/error.h"

using namespace fer;

namespace {

// Answers with the mean of the left column and the mean of the whole: sees shifts and mirrors.
class Edges : public Classifier {
 public:
  Edges(int resize, int input_size) {
    spec_.resize = resize;
    spec_.input_size = input_size;
    spec_.mean = {0};
    spec_.std = {1};
    spec_.heads = {{"where", {"left", "all"}, 1.0f, 0.0f}};
    spec_.default_head = "where";
  }
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    const auto side = static_cast<std::size_t>(spec_.input_size);
    REQUIRE(batch.shape == Shape{batch.shape[0], 1, spec_.input_size, spec_.input_size});
    HostTensor out = HostTensor::zeros({batch.shape[0], 2});
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.shape[0]); ++i) {
      for (std::size_t p = 0; p < side * side; ++p) {
        const float value = batch.floats()[i * side * side + p];
        if (p % side == 0) out.floats()[2 * i] += value / static_cast<float>(side);
        out.floats()[2 * i + 1] += value / static_cast<float>(side * side);
      }
    }
    return {{"where", out}};
  }

 private:
  ModelSpec spec_;
};

Image ramp(int side) {  // every pixel another value
  Image image(side, side, 1);
  for (int i = 0; i < side * side; ++i) image.pixels[i] = static_cast<std::uint8_t>(7 * i);
  return image;
}

// The probability of "left" for the window at (x, y), mirrored or not, computed without the
// library.
double left_of(const Image& image, int x, int y, int size, bool mirror) {
  double left = 0, all = 0;
  for (int r = 0; r < size; ++r) {
    left += image.at(mirror ? x + size - 1 : x, y + r) / 255.0 / size;
    for (int c = 0; c < size; ++c) all += image.at(x + c, y + r) / 255.0 / (size * size);
  }
  return 1 / (1 + std::exp(all - left));
}

}  // namespace

TEST_CASE("flip is the mean of a face and its mirror image") {
  Edges net(6, 6);
  const std::vector<Image> faces = {ramp(6), Image(6, 6, 1, 9), ramp(6)};
  const auto answers = classify(net, faces, Views::kFlip, 2);
  REQUIRE(answers.size() == 3);
  const double wanted = (left_of(faces[0], 0, 0, 6, false) + left_of(faces[0], 0, 0, 6, true)) / 2;
  CHECK(answers[0].at("where")[0] == Approx(wanted).epsilon(1e-5));
  CHECK(answers[2] == answers[0]);
  CHECK(answers[1].at("where")[0] == Approx(0.5));
  CHECK(classify(net, faces, Views::kOne) == net.classify(faces));
}

TEST_CASE("ten is the mean of the centre and the four corners, mirrored and not") {
  Edges net(8, 5);
  const Image face = ramp(8);
  double wanted = 0;
  for (const auto& [x, y] : {std::pair{1, 1}, {0, 0}, {3, 0}, {0, 3}, {3, 3}}) {
    for (const bool mirror : {false, true}) wanted += left_of(face, x, y, 5, mirror) / 10;
  }
  const auto answers = classify(net, std::vector{face}, Views::kTen, 3);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].at("where")[0] == Approx(wanted).epsilon(1e-5));
  CHECK(answers[0].at("where")[0] + answers[0].at("where")[1] == Approx(1));
}

TEST_CASE("ten views of a model that sees the whole face are refused") {
  Edges net(6, 6);
  CHECK_THROWS_WITH(classify(net, std::vector{ramp(6)}, Views::kTen),
                    Catch::Contains("6 of 6 pixels"));
  CHECK_THROWS_WITH(views_from_string("flpi"), Catch::Contains("did you mean 'flip'"));
  CHECK(views_from_string("ten") == Views::kTen);
  CHECK(classify(net, {}, Views::kFlip).empty());
}
