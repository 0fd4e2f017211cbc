#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "fer/core/error.h"
#include "fer/core/random.h"
#include "fer/model/architectures.h"
#include "fer/train/packed_dataset.h"
#include "fer/train/run.h"
#include "fer/train/trainer.h"
#include "support/given_dataset.h"
#include "support/plain_net.h"
#include "support/program.h"

using namespace fer;
using namespace fer::test;

namespace {

OpenedDataset faces(int n) {
  DatasetOptions options;
  options.path = "synthetic:" + std::to_string(n);
  return open_dataset(options);
}

ArchitectureOptions tiny() {
  ArchitectureOptions architecture;
  architecture.name = "compact";
  architecture.input_size = 24;
  architecture.stages = {8, 16};
  architecture.blocks = {1};
  return architecture;
}

Checkpoint small_net(const OpenedDataset& data, ArchitectureOptions architecture = tiny()) {
  for (const auto& head : data.train->heads()) {
    architecture.heads.push_back({head.name, static_cast<int>(head.labels.size())});
  }
  Checkpoint c;
  c.graph = make_architecture(architecture);
  c.spec.architecture = architecture.name;
  c.spec.resize = 26;
  c.spec.input_size = 24;
  for (const auto& head : data.train->heads())
    c.spec.heads.push_back({head.name, head.labels, 1.0f, 0.0f});
  c.spec.default_head = c.spec.heads[0].name;
  c.spec.data_fingerprint = data.fingerprint;
  return c;
}

TrainOptions quick() {
  TrainOptions o;
  o.epochs = 3;
  o.batch_size = 16;
  o.device = "cpu";
  return o;
}

AugmentOptions with_mixup() {
  AugmentOptions a;
  a.mixup = 0.2;
  return a;
}

bool same_weights(const Checkpoint& a, const Checkpoint& b) {
  for (const auto& [name, tensor] : a.weights) {
    if (tensor.bytes != b.weights.at(name).bytes) return false;
  }
  return a.weights.size() == b.weights.size();
}

std::string without_time(const std::string& csv) {
  std::string result;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(','), second = line.find(',', first + 1);
    result += line.substr(0, first) + line.substr(second) + "\n";
  }
  return result;
}

}  // namespace

TEST_CASE(
    "a run that was stopped anywhere and resumed ends with the same numbers to the last bit") {
  const auto data = faces(120);
  const auto net = small_net(data);
  for (const std::string opt : {"adam", "sgd"}) {
    for (const int stop_after :
         {2, 6, 9}) {  // inside the first epoch, at its end (96 / 16 = 6), in the second
      INFO(opt << ", stopped after step " << stop_after);
      const TemporaryFolder scratch;
      auto options = quick();
      options.opt = opt;
      options.sched = "plateau";
      options.plateau_patience = 0;

      Trainer whole(net, data, options, with_mixup());
      whole.initialise();
      const auto whole_folder = RunFolder::create(scratch.path(), "whole", false);
      run_training(whole, whole_folder, "note", false, [] { return false; });

      Trainer first(net, data, options, with_mixup());
      first.initialise();
      const auto folder = RunFolder::create(scratch.path(), "parts", false);
      int steps = 0;
      const auto stopped =
          run_training(first, folder, "note", false, [&] { return ++steps >= stop_after; });
      REQUIRE(stopped.interrupted);
      CHECK(read_run_note(folder) == "note");

      Trainer second(net, data, options, with_mixup());
      second.initialise();
      const auto outcome = run_training(second, folder, "note", true, [] { return false; });
      CHECK_FALSE(outcome.interrupted);
      CHECK(outcome.best_score == whole.best_score());
      CHECK(same_weights(second.checkpoint(), whole.checkpoint()));
      CHECK(without_time(slurp(folder.file("results.csv"))) ==
            without_time(slurp(whole_folder.file("results.csv"))));
      CHECK(slurp(folder.best()) == slurp(whole_folder.best()));
      CHECK_FALSE(std::filesystem::exists(folder.state()));
    }
  }
}

