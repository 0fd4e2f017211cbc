#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/error.h"
#include "fer/train/packed_dataset.h"
#include "fer/train/teacher.h"
#include "fer/train/trainer.h"
#include "support/given_dataset.h"
#include "support/plain_net.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

const std::vector<HeadLabels> kMood = {{"mood", {"happy", "sad"}}};

double first_of_two(double logit) { return 1.0 / (1.0 + std::exp(-logit)); }

// Sixteen pictures of one tone each, labelled by turns.
OpenedDataset tones(const std::vector<HeadLabels>& heads = kMood) {
  auto data = std::make_shared<GivenDataset>(heads);
  for (int i = 0; i < 16; ++i) {
    std::vector<Target> targets(heads.size(), i % 2 == 0 ? Target{{1, 0}, 0} : Target{{0, 1}, 1});
    data->add(toned(8, static_cast<std::uint8_t>(40 + 10 * i)), targets);
  }
  return as_opened(data);
}

AugmentOptions lively() {
  AugmentOptions a;
  a.brightness = 0.2;
  a.contrast = 0.3;
  a.gamma = 0.4;
  a.erasing = 0;  // covers another share of the pixels at another size
  a.mixup = 1.0;
  return a;
}

// How far one long step of plain descent moves the weights of the net's head.
double moved_by_a_step(const Checkpoint& net, const OpenedDataset& data,
                       std::unique_ptr<const ConsistentTeachers> teachers,
                       std::vector<int> progressive = {}) {
  TrainOptions options = still(data);
  options.sampler = "balanced";
  options.progressive = std::move(progressive);
  options.epochs = 1 + static_cast<int>(options.progressive.size());
  options.lr = 1.0;
  options.weight_decay = 0;
  Trainer trainer(net, data, options, lively(), std::move(teachers));
  trainer.initialise();
  while (!trainer.finished()) REQUIRE(trainer.run_epoch());
  const auto before = net.weights.at("head_mood.weight").to_floats();
  const auto after = trainer.checkpoint().weights.at("head_mood.weight").to_floats();
  return std::abs(after[0] - before[0]) + std::abs(after[1] - before[1]);
}

}  // namespace

TEST_CASE("a net whose teacher is itself has nothing to learn from any view, of whatever size") {
  const auto data = tones();
  const std::vector<PlainHead> answers = {{{3, -3}, {0.5, 0}}};
  const Checkpoint net = plain_net(data, answers);
  const auto taught_by = [&](const Checkpoint& teacher) {
    return moved_by_a_step(net, data,
                           std::make_unique<const ConsistentTeachers>(
                               std::vector{teacher}, *data.train, 1.0, "cpu", false));
  };
  CHECK(taught_by(net) < 1e-5);
  CHECK(taught_by(plain_net(data, answers, 24)) < 1e-4);
  Checkpoint calibrated = net;  // which is for those who ask it later
  calibrated.spec.heads[0].temperature = 3;
  CHECK(taught_by(calibrated) < 1e-5);
  CHECK(taught_by(plain_net(data, {{{-1, 1}, {0, 0}}})) > 0.1);
  CHECK(moved_by_a_step(net, data, nullptr) > 0.1);
  const Checkpoint large = plain_net(data, answers, 24);
  CHECK(moved_by_a_step(large, data,
                        std::make_unique<const ConsistentTeachers>(std::vector{net}, *data.train,
                                                                   1.0, "cpu", false),
                        {16}) < 1e-4);
  // Shown the same tones on another scale, which it undoes.
  Checkpoint scaled = net;
  scaled.spec.mean = {0.25f};
  scaled.spec.std = {0.5f};  // x' = x / 2 + .5
  scaled.weights["head_mood.weight"] = HostTensor::from_floats({2, 1}, std::vector<float>{6, -6});
  scaled.weights["head_mood.bias"] = HostTensor::from_floats({2}, std::vector<float>{0.5f - 3, 3});
  CHECK(taught_by(scaled) < 1e-5);
}

