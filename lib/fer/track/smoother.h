// Makes one face's answers calm: probabilities are averaged over a moment, and the label that is
// shown changes only when another one is clearly ahead.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace fer {

struct SmootherOptions {
  // Seconds: the weight of an answer falls to 1/e in that time, whatever the frame rate. 0: none.
  double time_constant = 0.35;
  float switch_margin = 0.08f;  // so much more probable must another label be to be shown
  // Once "uncertain" an answer must be so much above the threshold to count again.
  float sure_margin = 0.04f;
  // Seconds without an answer (turned away, blurred) for which the last one is still shown.
  double hold = 0.5;
};

class Smoother {
 public:
  // uncertain_below: the model's threshold (ModelSpec).
  Smoother(const SmootherOptions& options, float uncertain_below)
      : options_(options), uncertain_below_(uncertain_below) {}

  // The exponential moving average p += (1 - exp(-dt / time_constant)) (answer - p); the first
  // answer, and one after a gap of more than `hold`, stands alone. `time`: seconds, not falling.
  void update(std::span<const float> answer, double time);

  // Whether there was an answer within `hold` of that time.
  bool has_answer(double time) const;
  const std::vector<float>& probabilities() const { return probabilities_; }
  std::size_t label() const { return label_; }
  float confidence() const { return probabilities_[label_]; }
  // True whenever confidence() is below the threshold.
  bool uncertain() const { return uncertain_; }

 private:
  SmootherOptions options_;
  float uncertain_below_;
  std::vector<float> probabilities_;
  std::size_t label_ = 0;
  bool uncertain_ = true;
  double time_ = 0;
};

}  // namespace fer