TEST_CASE("sharpness-aware steps take another gradient, and the statistics of the weights kept") {
  const auto data = faces(120);
  auto options = quick();
  options.epochs = 1;
  options.batch_size = 96;  // one step
  options.ema = 0;
  options.opt = "sgd";
  const auto after_a_step = [&](double sam) {
    options.sam = sam;
    Trainer trainer(small_net(data), data, options, AugmentOptions{});
    trainer.initialise();
    CHECK(trainer.images_per_epoch() == 96);
    trainer.run_epoch();
    return trainer.checkpoint().weights;
  };
  const auto plain = after_a_step(0), sharp = after_a_step(0.05), again = after_a_step(0.05);
  for (const auto& [name, tensor] : sharp) {
    INFO(name);
    const bool running = name.find(".running_") != std::string::npos;
    const bool unmoved = tensor.bytes == plain.at(name).bytes;
    const bool repeated = tensor.bytes == again.at(name).bytes;
    CHECK(unmoved == running);
    CHECK(repeated);
  }
  // The ascent is taken back: a step of no length ends where it began.
  options.lr = 1e-30;
  options.warmup_epochs = 0;
  const auto still_plain = after_a_step(0), still_sharp = after_a_step(0.05);
  for (const auto& [name, tensor] : still_plain) {
    INFO(name);
    const auto before = tensor.to_floats(), after = still_sharp.at(name).to_floats();
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(std::abs(after[i] - before[i]) < 1e-20);
  }
}

TEST_CASE("the loss is the heads' weighted sum, each with its own classes and known samples") {
  const auto given =
      std::make_shared<GivenDataset>(std::vector<HeadLabels>{{"a", {"x", "y"}}, {"b", {"x", "y"}}});
  given->add(toned(8, 128), {{{1, 0}, 0}, {{1, 0}, 0}});
  for (int i = 0; i < 3; ++i) given->add(toned(8, 128), {{{0, 1}, 1}, {{0, 0}, -1}});
  const auto data = as_opened(given);
  const float log3 = std::log(3.0f);
  const auto net = plain_net(data, {{{0, 0}, {0, log3}}, {{0, 0}, {log3, 0}}});
  auto options = still(data);
  options.label_smoothing = 0.2;
  options.class_weights = "balanced";
  options.head_weights = {{"b", 3.0}};
  Trainer trainer(net, data, options, without_augmentation());
  trainer.initialise();
  const auto result = trainer.run_epoch();
  REQUIRE(result);
  const double low = -std::log(0.25), high = -std::log(0.75);  // the losses of p .25 and .75
  // a: targets (.9, .1) and thrice (.1, .9), weights 2 and 2/3; b: one sample, all its own class's.
  CHECK(result->train.loss == Approx(0.5625 * low + 0.4375 * high + 3 * high).epsilon(1e-5));
  CHECK(result->val.loss == Approx((low + 3 * high) / 4 + 3 * high).epsilon(1e-5));
  REQUIRE(result->val_heads.size() == 2);
  CHECK(result->val_heads[1].loss == Approx(high).epsilon(1e-5));
  CHECK(result->val_heads[0].accuracy == 0.75);
  CHECK(result->val_heads[1].accuracy == 1);
  REQUIRE(result->val_heads[1].class_f1.size() == 2);
  CHECK(result->val_heads[1].class_f1[0] == 1);
  CHECK(std::isnan(result->val_heads[1].class_f1[1]));  // nothing to be right about
  CHECK(result->val.accuracy == Approx(0.875));
}

TEST_CASE("mixup mixes targets as it mixes pictures") {
  const auto given =
      std::make_shared<GivenDataset>(std::vector<HeadLabels>{{"tone", {"black", "white"}}});
  given->add(toned(8, 0), {{{1, 0}, 0}});
  given->add(toned(8, 255), {{{0, 1}, 1}});
  const auto data = as_opened(given);
  const auto net = plain_net(data, {{{-1, 1}, {0, 0}}});
  AugmentOptions mixup;
  mixup.flip = mixup.rotation = mixup.zoom = mixup.shift = mixup.brightness = mixup.contrast =
      mixup.gamma = mixup.sharpness = mixup.jpeg = mixup.erasing = 0;
  mixup.mixup = 1;
  Trainer trainer(net, data, still(data), mixup);
  trainer.initialise();
  const auto result = trainer.run_epoch();
  REQUIRE(result);
  Rng rng{0, 0, 0, 0x6d69787570ull};
  const double drawn = rng.beta(1, 1), share = std::max(drawn, 1 - drawn);
  // The mean of a picture is 2 - 4 share or its opposite, its logits the mean's both signs.
  const double p = 1 / (1 + std::exp(4 - 8 * share));
  REQUIRE(share < 0.98);  // else mixed and not are alike
  CHECK(result->train.loss ==
        Approx(-(share * std::log(p) + (1 - share) * std::log(1 - p))).epsilon(1e-4));
}

