#include "fer/train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fer/core/error.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/nn/graph_module.h"
#include "fer/nn/runtime.h"
#include "fer/train/layer_plan.h"
#include "fer/train/loss.h"
#include "fer/train/optimizer.h"
#include "fer/train/packed_dataset.h"
#include "fer/train/schedule.h"
#include "fer/train/tally.h"

namespace fer {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kStateFormat = "fer-train-state";
constexpr const char* kStateVersion = "2";
constexpr std::int64_t kValidationBatch = 256;
constexpr std::int64_t kMostCached = std::int64_t{1}
                                     << 30;  // bytes of features, both sides together

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A net of another input side is the same net only where nothing counts its pixels, and where
// enough of them are left to the end.
// Targets and outputs are matched by their place.
void check_heads(const Dataset& data, const std::vector<HeadSpec>& heads) {
  if (data.heads().size() != heads.size())
    fail_input(format("the data has %zu heads, the net %zu", data.heads().size(), heads.size()));
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const HeadLabels& theirs = data.heads()[h];
    if (theirs.name != heads[h].name) {
      fail_input(format("head %zu is %s in the data, %s in the net", h + 1, theirs.name.c_str(),
                        heads[h].name.c_str()));
    }
    if (theirs.labels != heads[h].labels) {
      fail_input("head " + heads[h].name + ": the data's labels are " + join(theirs.labels, ", ") +
                 ", the net's are " + join(heads[h].labels, ", "));
    }
  }
}

void check_progressive(const Checkpoint& initial, const TrainOptions& options) {
  constexpr int kLeast = 8;
  for (const int side : options.progressive) {
    if (side < kLeast || side > initial.spec.input_size) {
      fail_input(format("train.progressive: %d is not in [%d, %d], the input size", side, kLeast,
                        initial.spec.input_size));
    }
    try {
      with_input_side(initial.graph, side);
    } catch (const Error& error) {
      fail_input(format("train.progressive: %d: ", side) + error.what());
    }
  }
}

// Whether two nets are shown the same tensor of a picture that is cut alike.
bool shown_alike(const ModelSpec& a, const ModelSpec& b) {
  return a.resize == b.resize && a.input_size == b.input_size && a.colour == b.colour &&
         a.scale == b.scale && a.mean == b.mean && a.std == b.std;
}

std::vector<std::int64_t> answers(const at::Tensor& logits) {
  const auto best = logits.argmax(1).to(at::kCPU).contiguous();
  const auto* p = best.data_ptr<std::int64_t>();
  return {p, p + best.numel()};
}

}  // namespace

struct Trainer::Impl {
  Checkpoint initial;
  TrainOptions options;
  AugmentOptions augment_options;
  std::string device;
  bool bf16;
  PackedDataset train, val;
  std::string val_fingerprint;
  GraphModule module;
  std::unique_ptr<GraphModule> average;  // where ema is on
  std::unique_ptr<const ConsistentTeachers> teachers;
  std::unique_ptr<Optimizer> optimizer;
  std::int64_t steps_per_epoch;
  int phase = 0;
  LayerPlan plan;  // of the phase
  Schedule schedule;
  at::Tensor train_features, val_features;  // of plan.boundary, where they are computed once
  std::vector<at::Tensor> class_weights;    // one a head; undefined: none
  std::vector<double> head_weights;

  std::int64_t epoch = 0;  // done
  std::int64_t step = 0;   // done in the epoch under way
  std::int64_t averaged = 0;
  Tally tally;
  double best_score = 0, best_loss = 0;
  std::int64_t best_epoch = 0;
  double seconds_before = 0;  // of the epoch under way, before it was interrupted

  Impl(const Checkpoint& checkpoint, const OpenedDataset& data, const TrainOptions& train_options,
       const AugmentOptions& augmentation, std::unique_ptr<const ConsistentTeachers> teaching)
      : initial(checkpoint),
        options(train_options),
        augment_options(augmentation),
        device(resolve_device(train_options.device)),
        bf16(resolve_bf16(train_options.amp, device)),
        train(*data.train, checkpoint.spec.resize, device),
        val(*data.val, checkpoint.spec.resize, device),
        val_fingerprint(fingerprint(*data.val)),
        module(checkpoint.graph, device),
        teachers(std::move(teaching)),
        steps_per_epoch(train.size() / train_options.batch_size),
        schedule(phase_schedule(0)),
        tally(checkpoint.spec.heads) {
    for (const HeadSpec& head : initial.spec.heads) {
      const auto found = options.head_weights.find(head.name);
      head_weights.push_back(found == options.head_weights.end() ? 1.0 : found->second);
    }
    for (std::size_t h = 0; h < train.heads(); ++h) class_weights.push_back(weights_of_classes(h));
    start();
  }

