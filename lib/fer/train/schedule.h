// The learning rate as a function of the position; only "plateau" remembers anything.
#pragma once

#include "fer/train/options.h"

namespace fer {

class Schedule {
 public:
  Schedule(const TrainOptions& options, std::int64_t steps_per_epoch);

  double lr(std::int64_t epoch, std::int64_t step) const;  // both from 0
  void end_of_epoch(double validation_loss);               // plateau counts here

  // What "plateau" remembers, for resume.
  struct State {
    double factor = 1.0;
    double best_loss = 0.0;
    bool has_best = false;
    int bad_epochs = 0;
  };
  State state;

 private:
  TrainOptions options_;
  std::int64_t steps_per_epoch_;
};

}  // namespace fer