TEST_CASE("clipping, stochastic depth and the balanced sampler change what is learned") {
  const auto data = faces(60);
  const auto after_an_epoch = [&](auto change) {
    auto options = quick();
    options.epochs = 1;
    options.opt = "sgd";
    options.ema = 0;
    change(options);
    Trainer trainer(small_net(data), data, options, without_augmentation());
    trainer.initialise();
    trainer.run_epoch();
    return trainer.checkpoint();
  };
  const auto plain = after_an_epoch([](TrainOptions&) {});
  CHECK(same_weights(plain, after_an_epoch([](TrainOptions& o) { o.clip_grad = 1e6; })));
  CHECK_FALSE(same_weights(plain, after_an_epoch([](TrainOptions& o) { o.clip_grad = 1e-3; })));
  CHECK_FALSE(same_weights(plain, after_an_epoch([](TrainOptions& o) { o.drop_path = 0.5; })));
  CHECK_FALSE(same_weights(plain, after_an_epoch([](TrainOptions& o) { o.sampler = "balanced"; })));
}

TEST_CASE("training learns synthetic faces it has not seen") {
  const auto data = faces(2000);
  ArchitectureOptions net;
  net.name = "cnn";
  net.input_size = 24;
  net.stages = {16, 32};
  net.blocks = {1};
  net.dense = {64};
  net.dense_given = true;
  net.dropout = 0;
  AugmentOptions flips;
  flips.rotation = flips.zoom = flips.shift = flips.erasing = 0;
  flips.mixup = 0;  // whose targets keep the training loss up
  auto options = quick();
  options.epochs = 8;
  options.batch_size = 32;
  options.ema = 0.99;
  Trainer trainer(small_net(data, net), data, options, flips);
  trainer.initialise();
  std::optional<EpochResult> result;
  while (!trainer.finished()) result = trainer.run_epoch();
  REQUIRE(result);
  CHECK(result->val.accuracy > 0.5);  // chance is 1/6
  CHECK(result->val.macro_f1 > 0.5);
  CHECK(result->train.loss < 1.2);
}

TEST_CASE(
    "a loss that is no number stops the run naming epoch, step and learning rate, and keeps the "
    "best") {
  const auto data = faces(60);
  auto options = quick();
  options.opt = "sgd";
  options.lr = 1e25;
  options.sched = "constant";
  options.warmup_epochs = 0;
  const TemporaryFolder scratch;
  Trainer trainer(small_net(data), data, options, {});
  trainer.initialise();
  const auto folder = RunFolder::create(scratch.path(), "exp", false);
  try {
    run_training(trainer, folder, "", false, [] { return false; });
    FAIL("did not stop");
  } catch (const Error& e) {
    CHECK(e.fault() == Fault::kRuntime);
    CHECK_THAT(e.what(),
               Catch::Contains("epoch 1, step") && Catch::Contains("learning rate 1e+25"));
  }
  CHECK(load_checkpoint(folder.last()).weights.size() == trainer.checkpoint().weights.size());
  // With one step an epoch no later one looks at what it did.
  options.batch_size = static_cast<int>(data.train->size());
  options.lr = 1e38;
  options.ema = 0;
  Trainer single(small_net(data), data, options, {});
  single.initialise();
  const auto other = RunFolder::create(scratch.path(), "exp", false);
  CHECK_THROWS_WITH(run_training(single, other, "", false, [] { return false; }),
                    Catch::Contains("the validation loss is") && Catch::Contains("epoch 1"));
  CHECK_FALSE(std::filesystem::exists(other.best()));
  CHECK_NOTHROW(load_checkpoint(other.last()));
}