  at::Tensor weights_of_classes(std::size_t head) const {
    if (options.class_weights != "balanced") return {};
    std::vector<std::int64_t> all(train.size());
    for (std::int64_t i = 0; i < train.size(); ++i) all[i] = i;
    const auto mass = train.targets(head, all).sum(0).to(at::kCPU, at::kDouble).contiguous();
    const auto* m = mass.data_ptr<double>();
    return at::tensor(balanced_class_weights({m, m + mass.numel()})).to(torch_device(device));
  }

  bool two_phases() const { return training_phase(options, options.epochs) == 1; }
  // Of the phase that the epoch at hand belongs to, begun or not.
  std::int64_t phase_begin() const {
    return training_phase(options, epoch) == 1 ? options.unfreeze_at : 0;
  }

  // Each phase has a warm-up and a schedule of its own.
  Schedule phase_schedule(int number) const {
    TrainOptions own = options;
    if (two_phases())
      own.epochs = number == 0 ? options.unfreeze_at : options.epochs - options.unfreeze_at;
    if (number == 1) {
      own.lr = effective_lr(options) * options.unfreeze_lr;
      own.min_lr *= options.unfreeze_lr;
    }
    return Schedule(own, steps_per_epoch);
  }
  double lr(std::int64_t at_step) const { return schedule.lr(epoch - phase_begin(), at_step); }

  // With a fresh optimiser: what it remembers is of other parameters and another rate.
  void begin_phase(int number) {
    phase = number;
    plan = plan_layers(initial.graph, options, phase);
    module.set_frozen(plan.frozen);
    std::vector<double> rates;
    for (std::size_t i = 0; i < plan.rate.size(); ++i) {
      for (const Parameter& parameter : initial.graph.parameters(static_cast<int>(i))) {
        if (parameter.trainable && !plan.frozen[i]) rates.push_back(plan.rate[i]);
      }
    }
    optimizer =
        make_optimizer(options, module.trainable_names(), module.trainable(), std::move(rates));
    schedule = phase_schedule(phase);
    train_features = val_features = at::Tensor();
    if (teachers && caches_features()) {
      fail_input(
          "train.teacher_mode consistent: the frozen layers' features are computed once, so that "
          "the pictures stay the same; use fixed");
    }
    if (!options.progressive.empty() && caches_features()) {
      fail_input(
          "train.progressive: the frozen layers' features are computed once, at the net's own "
          "input size; use one of the two");
    }
  }

  // Nothing that learns comes before plan.boundary, and the pictures stay the same.
  bool caches_features() const {
    const std::int64_t bytes = element_count(initial.graph.shape(plan.boundary)) *
                               static_cast<std::int64_t>(sizeof(float)) *
                               (train.size() + val.size());
    return plan.boundary > 0 && (options.cache_features || !augment_options.enabled) &&
           bytes <= kMostCached;
  }
  bool augments() const { return augment_options.enabled && !train_features.defined(); }

  at::Tensor features_of(const PackedDataset& data) {
    const at::NoGradGuard no_grad;
    const Autocast autocast(bf16, device);
    std::vector<at::Tensor> parts;
    for (std::int64_t begin = 0; begin < data.size(); begin += kValidationBatch) {
      const auto input = plain_batch(data.images(range(data, begin)), initial.spec);
      parts.push_back(module.features(input, plan.boundary));
    }
    return at::cat(parts);
  }

  static std::vector<std::int64_t> range(const PackedDataset& data, std::int64_t begin) {
    std::vector<std::int64_t> indices;
    for (std::int64_t i = begin; i < std::min(begin + kValidationBatch, data.size()); ++i)
      indices.push_back(i);
    return indices;
  }

  static at::Tensor rows(const at::Tensor& features, const std::vector<std::int64_t>& indices) {
    return features.index_select(0, at::tensor(indices, features.options().dtype(at::kLong)));
  }

