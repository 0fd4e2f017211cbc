#include "fer/track/smoother.h"

#include <algorithm>
#include <cmath>

namespace fer {

void Smoother::update(std::span<const float> answer, double time) {
  const auto best_label = [&] {
    const auto best = std::max_element(probabilities_.begin(), probabilities_.end());
    return static_cast<std::size_t>(best - probabilities_.begin());
  };
  if (!has_answer(time)) {
    probabilities_.assign(answer.begin(), answer.end());
    label_ = best_label();
    uncertain_ = confidence() < uncertain_below_;
    time_ = time;
    return;
  }
  const float weight =
      options_.time_constant > 0
          ? static_cast<float>(1 - std::exp((time_ - time) / options_.time_constant))
          : 1.0f;
  for (std::size_t c = 0; c < probabilities_.size(); ++c) {
    probabilities_[c] += weight * (answer[c] - probabilities_[c]);
  }
  const std::size_t best = best_label();
  if (probabilities_[best] >= probabilities_[label_] + options_.switch_margin) label_ = best;
  uncertain_ = confidence() < uncertain_below_ + (uncertain_ ? options_.sure_margin : 0.0f);
  time_ = time;
}

bool Smoother::has_answer(double time) const {
  return !probabilities_.empty() && time - time_ <= options_.hold;
}

}  // namespace fer