TEST_CASE("the weight average holds averaged weights and batch-norm statistics") {
  const auto data = faces(120);
  auto averaged = quick(), plain = quick();
  averaged.ema = 0.6;
  plain.ema = 0.0;
  Trainer a(small_net(data), data, averaged, {}), b(small_net(data), data, plain, {});
  a.initialise();
  b.initialise();
  const std::vector<std::string> names = {"stem.bn.running_var", "stem.bn.weight"};
  const auto values = [&](const std::string& name) {
    const Checkpoint now = b.checkpoint();
    const auto view = now.weights.at(name).floats();
    return std::vector<float>(view.begin(), view.end());
  };
  std::map<std::string, std::vector<float>> expected;
  for (const auto& name : names) expected[name] = values(name);
  int steps = 0;
  Trainer::Callbacks after_each_step;
  after_each_step.stop_requested = [&] {
    ++steps;
    const float decay = std::min(0.6f, (1.0f + steps) / (10.0f + steps));
    for (const auto& name : names) {
      const auto now = values(name);
      for (std::size_t i = 0; i < now.size(); ++i)
        expected[name][i] = decay * expected[name][i] + (1 - decay) * now[i];
    }
    return false;
  };
  b.run_epoch(after_each_step);
  a.run_epoch();
  REQUIRE(steps == 6);
  const Checkpoint found = a.checkpoint();
  for (const auto& name : names) {
    INFO(name);
    const auto view = found.weights.at(name).floats();
    for (std::size_t i = 0; i < view.size(); ++i) CHECK(view[i] == Approx(expected[name][i]));
    CHECK(view[0] != Approx(values(name)[0]));
  }
}

TEST_CASE("the monitored score picks the best epoch: accuracy, macro F1 or the least loss") {
  const auto data = faces(300);
  for (const std::string monitor : {"accuracy", "macro_f1", "loss"}) {
    INFO(monitor);
    TrainOptions options = quick();
    options.epochs = 8;
    options.lr = 0.05;  // so steep that the scores go up and down
    options.sched = "constant";
    options.monitor = monitor;
    Trainer trainer(small_net(data), data, options, {});
    trainer.initialise();
    std::vector<double> scores;
    while (!trainer.finished()) {
      const Scores val = trainer.run_epoch()->val;
      scores.push_back(monitor == "loss"       ? -val.loss
                       : monitor == "macro_f1" ? val.macro_f1
                                               : val.accuracy);
    }
    const auto best = std::ranges::max_element(scores);
    REQUIRE(std::ranges::minmax(scores).min < *best);
    CHECK(scores[static_cast<std::size_t>(trainer.best_epoch() - 1)] == *best);
    CHECK(trainer.best_score() == (monitor == "loss" ? -*best : *best));
  }
}

TEST_CASE("early stopping ends the run after its patience") {
  const auto data = faces(60);
  auto options = quick();
  options.epochs = 50;
  options.early_stop = 2;
  options.lr = 1e-12;  // nothing is learned, so the first epoch stays the best
  options.ema = 0;
  Trainer trainer(small_net(data), data, options, {});
  trainer.initialise();
  while (!trainer.finished()) trainer.run_epoch();
  CHECK(trainer.epochs_done() == trainer.best_epoch() + 2);
}

TEST_CASE("early stopping waits for the last of the progressive sides") {
  const auto data = faces(60);
  auto options = quick();
  options.epochs = 10;
  options.progressive = {16, 20};  // until epoch 7: 7 * 3 / 10 is the first that is 2
  options.early_stop = 2;
  options.lr = 1e-12;
  options.ema = 0;
  Trainer trainer(small_net(data), data, options, {});
  trainer.initialise();
  while (!trainer.finished()) trainer.run_epoch();
  CHECK(trainer.epochs_done() ==
        std::min<std::int64_t>(std::max<std::int64_t>(trainer.best_epoch(), 7) + 2, 10));
}

