#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <numbers>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/ensemble.h"
#include "fer/train/layer_plan.h"
#include "fer/train/memory.h"
#include "fer/train/run.h"
#include "fer/train/trainer.h"
#include "support/op_cases.h"
#include "support/plain_layers.h"
#include "support/program.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

OpenedDataset faces(int n) {
  DatasetOptions options;
  options.path = "synthetic:" + std::to_string(n);
  return open_dataset(options);
}

Graph net_of(const std::string& arch, std::vector<int> stages) {
  ArchitectureOptions architecture;
  architecture.name = arch;
  architecture.input_size = 24;
  architecture.channels = 1;
  architecture.stages = std::move(stages);
  if (arch == "compact") architecture.blocks = {1};
  architecture.heads = {{"six", 6}};
  return make_architecture(architecture);
}

// A net with weights that another task left behind.
Checkpoint pretrained(const OpenedDataset& data, Graph graph = net_of("compact", {8, 16})) {
  Checkpoint c;
  c.graph = std::move(graph);
  c.weights = random_weights(c.graph, 7);
  c.spec.architecture = "compact";
  c.spec.resize = c.spec.input_size = 24;
  c.spec.heads = {{"six", data.train->heads()[0].labels, 1.0f, 0.0f}};
  c.spec.default_head = "six";
  c.spec.data_fingerprint = data.fingerprint;
  return c;
}

TrainOptions frozen_backbone() {
  TrainOptions o;
  o.epochs = 4;
  o.batch_size = 16;
  o.device = "cpu";
  o.warmup_epochs = 0;
  o.freeze = {"backbone"};
  return o;
}

AugmentOptions without_augmentation() {
  AugmentOptions a;
  a.enabled = false;
  return a;
}

std::vector<std::string> changed(const TensorMap& before, const TensorMap& after) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : before) {
    if (tensor.bytes != after.at(name).bytes) names.push_back(name);
  }
  return names;
}

bool is_head(const std::string& name) { return name.starts_with("head_"); }

}  // namespace

TEST_CASE("freezing the backbone leaves the head, and its features end before the dropout") {
  const Graph graph = net_of("compact", {8, 16});
  TrainOptions options = frozen_backbone();
  const LayerPlan plan = plan_layers(graph, options, 0);
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    if (graph.parameters(i).empty()) continue;
    CHECK(plan.frozen[i] == !is_head(graph.nodes()[i].name));
  }
  CHECK(graph.nodes()[plan.boundary].name == "pool");
  CHECK(plan_layers(graph, TrainOptions{}, 0).boundary == 0);

  // A padding before the first layer is constant, too, but keeping it would end augmentation.
  const Graph padded = net_of("resnet50v2", {4, 8});
  REQUIRE(padded.nodes()[1].name == "stem.pad");
  CHECK(plan_layers(padded, TrainOptions{}, 0).boundary == 0);
  CHECK(plan_layers(padded, frozen_backbone(), 0).boundary > 1);

  options.freeze = {"stem", "stage1"};
  CHECK(graph.nodes()[plan_layers(graph, options, 0).boundary].name == "stage1.block1.relu2");
  // The block's sum needs what stands before its branch.
  options.freeze = {"stem", "stage1", "stage2.block1.conv1"};
  CHECK(graph.nodes()[plan_layers(graph, options, 0).boundary].name == "stage1.block1.relu2");
  options.freeze = {"stage1"};
  CHECK(plan_layers(graph, options, 0).boundary == 0);
}

