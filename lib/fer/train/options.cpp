#include "fer/train/options.h"

#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

void one_of(const char* name, const std::string& value, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  fail_input(format("train.%s: unknown value '%s', expected one of: ", name, value.c_str()) +
             join(choices, ", ") + did_you_mean(value, choices));
}

void at_least(const char* name, double value, double low) {
  if (!(value >= low)) fail_input(format("train.%s: %g is less than %g", name, value, low));
}

void fraction(const char* name, double value) {
  if (!(value >= 0.0 && value < 1.0))
    fail_input(format("train.%s: %g is not in [0, 1)", name, value));
}

}  // namespace

void check(const TrainOptions& o) {
  at_least("epochs", o.epochs, 1);
  if (o.batch_size != 0) at_least("batch_size", o.batch_size, 2);
  at_least("lr", o.lr, 0);
  at_least("weight_decay", o.weight_decay, -1);  // -1: the optimiser's own
  at_least("warmup_epochs", o.warmup_epochs, 0);
  at_least("min_lr", o.min_lr, 0);
  if (o.min_lr > effective_lr(o)) {
    fail_input(format("train.min_lr: %g is more than the peak learning rate %g", o.min_lr,
                      effective_lr(o)));
  }
  at_least("step_epochs", o.step_epochs, 1);
  at_least("plateau_patience", o.plateau_patience, 0);
  at_least("early_stop", o.early_stop, 0);
  at_least("clip_grad", o.clip_grad, 0);
  at_least("sam", o.sam, 0);
  at_least("threads", o.threads, 0);
  fraction("momentum", o.momentum);
  fraction("beta1", o.beta1);
  fraction("beta2", o.beta2);
  fraction("label_smoothing", o.label_smoothing);
  fraction("ema", o.ema);
  fraction("drop_path", o.drop_path);
  if (static_cast<int>(o.progressive.size()) >= o.epochs) {
    fail_input(format("train.progressive: %zu sides leave none of the %d epochs to the net's own",
                      o.progressive.size(), o.epochs));
  }
  at_least("unfreeze_at", o.unfreeze_at, 0);
  if (o.unfreeze_at >= o.epochs) {
    fail_input(format("train.unfreeze_at: %d leaves nothing of the %d epochs for the second phase",
                      o.unfreeze_at, o.epochs));
  }
  if (o.unfreeze_at > 0 && o.freeze.empty()) {
    fail_input("train.unfreeze_at: nothing is frozen; name it with train.freeze");
  }
  if (o.unfreeze_at == 0 && !o.unfreeze.empty()) {
    fail_input("train.unfreeze: there is no second phase; say by train.unfreeze_at when it begins");
  }
  if (!(o.unfreeze_lr > 0))
    fail_input(format("train.unfreeze_lr: %g is not above 0", o.unfreeze_lr));
  if (!(o.layer_decay > 0 && o.layer_decay <= 1)) {
    fail_input(format("train.layer_decay: %g is not in (0, 1]", o.layer_decay));
  }
  if (!(o.step_factor > 0 && o.step_factor <= 1)) {
    fail_input(format("train.step_factor: %g is not in (0, 1]", o.step_factor));
  }
  for (const auto& [name, rate] : o.rates) at_least(("rates " + name).c_str(), rate, 0);
  one_of("opt", o.opt, {"adam", "adamw", "sgd"});
  one_of("sched", o.sched, {"constant", "step", "plateau", "cosine"});
  one_of("class_weights", o.class_weights, {"none", "balanced"});
  one_of("sampler", o.sampler, {"shuffle", "balanced"});
  one_of("monitor", o.monitor, {"accuracy", "macro_f1", "loss"});
  one_of("amp", o.amp, {"auto", "bf16", "off"});
}

double effective_lr(const TrainOptions& o) {
  if (o.lr > 0) return o.lr;
  return o.opt == "sgd" ? 0.1 : 2e-3;
}

double effective_weight_decay(const TrainOptions& o) {
  if (o.weight_decay >= 0) return o.weight_decay;
  return o.opt == "adamw" ? 0.05 : 1e-4;
}

}  // namespace fer
