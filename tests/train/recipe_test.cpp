#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include <cmath>

#include "fer/train/loss.h"
#include "fer/train/optimizer.h"
#include "fer/train/schedule.h"

using namespace fer;

namespace {

at::Tensor parameter(std::vector<double> values) {
  return at::tensor(values, at::kFloat).view({1, -1}).set_requires_grad(true);
}

void set_gradient(at::Tensor& p, std::vector<double> values) {
  p.mutable_grad() = at::tensor(values, at::kFloat).view({1, -1});
}

TrainOptions recipe(const std::string& opt, double decay) {
  TrainOptions o;
  o.opt = opt;
  o.weight_decay = decay;
  return o;
}

}  // namespace

TEST_CASE("one-hot cross-entropy is the negative logarithm of the true class") {
  const auto logits = at::tensor({1.0f, 2.0f, 0.0f, 0.0f, 0.0f, 0.0f}).view({2, 3});
  const auto targets = at::tensor({0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f}).view({2, 3});
  const double z = std::exp(1.0) + std::exp(2.0) + 1.0;
  const double wanted = (-(2.0 - std::log(z)) + std::log(3.0)) / 2;
  CHECK(soft_cross_entropy(logits, targets, 0.0, {}).item<double>() ==
        Approx(wanted).epsilon(1e-5));
}

TEST_CASE("soft targets weigh each class's logarithm, smoothing spreads its share evenly") {
  const auto logits = at::tensor({0.5f, -0.5f}).view({1, 2});
  const auto targets = at::tensor({0.75f, 0.25f}).view({1, 2});
  const double z = std::exp(0.5) + std::exp(-0.5);
  const double a = -(0.5 - std::log(z)), b = -(-0.5 - std::log(z));
  CHECK(soft_cross_entropy(logits, targets, 0.0, {}).item<double>() == Approx(0.75 * a + 0.25 * b));
  CHECK(soft_cross_entropy(logits, targets, 0.2, {}).item<double>() == Approx(0.7 * a + 0.3 * b));
}

TEST_CASE("rows without an answer do not count") {
  const auto logits = at::tensor({1.0f, 2.0f, 5.0f, -5.0f}).view({2, 2});
  const auto targets = at::tensor({0.0f, 1.0f, 0.0f, 0.0f}).view({2, 2});
  const double wanted = -(2.0 - std::log(std::exp(1.0) + std::exp(2.0)));
  CHECK(soft_cross_entropy(logits, targets, 0.0, {}).item<double>() ==
        Approx(wanted).epsilon(1e-5));
  CHECK(soft_cross_entropy(logits, at::zeros({2, 2}), 0.1, {}).item<double>() == 0.0);
}

TEST_CASE("class weights weigh the target's shares, and the loss is their weighted mean") {
  // Of equal logits every class has -log p = log 2.
  const auto logits = at::tensor({0.0f, 0.0f, 0.0f, std::log(3.0f)}).view({2, 2});
  const auto targets = at::tensor({1.0f, 0.0f, 0.0f, 1.0f}).view({2, 2});
  const double first = std::log(2.0), second = -std::log(0.75);
  CHECK(soft_cross_entropy(logits, targets, 0.0, at::tensor({3.0f, 1.0f})).item<double>() ==
        Approx((3 * first + second) / 4).epsilon(1e-5));
}

TEST_CASE("balanced class weights give every class the same sum") {
  const auto weights = balanced_class_weights({10, 30, 0});
  CHECK(weights[0] * 10 == Approx(weights[1] * 30));
  CHECK(weights[2] == 0.0f);
}

TEST_CASE("sgd with Nesterov momentum follows its formula") {
  auto p = parameter({1.0});
  const auto sgd = make_optimizer(recipe("sgd", 0.1), {"p"}, {p});
  set_gradient(p, {0.5});
  sgd->step(0.01);
  // g = .5 + .1 * 1 = .6; v = .6; p = 1 - .01 (.6 + .9 * .6)
  CHECK(p.item<double>() == Approx(1.0 - 0.01 * 1.14));
  const double p1 = 1.0 - 0.01 * 1.14;
  set_gradient(p, {0.0});
  sgd->step(0.01);
  const double g = 0.1 * p1, v = 0.9 * 0.6 + g;
  CHECK(p.item<double>() == Approx(p1 - 0.01 * (g + 0.9 * v)));
}