TEST_CASE("nets that were joined are fine-tuned as one") {
  Checkpoint one;
  one.graph = net_of("compact", {8, 16});
  one.weights = random_weights(one.graph, 1);
  one.spec.input_size = one.spec.resize = one.graph.input().height;
  const auto classes = one.graph.shape(one.graph.outputs()[0].node)[0];
  one.spec.heads = {{one.graph.outputs()[0].head, {}, 1.0f, 0.0f}};
  for (int i = 0; i < classes; ++i) one.spec.heads[0].labels.push_back("l" + std::to_string(i));
  const Graph graph = join_nets(std::vector{one, one}).graph;
  const auto rate = [&graph](const LayerPlan& plan, const std::string& node) {
    return plan.rate.at(graph.find(node));
  };

  // What is before the dropout is computed once.
  const LayerPlan frozen = plan_layers(graph, frozen_backbone(), 0);
  CHECK(graph.nodes()[frozen.boundary].name == "features");

  TrainOptions options;
  options.layer_decay = 0.5;
  options.rates = {{"net2.stage2", 0.1}};
  LayerPlan plan = plan_layers(graph, options, 0);
  CHECK(rate(plan, "net1.stage1.block1.conv1") == rate(plan, "net2.stage1.block1.conv1"));
  CHECK(rate(plan, "net1.stage1.block1.conv1") == 0.25);
  CHECK(rate(plan, "net1.stage2.block1.conv1") == 0.5);
  CHECK(rate(plan, "net2.stage2.block1.conv1") == Approx(0.05));
  options = TrainOptions{};
  options.freeze = {"stage1", "net2"};
  plan = plan_layers(graph, options, 0);
  CHECK(plan.frozen.at(graph.find("net1.stage1.block1.conv1")));
  CHECK_FALSE(plan.frozen.at(graph.find("net1.stage2.block1.conv1")));
  CHECK(plan.frozen.at(graph.find("net2.stage2.block1.conv1")));

  // Each net's own groups count, and a net that was joined twice is one as well.
  Checkpoint cnn = one;
  cnn.graph = net_of("cnn", {8, 16});
  cnn.weights = random_weights(cnn.graph, 2);
  cnn.spec.input_size = cnn.spec.resize = cnn.graph.input().height;
  const Checkpoint two = join_nets(std::vector{one, cnn});
  const Graph three = join_nets(std::vector{two, two}).graph;
  options = TrainOptions{};
  options.layer_decay = 0.5;
  options.rates = {{"net2", 0.1}, {"stage2", 0.3}};
  plan = plan_layers(three, options, 0);
  CHECK(plan.rate.at(three.find("net1.net1.stage1.block1.conv1")) == 0.25);
  CHECK(plan.rate.at(three.find("net1.net1.stage2.block1.conv1")) == Approx(0.5 * 0.3));
  CHECK(plan.rate.at(three.find("net2.net1.stage2.block1.conv1")) == Approx(0.5 * 0.1));
  options = TrainOptions{};
  options.freeze = {"net2"};
  plan = plan_layers(three, options, 0);
  CHECK_FALSE(plan.frozen.at(three.find("net1.net2.stage1.conv1")));
  CHECK(plan.frozen.at(three.find("net2.net1.stage1.block1.conv1")));
}

TEST_CASE("rates fall layer by layer from the head, and a longer name overrides") {
  const Graph graph = net_of("compact", {8, 16});
  TrainOptions options;
  options.layer_decay = 0.5;
  options.rates = {{"stage2", 0.1}, {"stage2.block1.bn1", 1.0}};
  const LayerPlan plan = plan_layers(graph, options, 0);
  const auto rate = [&](const std::string& node) { return plan.rate[graph.find(node)]; };
  CHECK(rate("head_six") == 1);
  CHECK(rate("stage2.block1.conv1") == Approx(0.05));
  CHECK(rate("stage2.block1.bn1") == Approx(0.5));
  CHECK(rate("stage1.block1.conv1") == Approx(0.25));
  CHECK(rate("stem.conv") == Approx(0.125));
}

TEST_CASE("the second phase releases all or what is named") {
  const Graph graph = net_of("compact", {8, 16});
  TrainOptions options = frozen_backbone();
  options.unfreeze_at = 2;
  CHECK(training_phase(options, 1) == 0);
  CHECK(training_phase(options, 2) == 1);
  const auto frozen = [&](const std::string& node) -> bool {
    return plan_layers(graph, options, 1).frozen[graph.find(node)];
  };
  CHECK_FALSE(frozen("stem.conv"));
  options.unfreeze = {"stage2"};
  CHECK(frozen("stem.conv"));
  CHECK(frozen("stage1.block1.bn1"));
  CHECK_FALSE(frozen("stage2.block1.bn1"));
}

TEST_CASE("layers that the net does not have are refused with the ones it has") {
  const Graph graph = net_of("compact", {8, 16});
  TrainOptions options;
  options.freeze = {"stge1"};
  CHECK_THROWS_WITH(plan_layers(graph, options, 0), Contains("train.freeze") &&
                                                        Contains("did you mean 'stage1'") &&
                                                        Contains("stem, stage1, stage2, head"));
  options.freeze = {"backbone", "head"};
  CHECK_THROWS_WITH(plan_layers(graph, options, 0), Contains("no layers 'backbone'"));
  options.freeze = {"stem", "stage1", "stage2", "head"};
  CHECK_THROWS_WITH(plan_layers(graph, options, 0), Contains("nothing is left to learn"));
  options = frozen_backbone();
  options.unfreeze_at = 4;
  CHECK_THROWS_WITH(check(options), Contains("unfreeze_at: 4 leaves nothing of the 4 epochs"));
  options.freeze.clear();
  options.unfreeze_at = 1;
  CHECK_THROWS_WITH(check(options), Contains("nothing is frozen"));
  options = {};
  options.layer_decay = 1.5;
  CHECK_THROWS_WITH(check(options), Contains("layer_decay: 1.5"));
}

