#include <catch2/catch.hpp>

#include <cmath>

#include "fer/core/error.h"
#include "fer/train/teacher.h"
#include "support/given_dataset.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

constexpr int kSide = 8;

// Answers each head with logits (s * brightness of the left half, 0, 0, ...): its answers to a
// picture and to its mirror image differ.
class LeftHalf : public Classifier {
 public:
  LeftHalf(std::vector<HeadSpec> heads, float strength, std::vector<MixedHeadSpec> mixed = {})
      : strength_(strength) {
    spec_.resize = spec_.input_size = kSide;
    spec_.heads = std::move(heads);
    spec_.mixed_heads = std::move(mixed);
    spec_.default_head = spec_.heads[0].name;
  }
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    std::map<std::string, HostTensor> result;
    const auto pixels = batch.floats();
    for (const HeadSpec& head : spec_.heads) {
      const auto classes = static_cast<std::int64_t>(head.labels.size());
      HostTensor rows = HostTensor::zeros({batch.shape[0], classes});
      for (std::int64_t n = 0; n < batch.shape[0]; ++n) {
        float sum = 0;
        for (int y = 0; y < kSide; ++y)
          for (int x = 0; x < kSide / 2; ++x) sum += pixels[(n * kSide + y) * kSide + x];
        rows.floats()[n * classes] = strength_ * sum / (kSide * kSide / 2);
      }
      result[head.name] = std::move(rows);
    }
    return result;
  }

 private:
  ModelSpec spec_;
  float strength_;
};

const std::vector<HeadLabels> kHeads = {{"mood", {"happy", "sad"}}, {"eyes", {"open", "closed"}}};

// The left half of the tone, the right one gray.
Image half(std::uint8_t tone) {
  Image image = toned(kSide, 51);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide / 2; ++x) image.at(x, y, 0) = tone;
  return image;
}

// Two pictures whose left half is white; the second has no answer for the second head.
std::shared_ptr<const Dataset> two_pictures() {
  auto data = std::make_shared<GivenDataset>(kHeads);
  data->add(half(255), {{{1, 0}, 0}, {{0.25, 0.75}, 1}});
  data->add(half(255), {{{0, 1}, 1}, {{0, 0}, -1}});
  return data;
}

using Teachers = std::vector<std::unique_ptr<Classifier>>;

double first_of_two(double logit) { return 1.0 / (1.0 + std::exp(-logit)); }

}  // namespace

TEST_CASE("a teacher's answer to a picture and its mirror image joins the label by its weight") {
  Teachers teachers;
  teachers.push_back(std::make_unique<LeftHalf>(
      std::vector<HeadSpec>{{"mood", {"happy", "sad"}, /*temperature=*/2.0f, 0.0f}}, 1.0f));
  std::int64_t last = 0;
  const auto taught = with_teachers(two_pictures(), teachers,
                                    {0.4, "fixed", [&](std::int64_t done) { last = done; }});
  // White is (1 - .5) / .25 = 2, gray (.2 - .5) / .25 = -1.2; calibration's temperature is not
  // asked.
  const double answer = (first_of_two(2.0) + first_of_two(-1.2)) / 2;
  const Target& happy = taught->target(0, 0);
  CHECK(happy.distribution[0] == Approx(0.6 + 0.4 * answer));
  CHECK(happy.distribution[1] == Approx(0.4 * (1 - answer)));
  CHECK(happy.label == 0);
  CHECK(taught->target(1, 0).distribution[1] == Approx(0.6 + 0.4 * (1 - answer)));
  CHECK(last == 2);
  // A head that no teacher has stays as it is, to the bit.
  CHECK(taught->target(0, 1).distribution == std::vector<float>{0.25f, 0.75f});
  CHECK(taught->size() == 2);
  CHECK(taught->origin(1) == "picture 1");
}

TEST_CASE("several teachers are averaged, and no answer stays no answer") {
  const std::vector<HeadSpec> both = {{"eyes", {"open", "closed"}, 1.0f, 0.0f},
                                      {"mood", {"happy", "sad"}, 1.0f, 0.0f}};
  Teachers teachers;
  teachers.push_back(std::make_unique<LeftHalf>(both, 0.0f));
  teachers.push_back(std::make_unique<LeftHalf>(std::vector<HeadSpec>{both[1]}, 3.0f));
  const auto taught = with_teachers(two_pictures(), teachers, {1.0, "fixed", [](auto) {}});
  const double sure = (first_of_two(6) + first_of_two(-3.6)) / 2;
  CHECK(taught->target(1, 0).distribution[0] == Approx((0.5 + sure) / 2));
  CHECK(taught->target(0, 1).distribution[0] == Approx(0.5));
  CHECK_FALSE(taught->target(1, 1).known());
  CHECK(taught->target(1, 1).label == -1);
}

TEST_CASE("every picture gets the answer to itself, in whatever batch it is asked for") {
  const auto data = std::make_shared<GivenDataset>(kHeads);
  constexpr int kMany = 300;
  const auto tone = [](int i) { return static_cast<std::uint8_t>(i * 251 % 256); };
  for (int i = 0; i < kMany; ++i) data->add(half(tone(i)), {{{1, 0}, 0}, {{1, 0}, 0}});
  Teachers teachers;
  teachers.push_back(std::make_unique<LeftHalf>(
      std::vector<HeadSpec>{{"mood", {"happy", "sad"}, 1.0f, 0.0f}}, 1.0f));
  const auto taught = with_teachers(data, teachers, {1.0, "fixed", [](auto) {}});
  for (int i = 0; i < kMany; ++i) {
    const double left = (tone(i) / 255.0 - 0.5) / 0.25;
    CHECK(taught->target(i, 0).distribution[0] ==
          Approx((first_of_two(left) + first_of_two(-1.2)) / 2).margin(1e-5));
  }
}

TEST_CASE("a teacher's mixed head teaches, too") {
  Teachers teachers;
  teachers.push_back(std::make_unique<LeftHalf>(
      std::vector<HeadSpec>{{"a", {"happy", "sad"}, 1.0f, 0.0f}}, 3.0f,
      std::vector<MixedHeadSpec>{{"mood", {"happy", "sad"}, {{"a", 1.0f}}, 2.0f, 0.0f}}));
  const auto taught = with_teachers(two_pictures(), teachers, {1.0, "fixed", [](auto) {}});
  const double answer = (first_of_two(6) + first_of_two(-3.6)) / 2;
  CHECK(taught->target(0, 0).distribution[0] == Approx(answer));
}

TEST_CASE("teachers that cannot teach are refused") {
  const auto data = two_pictures();
  Teachers strange, other_labels;
  strange.push_back(std::make_unique<LeftHalf>(
      std::vector<HeadSpec>{{"age", {"young", "old"}, 1.0f, 0.0f}}, 1.0f));
  CHECK_THROWS_WITH(with_teachers(data, strange, {}),
                    Contains("none of the teachers has a head of the data's: mood, eyes"));
  other_labels.push_back(std::make_unique<LeftHalf>(
      std::vector<HeadSpec>{{"mood", {"sad", "happy"}, 1.0f, 0.0f}}, 1.0f));
  CHECK_THROWS_WITH(with_teachers(data, other_labels, {}),
                    Contains("teacher 1: head mood has the labels sad, happy"));
  for (const double weight : {0.0, -1.0, 1.5, std::nan("")}) {
    CHECK_THROWS_WITH(with_teachers(data, other_labels, {weight, "fixed", [](auto) {}}),
                      Contains("train.teacher_weight"));
  }
}