TEST_CASE("adam's first step has the size of the learning rate, adamw decays beside it") {
  auto p = parameter({1.0, -2.0});
  const auto adam = make_optimizer(recipe("adam", 0.0), {"p"}, {p});
  set_gradient(p, {0.3, -7.0});
  adam->step(0.01);
  CHECK(p[0][0].item<double>() == Approx(0.99).epsilon(1e-5));
  CHECK(p[0][1].item<double>() == Approx(-1.99).epsilon(1e-5));

  auto q = parameter({1.0});
  const auto adamw = make_optimizer(recipe("adamw", 0.5), {"q"}, {q});
  set_gradient(q, {0.3});
  adamw->step(0.01);
  CHECK(q.item<double>() == Approx(1.0 * (1 - 0.01 * 0.5) - 0.01).epsilon(1e-5));
}

TEST_CASE("adam corrects the bias of its young means, and its decay joins the gradient") {
  auto p = parameter({1.0});
  const auto adam = make_optimizer(recipe("adam", 0.1), {"p"}, {p});
  set_gradient(p, {0.3});
  adam->step(0.01);
  // g = .3 + .1 = .4, m = .04, v = .00016: a whole step.
  CHECK(p.item<double>() == Approx(0.99).epsilon(1e-6));
  set_gradient(p, {0.5});
  adam->step(0.01);
  const double g = 0.5 + 0.1 * 0.99, m = 0.9 * 0.04 + 0.1 * g, v = 0.999 * 0.00016 + 0.001 * g * g;
  CHECK(p.item<double>() ==
        Approx(0.99 - 0.01 * (m / (1 - 0.81)) / std::sqrt(v / (1 - 0.998001))).epsilon(1e-6));
}

TEST_CASE("weight decay leaves biases alone") {
  auto bias = at::ones({3}).set_requires_grad(true);
  const auto sgd = make_optimizer(recipe("sgd", 0.5), {"b"}, {bias});
  bias.mutable_grad() = at::zeros({3});
  sgd->step(0.1);
  CHECK(bias.eq(1.0).all().item<bool>());
}

TEST_CASE("parameters that are stepped together move as each does alone") {
  const std::string opt = GENERATE(as<std::string>(), "sgd", "adam", "adamw");
  INFO(opt);
  const std::vector<std::vector<std::int64_t>> shapes = {{2, 2}, {3}, {4}, {2, 1, 1, 2}, {1, 5}};
  const std::vector<double> rates = {1, 0.3, 1, 1, 0.3};
  constexpr std::size_t kWithoutGradient = 2;
  const auto filled = [&](std::size_t which, double from) {
    const auto values = at::arange(60, at::kFloat)
                            .slice(0, 0, at::prod(at::tensor(shapes[which])).item<std::int64_t>());
    return (values * 0.37 + from).sin().view(shapes[which]).clone();
  };
  std::vector<at::Tensor> together, alone;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Optimizer>> optimizers;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    names.push_back(std::string(1, static_cast<char>('a' + i)));
    together.push_back(filled(i, static_cast<double>(i)).set_requires_grad(true));
    alone.push_back(filled(i, static_cast<double>(i)).set_requires_grad(true));
    optimizers.push_back(make_optimizer(recipe(opt, 0.1), {names[i]}, {alone[i]}, {rates[i]}));
  }
  const auto optimizer = make_optimizer(recipe(opt, 0.1), names, together, rates);
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (i == kWithoutGradient) continue;
      together[i].mutable_grad() = filled(i, 7.0 * step + 3);
      alone[i].mutable_grad() = filled(i, 7.0 * step + 3);
    }
    optimizer->step(0.05);
    for (const auto& own : optimizers) own->step(0.05);
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    INFO(names[i]);
    CHECK(at::equal(together[i], alone[i]));
    CHECK(at::equal(together[i], filled(i, static_cast<double>(i))) == (i == kWithoutGradient));
    CHECK_FALSE(together[i].grad().defined());
    for (const auto& [slot, tensor] : optimizers[i]->state())
      CHECK(at::equal(optimizer->state().at(slot), tensor));
  }
}