TEST_CASE("frozen layers stay as they are, batch-norm statistics too, until their phase comes") {
  const auto data = faces(100);
  const Checkpoint net = pretrained(data);
  TrainOptions options = frozen_backbone();
  options.ema = 0;
  options.unfreeze_at = 2;
  options.unfreeze = {"stage2"};
  for (const bool cached : {false, true}) {
    options.cache_features = cached;
    Trainer trainer(net, data, options, {});
    trainer.initialise();
    CHECK(changed(net.weights, trainer.checkpoint().weights).empty());
    trainer.run_epoch();
    trainer.run_epoch();
    for (const auto& name : changed(net.weights, trainer.checkpoint().weights))
      CHECK(is_head(name));
    const TensorMap head_trained = trainer.checkpoint().weights;
    CHECK(changed(net.weights, head_trained).size() == 2);
    trainer.run_epoch();
    const auto now = changed(head_trained, trainer.checkpoint().weights);
    CHECK(std::ranges::count(now, "stage2.block1.bn1.running_mean") == 1);
    CHECK(std::ranges::count(now, "stage2.block1.conv1.weight") == 1);
    for (const auto& name : now) CHECK((is_head(name) || name.starts_with("stage2")));
  }
}

TEST_CASE("features that are computed once train the same head as computing them every time") {
  const auto data = faces(100);
  const Checkpoint net = pretrained(data);
  TrainOptions options = frozen_backbone();
  options.ema = 0;
  options.amp = "off";
  // Augmentation that changes nothing: the pictures go all the way in every step.
  AugmentOptions idle;
  idle.flip = idle.rotation = idle.zoom = idle.shift = idle.brightness = idle.contrast = 0;
  idle.erasing = idle.mixup = idle.gamma = idle.sharpness = 0;
  Trainer once(net, data, options, without_augmentation()), always(net, data, options, idle);
  once.initialise();
  always.initialise();
  CHECK_THAT(once.phase_description(), Contains("computed once"));
  CHECK_THAT(always.phase_description(), Contains("frozen") && !Contains("once"));
  for (int epoch = 0; epoch < 2; ++epoch) {
    const auto a = once.run_epoch(), b = always.run_epoch();
    CHECK(a->train.loss == Approx(b->train.loss).epsilon(1e-4));
    CHECK(a->val.loss == Approx(b->val.loss).epsilon(1e-4));
  }
  const auto a = once.checkpoint().weights.at("head_six.weight").to_floats();
  const auto b = always.checkpoint().weights.at("head_six.weight").to_floats();
  CHECK(relative_difference(a, b) < 1e-3);
}

