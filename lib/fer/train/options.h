// How a net is trained: plain numbers with their defaults and the reason for them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fer {

struct TrainOptions {
  int epochs = 52;
  int batch_size = 128;      // 0: still to be chosen, see memory.h
  std::uint64_t seed = 0;    // of initialisation, order, augmentation and dropout
  std::string opt = "adam";  // adam, adamw (Loshchilov & Hutter 2019), sgd (Nesterov momentum)
  double lr = 0.0;           // peak learning rate; 0: adam, adamw 2e-3, sgd .1
  double weight_decay =
      -1.0;  // of weights, not of biases and batch norm; < 0: adam, sgd 1e-4, adamw .05
  double momentum = 0.9;              // sgd
  double beta1 = 0.9, beta2 = 0.999;  // adam, adamw
  std::string sched = "cosine";       // constant, step, plateau, cosine
  double warmup_epochs = 1.0;         // linear from 1 % of the rate, with every schedule
  double min_lr = 0.0;  // where cosine ends, and plateau and step stop falling; in the second phase
                        // times unfreeze_lr
  int step_epochs = 10;          // step: the rate falls every so many epochs
  double step_factor = 0.1;      // step, plateau: factor of a fall
  int plateau_patience = 5;      // plateau: epochs without a lower validation loss before a fall
  double label_smoothing = 0.1;  // Szegedy et al. 2016
  std::string class_weights = "none";  // none, balanced: n / (classes * n_c)
  std::string sampler = "shuffle";     // shuffle, balanced: every class as often, with replacement
  std::map<std::string, double> head_weights;  // of each head's loss; 1 when not named
  double ema = 0.999;  // decay of the weight average, batch-norm statistics too; 0: off
  // Stop after so many epochs without a better validation score; 0: never. Counted anew from where
  // a second phase or the last part of `progressive` begins, and not before that part.
  int early_stop = 0;
  std::string monitor =
      "accuracy";          // accuracy, macro_f1 or loss on validation: picks best.safetensors
  double clip_grad = 0.0;  // largest norm of the gradient; 0: off
  double sam = 0.0;        // radius of sharpness-aware minimisation, see Ascent; 0: off
  double drop_path = 0.0;  // stochastic depth, see ForwardOptions
  // Sides of the input in the earlier parts of the training, all parts equally long; the last part
  // has the net's own side (progressive resizing, Tan & Le 2021). Empty: its own from the start.
  std::vector<int> progressive;
  // Fine-tuning: see layer_plan.h for the names of layers.
  std::vector<std::string> freeze;    // what does not learn; "backbone": all but the heads
  int unfreeze_at = 0;                // epochs after which the second phase begins; 0: never
  std::vector<std::string> unfreeze;  // what of it the second phase trains; empty: all
  double unfreeze_lr = 0.1;  // peak rate of the second phase over the first one's; each has its own
                             // warm-up, schedule and a fresh optimiser
  double layer_decay = 1.0;  // rate of a group over that of the next one towards the head
  std::map<std::string, double> rates;  // factors of the rate by layers; 0 freezes
  bool cache_features = false;  // compute what a frozen backbone says of a picture once, from the
                                // plain pictures; always so where augmentation is off
  std::string amp = "auto";     // auto (bf16 where the device has it), bf16, off
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  int threads = 0;              // 0: all cores
};
// Throws kInput naming the option and the value.
void check(const TrainOptions& options);

double effective_lr(const TrainOptions& options);
double effective_weight_decay(const TrainOptions& options);

}  // namespace fer