  // Before the first step of an epoch or of what is left of one.
  void prepare() {
    if (const int now = training_phase(options, epoch); now != phase) begin_phase(now);
    if (!train_features.defined() && caches_features()) {
      train_features = features_of(train);
      val_features = features_of(val);
    }
  }

  // The average begins at the weights as they are now.
  void start() {
    begin_phase(0);
    if (options.ema > 0) {
      average = std::make_unique<GraphModule>(initial.graph, device);
      at::NoGradGuard no_grad;
      const auto from = module.tensors(), to = average->tensors();
      for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i]);
    }
    averaged = 0;
  }

  void update_average() {
    if (!average) return;
    at::NoGradGuard no_grad;
    ++averaged;
    // Young averages follow closely, so that the random start is forgotten.
    const double decay = std::min(options.ema, (1.0 + averaged) / (10.0 + averaged));
    lerp_all(average->tensors(), module.tensors(), 1.0 - decay);
  }

  std::int64_t parts_of_training() const {
    return static_cast<std::int64_t>(options.progressive.size()) + 1;
  }
  // Epochs done before the pictures have the net's own side.
  std::int64_t own_side_begin() const {
    const auto parts = parts_of_training();
    return ((parts - 1) * options.epochs + parts - 1) / parts;
  }
  // Of this epoch's training pictures; see TrainOptions::progressive.
  int input_side() const {
    const auto parts = parts_of_training();
    const auto part = static_cast<std::size_t>(epoch * parts / options.epochs);
    return part < options.progressive.size() ? options.progressive[part] : initial.spec.input_size;
  }

  std::vector<std::int64_t> batch_draws(const std::vector<std::int64_t>& order,
                                        std::int64_t at) const {
    return {order.begin() + at * options.batch_size, order.begin() + (at + 1) * options.batch_size};
  }

  std::vector<std::int64_t> samples(std::vector<std::int64_t> draws) const {
    for (std::int64_t& i : draws) i %= train.size();
    return draws;
  }

  std::vector<int> labels(const PackedDataset& data, std::size_t head,
                          const std::vector<std::int64_t>& indices) const {
    std::vector<int> result;
    for (const std::int64_t i : indices) result.push_back(data.labels(head)[i]);
    return result;
  }

  struct Batch {
    at::Tensor input;                 // pictures as the net sees them, or features of plan.boundary
    std::vector<at::Tensor> targets;  // one a head
  };

  // What the step under way trains on; untaught: without the teachers' answers.
  Batch batch(const std::vector<std::int64_t>& draws, bool untaught = false) const {
    Batch result;
    const auto indices = samples(draws);
    for (std::size_t h = 0; h < train.heads(); ++h)
      result.targets.push_back(train.targets(h, indices));
    double share = 1;  // of the own picture and label, where two are mixed
    if (augments() && augment_options.mixup > 0) {
      Rng rng{options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(step),
              0x6d69787570ull};  // "mixup"
      const double drawn = rng.beta(augment_options.mixup, augment_options.mixup);
      share = std::max(drawn, 1.0 - drawn);
    }
    if (share < 1)
      for (auto& t : result.targets) t = mixed(t, share);
    if (train_features.defined()) {
      result.input = rows(train_features, indices);
      return result;
    }
    std::vector<std::pair<const ModelSpec*, at::Tensor>>
        seen;  // by the net and, otherwise, by teachers
    const auto view = [&](const PackedDataset& pictures, const ModelSpec& spec) {
      for (const auto& [whose, tensor] : seen) {
        if (shown_alike(*whose, spec)) return tensor;
      }
      auto tensor = augment(pictures.images(indices), draws, augment_options, spec, options.seed,
                            epoch, initial.spec);
      if (share < 1) tensor = mixed(tensor, share);
      seen.emplace_back(&spec, tensor);
      return tensor;
    };
    result.input = view(train, initial.spec);
    if (teachers && !untaught) teachers->teach(result.targets, view);
    if (const int side = input_side(); side != initial.spec.input_size)
      result.input = shrink(result.input, side);
    return result;
  }

  std::map<std::string, at::Tensor> training_logits(const at::Tensor& input,
                                                    const ForwardOptions& forward, int from) {
    const Autocast autocast(bf16, device);
    return module.forward(input, forward, from);
  }

  at::Tensor training_loss(const std::map<std::string, at::Tensor>& logits,
                           const std::vector<at::Tensor>& targets) const {
    at::Tensor total;
    for (std::size_t h = 0; h < targets.size(); ++h) {
      const auto loss = soft_cross_entropy(logits.at(initial.spec.heads[h].name), targets[h],
                                           options.label_smoothing, class_weights[h]) *
                        head_weights[h];
      total = total.defined() ? total + loss : loss;
    }
    return total;
  }

  // One step; returns the loss. `lr` is for the error message and the update.
  double train_step(const std::vector<std::int64_t>& draws, double lr) {
    const auto [input, targets] = batch(draws);
    const auto indices = samples(draws);
    const int from = train_features.defined() ? plan.boundary : 0;
    ForwardOptions forward;
    forward.training = true;
    forward.seed =
        Rng{options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(step)}
            .next();
    forward.drop_path = static_cast<float>(options.drop_path);

    auto logits = training_logits(input, forward, from);
    at::Tensor total = training_loss(logits, targets);
    for (std::size_t h = 0; h < targets.size(); ++h) {
      tally.count(h, answers(logits.at(initial.spec.heads[h].name).detach()),
                  labels(train, h, indices));
    }
    const double value = total.item<double>();
    if (!std::isfinite(value)) {
      fail_runtime(
          format("training diverged: the loss is %g in epoch %lld, step %lld, at learning rate %g",
                 value, static_cast<long long>(epoch + 1), static_cast<long long>(step + 1), lr));
    }
    total.backward();
    if (options.sam > 0) {
      Ascent ascent(module.trainable(), options.sam);
      forward.track = false;  // of the weights that are kept
      training_loss(training_logits(input, forward, from), targets).backward();
      ascent.restore();
    }
    if (options.clip_grad > 0) clip_gradients(module.trainable(), options.clip_grad);
    optimizer->step(lr);
    update_average();
    tally.loss_sum += value * options.batch_size;
    tally.images += options.batch_size;
    return value;
  }

  Tally validate() {
    c10::InferenceMode inference;
    GraphModule& net = average ? *average : module;
    Tally sums(initial.spec.heads);
    for (std::int64_t begin = 0; begin < val.size(); begin += kValidationBatch) {
      const auto indices = range(val, begin);
      std::map<std::string, at::Tensor> logits;
      {
        const Autocast autocast(bf16, device);
        logits = val_features.defined()
                     ? net.forward(rows(val_features, indices), {}, plan.boundary)
                     : net.forward(plain_batch(val.images(indices), initial.spec));
      }
      for (std::size_t h = 0; h < val.heads(); ++h) {
        const auto targets = val.targets(h, indices);
        const auto known = std::lround(targets.sum().item<double>());
        const auto& head_logits = logits.at(initial.spec.heads[h].name);
        sums.head_loss_sums[h] +=
            soft_cross_entropy(head_logits, targets, 0.0, {}).item<double>() * known;
        sums.head_counts[h] += known;
        sums.count(h, answers(head_logits), labels(val, h, indices));
      }
    }
    sums.images = 1;
    for (std::size_t h = 0; h < val.heads(); ++h)
      sums.loss_sum += head_weights[h] * sums.head_scores(h).loss;
    return sums;
  }

  double monitored(const Scores& s) const {
    if (options.monitor == "loss") return -s.loss;
    return options.monitor == "macro_f1" ? s.macro_f1 : s.accuracy;
  }
};