TEST_CASE("a state of another net, data or batch size is refused") {
  const auto data = faces(60), other_data = faces(66);
  const TemporaryFolder scratch;
  auto options = quick();
  Trainer trainer(small_net(data), data, options, {});
  trainer.initialise();
  trainer.save_state(scratch / "state", "");

  options.batch_size = 8;
  Trainer other_batch(small_net(data), data, options, {});
  CHECK_THROWS_WITH(other_batch.load_state(scratch / "state"), Catch::Contains("batch size"));
  options.batch_size = 15;  // as many steps as with 16
  Trainer little_less(small_net(data), data, options, {});
  CHECK_THROWS_WITH(little_less.load_state(scratch / "state"), Catch::Contains("batch size"));
  auto wider = tiny();
  wider.stages = {8, 20};
  Trainer other_net(small_net(data, wider), data, quick(), {});
  CHECK_THROWS_WITH(other_net.load_state(scratch / "state"), Catch::Contains("another net"));
  auto less = data;
  less.val = subset(data.val, {0, 1, 2});
  Trainer other_validation(small_net(data), less, quick(), {});
  CHECK_THROWS_WITH(other_validation.load_state(scratch / "state"),
                    Catch::Contains("validation data has changed"));
  Trainer other(small_net(other_data), other_data, quick(), {});
  CHECK_THROWS_WITH(other.load_state(scratch / "state"), Catch::Contains("data has changed"));
  auto sgd = quick();
  sgd.opt = "sgd";
  Trainer other_optimiser(small_net(data), data, sgd, {});
  CHECK_THROWS_WITH(other_optimiser.load_state(scratch / "state"), Catch::Contains("optimiser"));
  CHECK_THROWS_WITH(trainer.load_state(scratch / "none"), Catch::Contains("none"));
}

TEST_CASE("options that do not fit the data are one clear line") {
  const auto data = faces(60);
  auto options = quick();
  options.batch_size = 100;
  CHECK_THROWS_WITH(Trainer(small_net(data), data, options, {}),
                    Catch::Contains("batch_size: 100") && Catch::Contains("48 training images"));
  options = quick();
  options.head_weights = {{"nose", 1.0}};
  CHECK_THROWS_WITH(Trainer(small_net(data), data, options, {}), Catch::Contains("nose"));
  auto net = small_net(data);
  std::swap(net.spec.heads[0].labels[0], net.spec.heads[0].labels[1]);
  CHECK_THROWS_WITH(Trainer(net, data, quick(), {}), Catch::Contains("labels"));
  const auto given =
      std::make_shared<GivenDataset>(std::vector<HeadLabels>{{"a", {"x", "y"}}, {"b", {"x", "y"}}});
  for (int i = 0; i < 2; ++i) given->add(toned(8, 0), {{{1, 0}, 0}, {{1, 0}, 0}});
  const auto two = as_opened(given);
  auto swapped = plain_net(two, {{{0, 0}, {0, 0}}, {{0, 0}, {0, 0}}});
  std::swap(swapped.spec.heads[0], swapped.spec.heads[1]);
  CHECK_THROWS_WITH(Trainer(swapped, two, still(two), {}),
                    Catch::Contains("head 1 is a in the data, b in the net"));
}

TEST_CASE("earlier parts of the training see smaller pictures, the last part whole ones") {
  const auto data = faces(60);
  const auto net = small_net(data);
  const auto first_epoch = [&](int epochs, std::vector<int> sides) {
    auto options = quick();
    options.epochs = epochs;
    options.sched = "constant";
    options.progressive = std::move(sides);
    Trainer trainer(net, data, options, with_mixup());
    trainer.initialise();
    trainer.run_epoch();
    return trainer.checkpoint();
  };
  const Checkpoint whole = first_epoch(2, {});
  CHECK(same_weights(first_epoch(2, {24}), whole));
  CHECK_FALSE(same_weights(first_epoch(2, {16}), whole));
  CHECK_FALSE(same_weights(first_epoch(2, {12}), first_epoch(2, {16})));
  CHECK(same_weights(first_epoch(4, {16, 20}), first_epoch(2, {16})));
}