TEST_CASE("what the teachers of a head say is averaged and joins what is known of the row") {
  const std::vector<HeadLabels> heads = {
      {"mood", {"happy", "sad"}}, {"eyes", {"open", "closed"}}, {"age", {"young", "old"}}};
  const auto data = tones(heads);
  const auto only = [&](std::vector<std::size_t> which, const std::vector<PlainHead>& answers) {
    auto some = std::make_shared<GivenDataset>([&] {
      std::vector<HeadLabels> own;
      for (const std::size_t h : which) own.push_back(heads[h]);
      return own;
    }());
    return plain_net(as_opened(some), answers);
  };
  const Checkpoint both = only({0, 1}, {{{1, 0}, {0, 0}}, {{0, 2}, {0, 0}}});
  const Checkpoint one = only({0}, {{{0, 0}, {0, 0}}});
  const ConsistentTeachers teachers({both, one}, *data.train, 0.4, "cpu", false);
  int asked = 0;
  const auto view = [&](const PackedDataset& pictures, const ModelSpec& spec) {
    ++asked;
    CHECK(pictures.size() == 16);
    return at::full({3, 1, spec.input_size, spec.input_size}, 1.5);
  };
  std::vector<at::Tensor> targets = {at::tensor({1.0f, 0.0f, 0.0f, 0.0f, 0.3f, 0.2f}).view({3, 2}),
                                     at::tensor({0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 1.0f}).view({3, 2}),
                                     at::tensor({0.7f, 0.3f, 0.0f, 0.0f, 1.0f, 0.0f}).view({3, 2})};
  const at::Tensor untaught = targets[2].clone();
  teachers.teach(targets, view);
  CHECK(asked == 2);
  const double mood = (first_of_two(1.5) + 0.5) / 2, eyes = first_of_two(-3.0);
  const auto value = [&](std::size_t head, int row, int column) {
    return targets[head][row][column].item<double>();
  };
  CHECK(value(0, 0, 0) == Approx(0.6 + 0.4 * mood));
  CHECK(value(0, 0, 1) == Approx(0.4 * (1 - mood)));
  CHECK(value(0, 1, 0) == 0);
  CHECK(value(0, 1, 1) == 0);
  CHECK(value(0, 2, 0) == Approx(0.6 * 0.3 + 0.4 * 0.5 * mood));
  CHECK(value(1, 1, 0) == Approx(0.4 * eyes));
  CHECK(at::equal(targets[2], untaught));
}

TEST_CASE("a mixed head of a consistent teacher answers as it does to a picture") {
  const std::vector<HeadLabels> parts = {{"a", {"happy", "sad", "angry"}}, {"b", {"sad", "happy"}}};
  auto none = std::make_shared<GivenDataset>(parts);
  Checkpoint teacher = plain_net(as_opened(none), {{{1, 0, 2}, {0, 0, 0}}, {{0, 0}, {1, 0}}});
  teacher.spec.mixed_heads = {{"mood", {"happy", "sad"}, {{"a", 0.25f}, {"b", 0.75f}}, 2.0f, 0.0f}};
  const auto data = tones();
  const ConsistentTeachers teachers({teacher}, *data.train, 1.0, "cpu", false);
  std::vector<at::Tensor> targets = {at::tensor({0.0f, 1.0f}).view({1, 2})};
  teachers.teach(targets, [](const PackedDataset&, const ModelSpec& spec) {
    return at::full({1, 1, spec.input_size, spec.input_size}, 1.0);
  });
  ModelSpec spec = teacher.spec;
  spec.mixed_heads[0].temperature = 1;
  const std::vector<float> a = {1, 0, 2}, b = {1, 0};
  const auto wanted = to_probabilities(spec, {{"a", HostTensor::from_floats({1, 3}, a)},
                                              {"b", HostTensor::from_floats({1, 2}, b)}})[0]
                          .at("mood");
  CHECK(targets[0][0][0].item<float>() == Approx(wanted[0]));
  CHECK(targets[0][0][1].item<float>() == Approx(wanted[1]));
}

TEST_CASE("consistent teachers that cannot teach are refused") {
  const auto data = tones();
  const auto strange = plain_net(tones({{"age", {"young", "old"}}}), {{{0, 0}, {0, 0}}});
  CHECK_THROWS_WITH(ConsistentTeachers({strange}, *data.train, 0.5, "cpu", false),
                    Contains("none of the teachers has a head of the data's: mood"));
  const auto turned = plain_net(tones({{"mood", {"sad", "happy"}}}), {{{0, 0}, {0, 0}}});
  CHECK_THROWS_WITH(ConsistentTeachers({turned}, *data.train, 0.5, "cpu", false),
                    Contains("teacher 1: head mood has the labels sad, happy"));
  CHECK_THROWS_WITH(check(TeacherOptions{0.5, "strict", {}}),
                    Contains("train.teacher_mode: unknown value 'strict'"));
  for (const double weight : {0.0, 1.5, std::nan("")}) {
    CHECK_THROWS_WITH(ConsistentTeachers({strange}, *data.train, weight, "cpu", false),
                      Contains("train.teacher_weight"));
  }
  const auto other = tones({{"mood", {"happy", "sad"}}, {"eyes", {"open", "closed"}}});
  const auto own = plain_net(data, {{{3, -3}, {0.5, 0}}});
  CHECK_THROWS_WITH(Trainer(own, data, still(data), lively(),
                            std::make_unique<const ConsistentTeachers>(
                                std::vector{own}, *other.train, 0.5, "cpu", false)),
                    Contains("the teachers were given other data"));
}