Trainer::Trainer(const Checkpoint& initial, const OpenedDataset& data, const TrainOptions& options,
                 const AugmentOptions& augment_options,
                 std::unique_ptr<const ConsistentTeachers> teachers) {
  check(options);
  if (options.batch_size == 0) fail_input("train.batch_size: 'auto' was not resolved");
  check(augment_options);
  check_spec(initial.spec, initial.graph);
  const auto& heads = initial.spec.heads;
  for (const auto& [name, weight] : options.head_weights) {
    initial.spec.head(name);
    if (!(weight >= 0))
      fail_input(format("train.head_weights: %g for head %s is negative", weight, name.c_str()));
  }
  check_heads(*data.train, heads);
  check_heads(*data.val, heads);
  if (data.train->size() == 0) fail_input("the training split is empty");
  if (data.val->size() == 0) fail_input("the validation split is empty");
  if (options.batch_size > data.train->size()) {
    fail_input(format("train.batch_size: %d is more than the %lld training images",
                      options.batch_size, static_cast<long long>(data.train->size())));
  }
  check_progressive(initial, options);
  if (teachers) {
    const bool same_heads = std::ranges::equal(
        teachers->heads(), data.train->heads(),
        [](const auto& a, const auto& b) { return a.name == b.name && a.labels == b.labels; });
    if (teachers->size() != data.train->size() || !same_heads)
      fail_input("the teachers were given other data than the training part");
  }
  set_torch_threads(options.threads);
  impl_ = std::make_unique<Impl>(initial, data, options, augment_options, std::move(teachers));
}

