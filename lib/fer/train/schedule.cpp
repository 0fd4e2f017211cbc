#include "fer/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fer {

Schedule::Schedule(const TrainOptions& options, std::int64_t steps_per_epoch)
    : options_(options), steps_per_epoch_(std::max<std::int64_t>(1, steps_per_epoch)) {}

double Schedule::lr(std::int64_t epoch, std::int64_t step) const {
  const double peak = effective_lr(options_);
  const double position = epoch + static_cast<double>(step) / steps_per_epoch_;
  if (position < options_.warmup_epochs) {
    return peak * (0.01 + 0.99 * position / options_.warmup_epochs);
  }
  if (options_.sched == "cosine") {
    const double span = std::max(1e-9, options_.epochs - options_.warmup_epochs);
    const double progress = std::min(1.0, (position - options_.warmup_epochs) / span);
    return options_.min_lr +
           0.5 * (peak - options_.min_lr) * (1.0 + std::cos(std::numbers::pi * progress));
  }
  if (options_.sched == "step") {
    const auto falls = static_cast<double>(epoch / options_.step_epochs);
    return std::max(options_.min_lr, peak * std::pow(options_.step_factor, falls));
  }
  return std::max(options_.min_lr, peak * state.factor);
}

void Schedule::end_of_epoch(double validation_loss) {
  if (options_.sched != "plateau") return;
  if (!state.has_best || validation_loss < state.best_loss) {
    state.has_best = true;
    state.best_loss = validation_loss;
    state.bad_epochs = 0;
  } else if (++state.bad_epochs > options_.plateau_patience) {
    state.factor *= options_.step_factor;
    state.bad_epochs = 0;
  }
}

}  // namespace fer