TEST_CASE("gradients are scaled to the joint norm that is asked for") {
  auto a = parameter({0.0}), b = parameter({0.0});
  set_gradient(a, {3.0});
  set_gradient(b, {4.0});
  CHECK(clip_gradients({a, b}, 1.0) == Approx(5.0));
  CHECK(a.grad().item<double>() == Approx(0.6).epsilon(1e-4));
  CHECK(b.grad().item<double>() == Approx(0.8).epsilon(1e-4));
  CHECK(clip_gradients({a, b}, 10.0) == Approx(1.0).epsilon(1e-4));
  CHECK(a.grad().item<double>() == Approx(0.6).epsilon(1e-4));
}

TEST_CASE("the ascent goes a joint distance along the gradient, and back to the last bit") {
  auto a = parameter({0.1}), b = parameter({-2.0, 1e-7}), other = parameter({7.0});
  set_gradient(a, {3.0});
  set_gradient(b, {0.0, 4.0});
  Ascent ascent({a, b, other}, 0.5);
  CHECK(a.item<double>() == Approx(0.1 + 0.5 * 0.6));
  CHECK(b[0][0].item<double>() == Approx(-2.0));
  CHECK(b[0][1].item<double>() == Approx(0.4).epsilon(1e-4));
  CHECK(other.item<double>() == 7.0);
  CHECK_FALSE(a.grad().defined());
  ascent.restore();
  CHECK(a.item<float>() == 0.1f);
  CHECK(b[0][1].item<float>() == 1e-7f);
}

TEST_CASE("cosine starts after the warm-up at the peak and ends at the least rate") {
  TrainOptions o;
  o.epochs = 11;
  o.lr = 0.4;
  o.warmup_epochs = 1;
  o.min_lr = 0.1;
  const Schedule schedule(o, 10);
  CHECK(schedule.lr(0, 0) == Approx(0.004));
  CHECK(schedule.lr(0, 5) == Approx(0.4 * (0.01 + 0.99 * 0.5)));
  CHECK(schedule.lr(1, 0) == Approx(0.4));
  CHECK(schedule.lr(6, 0) == Approx(0.25));
  CHECK(schedule.lr(11, 0) == Approx(0.1));
}

TEST_CASE("step falls by its factor every so many epochs, constant never") {
  TrainOptions o;
  o.lr = 1.0;
  o.warmup_epochs = 0;
  o.sched = "step";
  o.step_epochs = 3;
  o.step_factor = 0.5;
  const Schedule schedule(o, 10);
  CHECK(schedule.lr(2, 9) == Approx(1.0));
  CHECK(schedule.lr(3, 0) == Approx(0.5));
  CHECK(schedule.lr(6, 0) == Approx(0.25));
  o.sched = "constant";
  CHECK(Schedule(o, 10).lr(30, 0) == Approx(1.0));
}

TEST_CASE("plateau falls only after its patience without a lower loss") {
  TrainOptions o;
  o.lr = 1.0;
  o.warmup_epochs = 0;
  o.sched = "plateau";
  o.step_factor = 0.1;
  o.plateau_patience = 2;
  Schedule schedule(o, 10);
  schedule.end_of_epoch(2.0);
  schedule.end_of_epoch(2.1);
  schedule.end_of_epoch(2.0);
  CHECK(schedule.lr(3, 0) == Approx(1.0));
  schedule.end_of_epoch(2.2);
  CHECK(schedule.lr(4, 0) == Approx(0.1));
  schedule.end_of_epoch(1.0);
  CHECK(schedule.lr(5, 0) == Approx(0.1));
}

TEST_CASE("a recipe out of range is refused by name and value") {
  TrainOptions o;
  o.opt = "adm";
  CHECK_THROWS_WITH(check(o),
                    Catch::Contains("train.opt") && Catch::Contains("did you mean 'adam'"));
  o = {};
  o.ema = 1.0;
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.ema"));
  o = {};
  o.epochs = 0;
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.epochs"));
  o = {};
  o.step_factor = 10;
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.step_factor: 10 is not in (0, 1]"));
  o = {};
  o.weight_decay = std::nan("");
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.weight_decay"));
  o = {};
  o.epochs = 2;
  o.progressive = {16, 20};
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.progressive: 2 sides leave none of the 2"));
}

TEST_CASE("options that say nothing or the contrary are refused") {
  TrainOptions o;
  o.min_lr = 0.01;  // adam's peak is .002
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.min_lr: 0.01 is more than the peak"));
  o = {};
  o.unfreeze = {"stage2"};
  CHECK_THROWS_WITH(check(o), Catch::Contains("train.unfreeze: there is no second phase"));
}