Trainer::~Trainer() = default;

void Trainer::initialise() {
  impl_->module.initialise(impl_->options.seed);
  TensorMap weights = impl_->module.save();
  for (const auto& [name, tensor] : impl_->initial.weights) weights[name] = tensor;
  impl_->module.load(weights);
  impl_->start();
}

std::int64_t Trainer::epochs_done() const { return impl_->epoch; }

bool Trainer::finished() const {
  const auto& o = impl_->options;
  if (impl_->epoch >= o.epochs) return true;
  // The second phase has its own patience, and the first one goes on to it.
  if (training_phase(o, impl_->epoch) == 0 && impl_->two_phases()) return false;
  // Nor does a part with smaller pictures end a run: validation has the net's own side.
  const std::int64_t best =
      std::max({impl_->best_epoch, impl_->phase_begin(), impl_->own_side_begin()});
  return o.early_stop > 0 && best > 0 && impl_->epoch - best >= o.early_stop;
}

std::int64_t Trainer::images_per_epoch() const {
  return impl_->steps_per_epoch * impl_->options.batch_size;
}

std::string Trainer::device_description() const {
  std::string text = impl_->device;
  if (text == "cpu") text += format(", %d threads", torch_threads());
  return text + (impl_->bf16 ? ", bf16" : ", fp32");
}

std::string Trainer::phase_description() const {
  const Impl& t = *impl_;
  const auto frozen = std::count(t.plan.frozen.begin(), t.plan.frozen.end(), true);
  if (frozen == 0) return "";
  std::int64_t learning = 0;
  for (std::size_t i = 0; i < t.plan.frozen.size(); ++i) {
    if (t.plan.frozen[i]) continue;
    for (const Parameter& p : t.initial.graph.parameters(static_cast<int>(i)))
      learning += p.trainable ? element_count(p.shape) : 0;
  }
  return human_count(static_cast<double>(learning)) + " parameters learn, the others are frozen" +
         (t.caches_features() ? "; frozen features are computed once" : "");
}

std::optional<EpochResult> Trainer::run_epoch(const Callbacks& callbacks) {
  Impl& t = *impl_;
  const auto start = Clock::now();
  t.prepare();
  const auto order = epoch_order(t.train, t.options.sampler, t.options.seed, t.epoch);
  const std::int64_t first_step = t.step;
  EpochResult result;
  while (t.step < t.steps_per_epoch) {
    result.lr = t.lr(t.step);
    t.train_step(t.batch_draws(order, t.step), result.lr);
    ++t.step;
    if (callbacks.progress) {
      callbacks.progress(t.step * t.options.batch_size, images_per_epoch(),
                         t.tally.loss_sum / static_cast<double>(t.tally.images));
    }
    if (callbacks.stop_requested && callbacks.stop_requested()) {
      t.seconds_before += seconds_since(start);
      return std::nullopt;
    }
  }
  const double train_seconds = seconds_since(start);
  const Tally val = t.validate();
  // The last step may have been the one, and no later one looks at what it did.
  if (const double loss = val.scores().loss; !std::isfinite(loss)) {
    fail_runtime(
        format("training diverged: the validation loss is %g after epoch %lld, at learning rate %g",
               loss, static_cast<long long>(t.epoch + 1), result.lr));
  }
  result.epoch = t.epoch + 1;
  result.lr = t.lr(t.steps_per_epoch - 1);
  result.images_per_second =
      static_cast<double>((t.step - first_step) * t.options.batch_size) / train_seconds;
  result.train = t.tally.scores();
  result.val = val.scores();
  for (std::size_t h = 0; h < t.val.heads(); ++h) result.val_heads.push_back(val.head_scores(h));

  t.schedule.end_of_epoch(result.val.loss);
  ++t.epoch;
  t.step = 0;
  t.tally = Tally(t.initial.spec.heads);
  const double score = t.monitored(result.val);
  // Of equals the surer one: a small validation set has many.
  const double loss = result.val.loss;
  if (t.best_epoch == 0 || score > t.best_score || (score == t.best_score && loss < t.best_loss)) {
    t.best_score = score;
    t.best_loss = loss;
    t.best_epoch = t.epoch;
  }
  result.seconds = t.seconds_before + seconds_since(start);
  t.seconds_before = 0;
  return result;
}