TEST_CASE("a preview shows the next batch mixed and of the side it is trained on") {
  const auto data = faces(60);
  const auto preview = [&](double mixup, std::vector<int> sides) {
    auto options = quick();
    options.progressive = std::move(sides);
    AugmentOptions augmentation;
    augmentation.mixup = mixup;
    return Trainer(small_net(data), data, options, augmentation).preview(5);
  };
  const auto plain = preview(0, {}), mixed = preview(1, {}), small = preview(0, {16});
  REQUIRE(plain.size() == 5);
  CHECK(plain[0].width == 24);
  CHECK(small[0].width == 16);
  CHECK_FALSE(plain[0].pixels == mixed[0].pixels);
}

TEST_CASE("a run that was stopped after its epoch's last step previews the last batch") {
  const auto data = faces(60);
  auto options = quick();
  options.epochs = 3;
  Trainer trainer(small_net(data), data, options, {});
  trainer.initialise();
  const auto first = trainer.preview(5);
  std::int64_t done = 0;
  Trainer::Callbacks callbacks;
  callbacks.progress = [&](std::int64_t images, std::int64_t, double) { done = images; };
  callbacks.stop_requested = [&] { return done == trainer.images_per_epoch(); };
  CHECK_FALSE(trainer.run_epoch(callbacks));
  const auto last = trainer.preview(5);
  REQUIRE(last.size() == 5);
  CHECK_FALSE(last[0].pixels == first[0].pixels);
}

TEST_CASE("sides that do not fit the net are refused by name") {
  const auto data = faces(60);
  auto options = quick();
  options.progressive = {16, 28};
  CHECK_THROWS_WITH(Trainer(small_net(data), data, options, {}),
                    Catch::Contains("progressive: 28 is not in [8, 24]"));
  options.progressive = {16};
  auto dense = tiny();
  dense.name = "cnn";
  dense.dense = {8};
  dense.dense_given = true;
  CHECK_THROWS_WITH(
      Trainer(small_net(data, dense), data, options, {}),
      Catch::Contains("train.progressive: 16: the net has dense layers over the pixels"));
  auto deep = tiny();
  deep.stages = {4, 4, 4, 4, 4};
  deep.name = "vgg16";
  deep.blocks = {};
  deep.channels = 1;
  deep.input_size = 32;
  Checkpoint vgg = small_net(data, deep);
  vgg.spec.resize = vgg.spec.input_size = 32;
  options.progressive = {24};
  CHECK_THROWS_WITH(Trainer(vgg, data, options, {}),
                    Catch::Contains("train.progressive: 24: ") && Catch::Contains("window"));
}

TEST_CASE("the order of an epoch is a permutation, and balanced draws give every class its share") {
  const auto data = faces(300);
  const PackedDataset packed(*data.train, 16, "cpu");
  auto order = epoch_order(packed, "shuffle", 1, 0);
  CHECK(order != epoch_order(packed, "shuffle", 1, 1));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<std::int64_t>(i));
  std::vector<int> counts(6, 0);
  auto draws = epoch_order(packed, "balanced", 1, 0);
  for (const auto i : draws) ++counts[packed.labels(0)[i % packed.size()]];
  for (const int n : counts) CHECK(n > 15);
  std::sort(draws.begin(), draws.end());
  CHECK(std::adjacent_find(draws.begin(), draws.end()) == draws.end());
  CHECK(draws.back() >= packed.size());  // some sample came twice
}