TEST_CASE("a layer's rate is the factor of its step") {
  const auto data = faces(60);
  const Checkpoint net = pretrained(data);
  TrainOptions options = frozen_backbone();
  options.freeze.clear();
  options.opt = "sgd";
  options.lr = 0.01;
  options.weight_decay = 0;
  options.ema = 0;
  options.amp = "off";
  const auto step = [&](const std::map<std::string, double>& rates) {
    options.rates = rates;
    Trainer trainer(net, data, options, without_augmentation());
    trainer.initialise();
    trainer.measure_epoch(16);
    const auto before = net.weights.at("stem.conv.weight").to_floats();
    auto after = trainer.checkpoint().weights.at("stem.conv.weight").to_floats();
    for (std::size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
    return after;
  };
  auto whole = step({});
  const auto quarter = step({{"stem", 0.25}});
  CHECK(deviation(whole) > 0);
  for (float& v : whole) v *= 0.25f;
  CHECK(relative_difference(quarter, whole) < 1e-2);
  CHECK(deviation(step({{"stem", 0}})) == 0);
}

TEST_CASE("each phase has its own warm-up and schedule, the second at its lower rate") {
  const auto data = faces(60);
  TrainOptions options = frozen_backbone();
  options.epochs = 5;
  options.unfreeze_at = 2;
  options.lr = 0.01;
  options.unfreeze_lr = 0.1;
  options.sched = "cosine";
  options.warmup_epochs = 1;
  Trainer trainer(pretrained(data), data, options, {});
  trainer.initialise();
  std::vector<double> rates;
  while (!trainer.finished()) rates.push_back(trainer.run_epoch()->lr);
  REQUIRE(rates.size() == 5);
  // At the last of an epoch's three steps: two thirds of the warm-up from a hundredth, then the
  // cosine over one epoch, and over two in the second phase.
  CHECK(rates[0] == Approx(0.0067));
  CHECK(rates[1] == Approx(0.0025));
  CHECK(rates[2] == Approx(0.00067));
  CHECK(rates[3] == Approx(0.00075));
  CHECK(rates[4] == Approx(0.0005 * (1 + std::cos(5 * std::numbers::pi / 6))));
}

TEST_CASE(
    "the least rate falls with the second phase's, and small sides want pictures, not features") {
  const auto data = faces(60);
  auto options = frozen_backbone();
  options.unfreeze_at = 2;
  options.lr = 0.1;
  options.min_lr = 0.05;
  options.unfreeze_lr = 0.1;
  Trainer trainer(pretrained(data), data, options, without_augmentation());
  trainer.initialise();
  double first = 0, last = 0;
  for (int epoch = 0; epoch < 4; ++epoch) {
    const auto result = trainer.run_epoch();
    REQUIRE(result);
    (epoch < 2 ? first : last) = result->lr;
  }
  CHECK(first >= 0.05);
  CHECK(last >= 0.005);
  CHECK(last < 0.01);
  options.progressive = {16};
  CHECK_THROWS_WITH(Trainer(pretrained(data), data, options, without_augmentation()),
                    Catch::Contains("train.progressive: the frozen layers' features"));
  options.progressive = {};
  const auto net = pretrained(data);
  CHECK_THROWS_WITH(Trainer(net, data, options, without_augmentation(),
                            std::make_unique<const ConsistentTeachers>(
                                std::vector{net}, *data.train, 0.5, "cpu", false)),
                    Catch::Contains("train.teacher_mode consistent: the frozen layers' features"));
}

TEST_CASE("the patience of early stopping begins anew with the second phase") {
  const auto data = faces(60);
  TrainOptions options = frozen_backbone();
  options.epochs = 40;
  options.unfreeze_at = 4;
  options.early_stop = 2;
  options.lr = 1e-12;  // nothing is learned, so the first epoch stays the best
  options.ema = 0;
  Trainer trainer(pretrained(data), data, options, without_augmentation());
  trainer.initialise();
  while (!trainer.finished()) trainer.run_epoch();
  // Of the second phase only batch-norm statistics can better anything.
  CHECK(trainer.epochs_done() == std::max<std::int64_t>(trainer.best_epoch(), 4) + 2);
  CHECK(trainer.epochs_done() < options.epochs);
}

TEST_CASE("fine-tuning that was stopped in either phase or between them resumes to the last bit") {
  const auto data = faces(120);
  const Checkpoint net = pretrained(data);
  TrainOptions options = frozen_backbone();
  options.sched = "plateau";
  options.plateau_patience = 0;
  options.unfreeze_at = 2;
  options.layer_decay = 0.7;
  options.cache_features = true;
  options.epochs = 3;
  const TemporaryFolder scratch;
  Trainer whole(net, data, options, {});
  whole.initialise();
  const auto whole_folder = RunFolder::create(scratch.path(), "whole", false);
  run_training(whole, whole_folder, "", false, [] { return false; });
  for (const int stop_after : {2, 12, 14}) {  // six steps an epoch
    INFO("stopped after step " << stop_after);
    Trainer first(net, data, options, {});
    first.initialise();
    const auto folder = RunFolder::create(scratch.path(), "parts", false);
    int steps = 0;
    REQUIRE(
        run_training(first, folder, "", false, [&] { return ++steps >= stop_after; }).interrupted);
    // The net is read from the run: the weights that it began with are not needed any more.
    Trainer second(load_checkpoint(folder.last()), data, options, {});
    second.initialise();
    run_training(second, folder, "", true, [] { return false; });
    CHECK(changed(whole.checkpoint().weights, second.checkpoint().weights).empty());
    CHECK(second.best_score() == whole.best_score());
  }
}

TEST_CASE("a resumed run knows how long the loss has not fallen, and how far the rate has") {
  const auto data = faces(60);
  auto options = frozen_backbone();
  options.epochs = 6;
  options.ema = 0;
  options.lr = 1e-30;  // the loss stays
  options.sched = "plateau";
  options.plateau_patience = 1;
  options.step_factor = 0.5;
  const TemporaryFolder scratch;
  const Checkpoint net = pretrained(data);
  Trainer whole(net, data, options, without_augmentation());
  Trainer resumed(net, data, options, without_augmentation());
  whole.initialise();
  resumed.initialise();
  std::vector<double> rates, rest;
  for (int epoch = 0; epoch < 6; ++epoch) {
    rates.push_back(whole.run_epoch()->lr);
    if (epoch == 3) whole.save_state(scratch / "state", "");
  }
  resumed.load_state(scratch / "state");
  while (!resumed.finished()) rest.push_back(resumed.run_epoch()->lr);
  CHECK(rates[3] == Approx(0.5 * rates[0]));
  CHECK(rates[5] == Approx(0.25 * rates[0]));
  CHECK(rest == std::vector(rates.begin() + 4, rates.end()));
}

TEST_CASE("pre-activation nets and plain ones are fine-tuned like the others") {
  const auto data = faces(60);
  for (const auto& [arch, stages] :
       std::map<std::string, std::vector<int>>{{"vgg16_bn", {4, 8}}, {"resnet50v2", {4, 8}}}) {
    INFO(arch);
    const Checkpoint net = pretrained(data, net_of(arch, stages));
    TrainOptions options = frozen_backbone();
    options.epochs = 2;
    options.unfreeze_at = 1;
    options.unfreeze = {"stage2"};
    Trainer trainer(net, data, options, without_augmentation());
    trainer.initialise();
    CHECK_THAT(trainer.phase_description(), Contains("computed once"));
    while (!trainer.finished()) CHECK(std::isfinite(trainer.run_epoch()->train.loss));
  }
}

TEST_CASE("a batch size is found that fits into half of the memory and leaves steps to take") {
  const Graph graph = net_of("compact", {8, 16});
  const TrainOptions options;
  const auto lots = std::int64_t{1} << 40;
  CHECK(fitting_batch_size(graph, options, 30'000, lots) == 128);
  CHECK(fitting_batch_size(graph, options, 200, lots) == 16);  // 12 steps; 32 would leave 6
  CHECK(fitting_batch_size(graph, options, 20, lots) == 8);
  CHECK(fitting_batch_size(graph, options, 3, lots) == 2);
  const std::int64_t need = training_bytes(graph, options, 32);
  CHECK(fitting_batch_size(graph, options, 30'000, 2 * need) == 32);
  CHECK(fitting_batch_size(graph, options, 30'000, 2 * need - 2) == 16);
  CHECK_THROWS_WITH(fitting_batch_size(graph, options, 30'000, 1000), Contains("batch_size: auto"));
  CHECK(available_memory() > 0);
  // Every picture costs the same, the weights once.
  CHECK(training_bytes(graph, options, 3) - training_bytes(graph, options, 2) ==
        training_bytes(graph, options, 2) - training_bytes(graph, options, 1));
}

TEST_CASE("the memory that is left is what the tightest group leaves, and read files make way") {
  constexpr std::int64_t kMega = 1 << 20;
  const TemporaryFolder root;
  const auto write = [&](const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  const auto group = [&](const std::string& folder, const std::string& limit, std::int64_t used) {
    write("sys/fs/cgroup/" + folder + "memory.max", limit + "\n");
    write("sys/fs/cgroup/" + folder + "memory.current", std::to_string(used * kMega) + "\n");
  };
  write("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 8192000 kB\nHugePages_Total: 0\n");
  CHECK(available_memory(root.path()) == 8000 * kMega);
  write("proc/self/cgroup", "0::/job/step\n");
  group("", "max", 7000);
  group("job/", std::to_string(4000 * kMega), 3000);
  group("job/step/", "max", 3000);
  CHECK(available_memory(root.path()) == 1000 * kMega);
  write("sys/fs/cgroup/job/memory.stat",
        "anon 1\ninactive_file " + std::to_string(2500 * kMega) + "\nactive_file 2\n");
  CHECK(available_memory(root.path()) == 3500 * kMega);

  write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n0::/\n");
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", std::to_string(600 * kMega));
  write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", std::to_string(500 * kMega));
  CHECK(available_memory(root.path()) == 100 * kMega);
  write("sys/fs/cgroup/memory/box/memory.stat",
        "cache 1\ntotal_inactive_file " + std::to_string(50 * kMega) + "\n");
  CHECK(available_memory(root.path()) == 150 * kMega);
}