double Trainer::measure_epoch(std::int64_t max_images) {
  Impl& t = *impl_;
  const auto order = epoch_order(t.train, t.options.sampler, t.options.seed, t.epoch);
  const std::int64_t steps =
      std::clamp<std::int64_t>(max_images / t.options.batch_size, 1, t.steps_per_epoch);
  synchronise(t.device);
  const auto start = Clock::now();
  for (std::int64_t s = 0; s < steps; ++s)
    t.train_step(t.batch_draws(order, s), t.schedule.lr(0, s));
  synchronise(t.device);
  return static_cast<double>(steps * t.options.batch_size) / seconds_since(start);
}

double Trainer::measure_bare(std::int64_t max_images) {
  Impl& t = *impl_;
  const auto indices = t.batch_draws(epoch_order(t.train, "shuffle", 0, 0), 0);
  const auto input = plain_batch(t.train.images(indices), t.initial.spec);
  std::vector<at::Tensor> targets;
  for (std::size_t h = 0; h < t.train.heads(); ++h) targets.push_back(t.train.targets(h, indices));
  const std::int64_t steps = std::max<std::int64_t>(1, max_images / t.options.batch_size);
  synchronise(t.device);
  const auto start = Clock::now();
  for (std::int64_t s = 0; s < steps; ++s) {
    ForwardOptions forward;
    forward.training = true;
    forward.seed = static_cast<std::uint64_t>(s);
    std::map<std::string, at::Tensor> logits;
    {
      const Autocast autocast(t.bf16, t.device);
      logits = t.module.forward(input, forward);
    }
    at::Tensor total = at::zeros({}, input.options());
    for (std::size_t h = 0; h < targets.size(); ++h) {
      total =
          total + soft_cross_entropy(logits.at(t.initial.spec.heads[h].name), targets[h], 0.0, {});
    }
    total.backward();
    t.optimizer->step(1e-3);
  }
  synchronise(t.device);
  return static_cast<double>(steps * t.options.batch_size) / seconds_since(start);
}

bool Trainer::last_was_best() const {
  return impl_->best_epoch > 0 && impl_->best_epoch == impl_->epoch;
}
std::int64_t Trainer::best_epoch() const { return impl_->best_epoch; }
double Trainer::best_score() const {
  return impl_->options.monitor == "loss" ? -impl_->best_score : impl_->best_score;
}

Checkpoint Trainer::checkpoint() const {
  Checkpoint result{impl_->initial.graph, impl_->initial.spec, {}};
  result.weights = impl_->average ? impl_->average->save() : impl_->module.save();
  return result;
}

std::vector<Image> Trainer::preview(int n) const {
  const Impl& t = *impl_;
  // A run may have been stopped behind its epoch's last step.
  const auto draws = t.batch_draws(epoch_order(t.train, t.options.sampler, t.options.seed, t.epoch),
                                   std::min(t.step, t.steps_per_epoch - 1));
  const auto input = t.caches_features()
                         ? plain_batch(t.train.images(t.samples(draws)), t.initial.spec)
                         : t.batch(draws, /*untaught=*/true).input;
  return to_images(input.slice(0, 0, n), t.initial.spec);
}

