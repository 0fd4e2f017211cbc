#include "fer/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace fer {
namespace {

class Base : public Optimizer {
 public:
  Base(const TrainOptions& options, std::vector<std::string> names,
       std::vector<at::Tensor> parameters, std::vector<double> rates,
       std::vector<std::string> slots)
      : options_(options),
        weight_decay_(effective_weight_decay(options)),
        names_(std::move(names)),
        parameters_(std::move(parameters)),
        rates_(std::move(rates)),
        slot_names_(std::move(slots)) {
    rates_.resize(parameters_.size(), 1.0);
    for (std::size_t s = 0; s < slot_names_.size(); ++s) {
      auto& slot = slots_.emplace_back();
      for (const auto& p : parameters_) slot.push_back(at::zeros_like(p));
    }
  }

  void step(double lr) override {
    at::NoGradGuard no_grad;
    ++steps;
    std::map<double, Group> groups;  // by rate
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      auto& parameter = parameters_[i];
      if (!parameter.grad().defined()) continue;
      Group& group = groups[rates_[i]];
      group.parameters.push_back(parameter);
      group.gradients.push_back(parameter.grad());
      group.slots.resize(slots_.size());
      for (std::size_t s = 0; s < slots_.size(); ++s) group.slots[s].push_back(slots_[s][i]);
      if (weight_decay_ > 0 && parameter.dim() > 1) {
        group.decayed.push_back(parameter);
        group.decayed_gradients.push_back(parameter.grad());
      }
      parameter.mutable_grad() = at::Tensor();
    }
    for (auto& [rate, group] : groups) update(group, lr * rate);
  }

  std::map<std::string, at::Tensor> state() override {
    std::map<std::string, at::Tensor> result;
    for (std::size_t s = 0; s < slots_.size(); ++s) {
      for (std::size_t i = 0; i < names_.size(); ++i) {
        result[slot_names_[s] + "." + names_[i]] = slots_[s][i];
      }
    }
    return result;
  }

 protected:
  // Parameters of one rate: one launch for all of them is several times faster on a GPU.
  struct Group {
    std::vector<at::Tensor> parameters, gradients;       // free to be overwritten
    std::vector<std::vector<at::Tensor>> slots;          // [slot][parameter]
    std::vector<at::Tensor> decayed, decayed_gradients;  // those of them that decay
  };
  virtual void update(Group& group, double lr) = 0;

  const TrainOptions options_;
  const double weight_decay_;

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  std::vector<double> rates_;
  std::vector<std::string> slot_names_;
  std::vector<std::vector<at::Tensor>> slots_;
};

// v = m v + g; p -= lr (g + m v)
class Sgd : public Base {
 public:
  Sgd(const TrainOptions& o, std::vector<std::string> names, std::vector<at::Tensor> parameters,
      std::vector<double> rates)
      : Base(o, std::move(names), std::move(parameters), std::move(rates), {"momentum"}) {}

 protected:
  void update(Group& group, double lr) override {
    if (!group.decayed.empty())
      at::_foreach_add_(group.decayed_gradients, group.decayed, weight_decay_);
    auto& velocity = group.slots[0];
    at::_foreach_mul_(velocity, options_.momentum);
    at::_foreach_add_(velocity, group.gradients);
    at::_foreach_add_(group.gradients, velocity, options_.momentum);
    at::_foreach_add_(group.parameters, group.gradients, -lr);
  }
};

// Kingma & Ba 2015; decay joins the gradient (adam) or shrinks the weights by itself (adamw).
class Adam : public Base {
 public:
  Adam(const TrainOptions& o, std::vector<std::string> names, std::vector<at::Tensor> parameters,
       std::vector<double> rates)
      : Base(o, std::move(names), std::move(parameters), std::move(rates), {"mean", "square"}),
        decoupled_(o.opt == "adamw") {}

 protected:
  void update(Group& group, double lr) override {
    constexpr double kEpsilon = 1e-8;
    if (!group.decayed.empty()) {
      if (decoupled_) {
        at::_foreach_mul_(group.decayed, 1.0 - lr * weight_decay_);
      } else {
        at::_foreach_add_(group.decayed_gradients, group.decayed, weight_decay_);
      }
    }
    auto& mean = group.slots[0];
    auto& square = group.slots[1];
    at::_foreach_mul_(mean, options_.beta1);
    at::_foreach_add_(mean, group.gradients, 1.0 - options_.beta1);
    at::_foreach_mul_(square, options_.beta2);
    at::_foreach_addcmul_(square, group.gradients, group.gradients, 1.0 - options_.beta2);
    group.gradients.clear();  // before there are as many denominators
    group.decayed_gradients.clear();
    const double mean_scale = 1.0 - std::pow(options_.beta1, static_cast<double>(steps));
    const double square_scale = 1.0 - std::pow(options_.beta2, static_cast<double>(steps));
    auto denominator = at::_foreach_sqrt(square);
    at::_foreach_div_(denominator, std::sqrt(square_scale));
    at::_foreach_add_(denominator, kEpsilon);
    at::_foreach_addcdiv_(group.parameters, mean, denominator, -lr / mean_scale);
  }

 private:
  bool decoupled_;
};

double gradient_norm(const std::vector<at::Tensor>& parameters) {
  double sum = 0;
  for (const auto& p : parameters) {
    if (!p.grad().defined()) continue;
    const double norm = p.grad().norm().item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const TrainOptions& options,
                                          std::vector<std::string> names,
                                          std::vector<at::Tensor> parameters,
                                          std::vector<double> rates) {
  if (options.opt == "sgd") {
    return std::make_unique<Sgd>(options, std::move(names), std::move(parameters),
                                 std::move(rates));
  }
  return std::make_unique<Adam>(options, std::move(names), std::move(parameters), std::move(rates));
}

Ascent::Ascent(std::vector<at::Tensor> parameters, double radius) {
  at::NoGradGuard no_grad;
  const double scale = radius / (gradient_norm(parameters) + 1e-12);
  for (auto& p : parameters) {
    if (!p.grad().defined()) continue;
    before_.push_back(p.detach().clone());
    p.add_(p.grad(), scale);
    p.mutable_grad().reset();
    parameters_.push_back(p);
  }
}

Ascent::~Ascent() = default;

void Ascent::restore() {
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(before_[i]);
}

double clip_gradients(const std::vector<at::Tensor>& parameters, double limit) {
  at::NoGradGuard no_grad;
  const double norm = gradient_norm(parameters);
  if (norm > limit) {
    for (const auto& p : parameters) {
      if (p.grad().defined()) p.grad().mul_(limit / (norm + 1e-6));
    }
  }
  return norm;
}

}  // namespace fer