TEST_CASE(
    "balanced draws take votes by the most of them, and pictures without an answer by their "
    "share") {
  // Three of four pictures have one label, every tenth has votes without a majority, every
  // twentieth no answer.
  class Voted : public Dataset {
   public:
    Voted() {
      for (int i = 0; i < 400; ++i) {
        Target target;
        target.label = i % 4 == 0;
        target.distribution = {target.label == 0 ? 1.0f : 0.0f, target.label == 1 ? 1.0f : 0.0f};
        if (i % 10 == 5) target = {{0.4f, 0.6f}, -1};
        if (i % 20 == 7) target = {{0.0f, 0.0f}, -1};
        targets_.push_back(target);
      }
    }
    std::int64_t size() const override { return 400; }
    const std::vector<HeadLabels>& heads() const override { return heads_; }
    Image image(std::int64_t) const override { return Image(8, 8, 1, 100); }
    const Target& target(std::int64_t i, std::size_t) const override {
      return targets_[static_cast<std::size_t>(i)];
    }
    std::string origin(std::int64_t) const override { return ""; }
    const std::vector<std::string>& columns() const override { return columns_; }
    const std::string& value(std::int64_t, std::size_t) const override { return columns_.at(0); }

   private:
    std::vector<HeadLabels> heads_ = {{"two", {"a", "b"}}};
    std::vector<Target> targets_;
    std::vector<std::string> columns_;
  } const voted;
  const PackedDataset packed(voted, 8, "cpu");
  int votes = 0, none = 0, first = 0, draws = 0;
  for (int epoch = 0; epoch < 20; ++epoch) {
    for (const std::int64_t draw : epoch_order(packed, "balanced", 1, epoch)) {
      const std::int64_t i = draw % packed.size();
      ++draws;
      votes += i % 10 == 5;
      none += i % 20 == 7;
      first += voted.target(i, 0).label == 0;
    }
  }
  const auto share = [&](int count) { return static_cast<double>(count) / draws; };
  CHECK(share(none) == Approx(0.05).margin(0.01));
  CHECK(share(first) == Approx(0.95 / 2).margin(0.02));
  // With the second label: 40 of 140 of its pictures.
  CHECK(share(votes) == Approx(0.95 / 2 * 40 / 140).margin(0.02));
}

TEST_CASE("run folders are numbered, and the newest unfinished one is found") {
  const TemporaryFolder scratch;
  const auto a = RunFolder::create(scratch.path(), "exp", false);
  const auto b = RunFolder::create(scratch.path(), "exp", false);
  CHECK(a.path().filename() == "exp");
  CHECK(b.path().filename() == "exp2");
  CHECK(RunFolder::create(scratch.path(), "exp", true).path() == a.path());
  CHECK_THROWS_WITH(RunFolder::unfinished(scratch.path(), ""),
                    Catch::Contains("no unfinished run"));
  std::ofstream(b.state()) << "x";
  CHECK(RunFolder::unfinished(scratch.path(), "").path() == b.path());
  {
    const RunLock trained(b.path());
    CHECK_THROWS_WITH(RunFolder::unfinished(scratch.path(), ""),
                      Catch::Contains("no unfinished run"));
    CHECK_THROWS_WITH(RunFolder::unfinished(scratch.path(), b.path().string()),
                      Catch::Contains("is being trained by another process"));
    std::ofstream(a.state()) << "older than what is trained";
    CHECK(RunFolder::unfinished(scratch.path(), "").path() == a.path());
    std::filesystem::remove(a.state());
  }
  CHECK(RunFolder::unfinished(scratch.path(), "").path() == b.path());
  CHECK_THROWS_WITH(RunFolder::unfinished(scratch.path(), a.path().string()),
                    Catch::Contains("finished"));
  CHECK_THROWS_WITH(RunFolder::create(scratch.path(), "a/b", false), Catch::Contains("a/b"));
}

TEST_CASE("results.csv is cut back to the epochs that the state knows") {
  const TemporaryFolder scratch;
  const auto path = scratch / "results.csv";
  EpochResult r;
  {
    ResultsLog log(path, {HeadSpec{"a", {"x", "y"}, 1.0f, 0.0f}}, 0);
    for (r.epoch = 1; r.epoch <= 4; ++r.epoch) log.append(r);
  }
  ResultsLog log(path, {HeadSpec{"a", {"x", "y"}, 1.0f, 0.0f}}, 2);
  REQUIRE(log.curve().size() == 2);
  CHECK(log.curve()[0].epoch == 1);
  CHECK(log.curve()[1].epoch == 2);
  std::istringstream lines(slurp(path));
  int n = 0;
  for (std::string line; std::getline(lines, line);) ++n;
  CHECK(n == 3);
  CHECK_THROWS_WITH((ResultsLog(path, {HeadSpec{"a", {"x", "y"}, 1.0f, 0.0f}}, 5)),
                    Catch::Contains("2 epochs"));
}