void Trainer::save_state(const std::filesystem::path& path, const std::string& note) const {
  const Impl& t = *impl_;
  SafetensorsFile file;
  file.metadata["format"] = kStateFormat;
  file.metadata["version"] = kStateVersion;
  file.metadata["graph"] = to_json(t.initial.graph).dump();
  file.metadata["data"] = t.initial.spec.data_fingerprint;
  file.metadata["validation"] = t.val_fingerprint;
  file.metadata["note"] = note;
  const auto& s = t.schedule.state;
  file.metadata["position"] = Json{{"epoch", t.epoch},
                                   {"step", t.step},
                                   {"phase", t.phase},
                                   {"batch_size", t.options.batch_size},
                                   {"steps_per_epoch", t.steps_per_epoch},
                                   {"seconds", t.seconds_before},
                                   {"averaged", t.averaged},
                                   {"optimizer_steps", t.optimizer->steps},
                                   {"best_score", t.best_score},
                                   {"best_loss", t.best_loss},
                                   {"best_epoch", t.best_epoch},
                                   {"tally", t.tally},
                                   {"plateau", {s.factor, s.best_loss, s.has_best, s.bad_epochs}}}
                                  .dump();
  for (auto& [name, tensor] : t.module.save()) file.tensors["weight." + name] = std::move(tensor);
  if (t.average) {
    for (auto& [name, tensor] : t.average->save())
      file.tensors["average." + name] = std::move(tensor);
  }
  for (const auto& [name, tensor] : t.optimizer->state())
    file.tensors["optimizer." + name] = from_torch(tensor);
  write_safetensors(path, file);
}

std::string Trainer::load_state(const std::filesystem::path& path) {
  Impl& t = *impl_;
  SafetensorsFile file = read_safetensors(path);
  const auto& m = file.metadata;
  const auto value = [&](const std::string& key) {
    const auto found = m.find(key);
    if (found == m.end())
      fail_input(path.string() + ": not the state of a training run (no " + key + ")");
    return found->second;
  };
  if (value("format") != kStateFormat) {
    fail_input(path.string() + ": not the state of a training run");
  }
  if (value("version") != kStateVersion) {
    fail_input(path.string() + ": of another version of fer-train (" + value("version") +
               ", this one's is " + kStateVersion + "); only that version can go on with it");
  }
  if (value("graph") != to_json(t.initial.graph).dump())
    fail_input(path.string() + ": belongs to another net");
  if (value("data") != t.initial.spec.data_fingerprint) {
    fail_input(path.string() + ": the training data has changed since (fingerprint " +
               t.initial.spec.data_fingerprint + ", the run's was " + value("data") + ")");
  }
  if (value("validation") != t.val_fingerprint) {
    fail_input(path.string() + ": the validation data has changed since (fingerprint " +
               t.val_fingerprint + ", the run's was " + value("validation") + ")");
  }
  const auto part = [&](const std::string& prefix) {
    TensorMap tensors;
    for (auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix)) tensors[name.substr(prefix.size())] = std::move(tensor);
    }
    return tensors;
  };
  try {
    const Json position = Json::parse(value("position"));
    // States of before this was stored have the steps alone.
    if (position.value("batch_size", t.options.batch_size) != t.options.batch_size ||
        position.at("steps_per_epoch") != t.steps_per_epoch) {
      fail_input(path.string() + ": was written with another batch size or amount of data");
    }
    position.at("epoch").get_to(t.epoch);
    // Not the epoch's: a run that stopped at the end of the first phase has not begun the second.
    t.begin_phase(position.value("phase", 0));
    t.module.load(part("weight."));
    if (t.average) t.average->load(part("average."));
    const TensorMap slots = part("optimizer.");
    at::NoGradGuard no_grad;
    for (auto& [name, tensor] : t.optimizer->state()) tensor.copy_(to_torch(slots.at(name)));
    position.at("step").get_to(t.step);
    t.seconds_before = position.value("seconds", 0.0);  // not in older states
    position.at("averaged").get_to(t.averaged);
    position.at("optimizer_steps").get_to(t.optimizer->steps);
    position.at("best_score").get_to(t.best_score);
    position.at("best_loss").get_to(t.best_loss);
    position.at("best_epoch").get_to(t.best_epoch);
    position.at("tally").get_to(t.tally);
    const auto& plateau = position.at("plateau");
    t.schedule.state = {plateau.at(0), plateau.at(1), plateau.at(2), plateau.at(3)};
  } catch (const Json::exception& e) {
    fail_input(path.string() + ": broken position: " + e.what());
  } catch (const std::out_of_range&) {
    fail_input(path.string() + ": was written with another optimiser");
  }
  return value("note");
}

}  // namespace fer
