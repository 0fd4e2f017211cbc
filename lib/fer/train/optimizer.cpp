#include "fer/train/optimizer.h"

#include <ATen/ATen.h>

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
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      auto& parameter = parameters_[i];
      if (!parameter.grad().defined()) continue;
      update(i, parameter, parameter.grad(), parameter.dim() > 1 ? weight_decay_ : 0.0,
             lr * rates_[i]);
      parameter.mutable_grad() = at::Tensor();
    }
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
  virtual void update(std::size_t i, at::Tensor& parameter, at::Tensor gradient, double decay,
                      double lr) = 0;
  at::Tensor& slot(std::size_t s, std::size_t i) { return slots_[s][i]; }

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
  void update(std::size_t i, at::Tensor& parameter, at::Tensor gradient, double decay,
              double lr) override {
    if (decay > 0) gradient = gradient.add(parameter, decay);
    auto& velocity = slot(0, i);
    velocity.mul_(options_.momentum).add_(gradient);
    parameter.add_(gradient.add(velocity, options_.momentum), -lr);
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
  void update(std::size_t i, at::Tensor& parameter, at::Tensor gradient, double decay,
              double lr) override {
    constexpr double kEpsilon = 1e-8;
    if (decay > 0 && decoupled_) parameter.mul_(1.0 - lr * decay);
    if (decay > 0 && !decoupled_) gradient = gradient.add(parameter, decay);
    auto& mean = slot(0, i);
    auto& square = slot(1, i);
    mean.mul_(options_.beta1).add_(gradient, 1.0 - options_.beta1);
    square.mul_(options_.beta2).addcmul_(gradient, gradient, 1.0 - options_.beta2);
    const double mean_scale = 1.0 - std::pow(options_.beta1, static_cast<double>(steps));
    const double square_scale = 1.0 - std::pow(options_.beta2, static_cast<double>(steps));
    const auto denominator = square.sqrt().div_(std::sqrt(square_scale)).add_(kEpsilon);
    parameter.addcdiv_(mean, denominator, -lr / mean_scale);
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
