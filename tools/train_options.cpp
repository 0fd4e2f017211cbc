#include "train_options.h"

#include <algorithm>
#include <set>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/hash.h"
#include "fer/core/log.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/model/growth.h"
#include "fer/model/pretrained.h"
#include "fer/nn/low_rank.h"
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"
#include "fer/train/memory.h"
#if FER_HAVE_KERAS
#include "fer/keras/keras_h5.h"
#endif

namespace fer::tools {
namespace {

// "six=0.3*fer2013+0.7*ferplus"
MixedHeadSpec parse_mix(const std::string& text) {
  const auto wrong = [&]() -> void {
    fail_input("--mix '" + text + "': expected a form like six=0.3*fer2013+0.7*ferplus");
  };
  const auto equals = text.find('=');
  if (equals == std::string::npos) wrong();
  MixedHeadSpec mix;
  mix.name = trim(text.substr(0, equals));
  const auto labels = label_preset(mix.name);
  if (!labels)
    fail_input("--mix '" + text + "': " + mix.name + " is no label preset" +
               did_you_mean(mix.name, label_preset_names()));
  mix.labels = *labels;
  for (const std::string& part : split(text.substr(equals + 1), '+')) {
    const auto factors = split(part, '*');
    double weight = 0;
    if (factors.size() != 2 || !parse_double(trim(factors[0]), weight) || weight < 0) wrong();
    mix.parts.emplace_back(trim(factors[1]), static_cast<float>(weight));
  }
  return mix;
}

}  // namespace

void add_train_options(Options& o, TrainFlags& f) {
  o.group("Net");
  o.add("--arch", "model.arch", &f.architecture.name, join(architecture_names(), ", "));
  o.add("--input-size", "model.input_size", &f.architecture.input_size,
        "side of the input in pixels; 0: the architecture's or the checkpoint's own");
  o.add("--resize", "model.resize", &f.resize,
        "side before the crop to the input; 0: 48, or 12/11 of a larger input, or as the "
        "checkpoint's");
  o.add("--variant", "model.variant", &f.architecture.variant, "resnet50v2: keras or timm");
  o.add("--channels", "model.channels", &f.architecture.channels,
        "1 (gray) or 3 (gray repeated); 0: 3 for vgg16, vgg16_bn, resnet50v2, else 1");
  o.add("--pretrained", "model.pretrained", &f.pretrained,
        "weights to begin with: a checkpoint of ours (its head is replaced), a safetensors of "
        "torchvision or timm, or a Keras .h5");
  o.add("--list-pretrained", "", &f.list_pretrained,
        "print the published files of ImageNet weights, and end");
  o.add("--stages", "model.stages", &f.architecture.stages,
        "channels of each stage; empty: the architecture's own");
  o.add("--blocks", "model.blocks", &f.architecture.blocks,
        "convolutions or blocks a stage: one number, or one each; 0: own");
  o.add(
      "--deepen", "model.deepen", &f.deepen,
      "with a pretrained compact: stages that get one more block, which changes nothing at first");
  o.add("--widen", "model.widen", &f.widen,
        "with a pretrained compact: channels of each stage from now on; it answers alike at first");
  o.add("--low-rank", "model.low_rank", &f.low_rank,
        "with a pretrained net: convolutions that this makes less than half as large go through so "
        "many channels; 0: none");
  o.add("--dense", "model.dense", &f.architecture.dense,
        "widths of the dense layers before the head; 0: none");
  o.add("--dropout", "model.dropout", &f.architecture.dropout,
        "dropout rate; below 0: the architecture's own");
  o.add("--squeeze-excitation", "model.squeeze_excitation", &f.architecture.squeeze_excitation,
        "compact: a channel gate in every block");
  o.add("--mix", "model.mix", &f.mix, "a head made of others, e.g. six=0.3*fer2013+0.7*ferplus");
  o.add("--summary", "", &f.summary, "print layers, shapes, parameters and FLOPs, and end");

  TrainOptions& t = f.train;
  o.group("Recipe");
  o.add("--epochs", "train.epochs", &t.epochs, "passes over the training data");
  o.add_auto("-b,--batch-size", "train.batch_size", &t.batch_size,
             "images a step; auto: as many as fit into half of the free memory, at most 128");
  o.add("--opt", "train.opt", &t.opt, "adam, adamw, sgd (Nesterov momentum)");
  o.add("--lr", "train.lr", &t.lr, "peak learning rate; 0: adam, adamw .002, sgd .1");
  o.add("--weight-decay", "train.weight_decay", &t.weight_decay,
        "of weights; below 0: adam, sgd 1e-4, adamw .05");
  o.add("--momentum", "train.momentum", &t.momentum, "sgd");
  o.add("--beta1", "train.beta1", &t.beta1, "adam, adamw");
  o.add("--beta2", "train.beta2", &t.beta2, "adam, adamw");
  o.add("--sched", "train.sched", &t.sched, "constant, step, plateau, cosine");
  o.add("--warmup-epochs", "train.warmup_epochs", &t.warmup_epochs, "linear warm-up");
  o.add("--min-lr", "train.min_lr", &t.min_lr, "where the schedule ends");
  o.add("--step-epochs", "train.step_epochs", &t.step_epochs, "step: epochs between falls");
  o.add("--step-factor", "train.step_factor", &t.step_factor, "step, plateau: factor of a fall");
  o.add("--plateau-patience", "train.plateau_patience", &t.plateau_patience,
        "plateau: epochs without a lower loss before a fall");
  o.add("--label-smoothing", "train.label_smoothing", &t.label_smoothing,
        "share of the target spread over all classes");
  o.add("--class-weights", "train.class_weights", &t.class_weights, "none, balanced");
  o.add("--sampler", "train.sampler", &t.sampler, "shuffle, balanced");
  o.add("--ema", "train.ema", &t.ema, "decay of the weight average that is kept; 0: off");
  o.add("--early-stop", "train.early_stop", &t.early_stop,
        "epochs without a better score; 0: never");
  o.add("--monitor", "train.monitor", &t.monitor,
        "accuracy, macro_f1, loss of the validation part: picks best.safetensors");
  o.add("--clip-grad", "train.clip_grad", &t.clip_grad, "largest gradient norm; 0: off");
  o.add("--sam", "train.sam", &t.sam,
        "radius of sharpness-aware minimisation, e.g. .05; doubles the work of a step; 0: off");
  o.add("--drop-path", "train.drop_path", &t.drop_path, "stochastic depth rate of the last block");
  o.add("--progressive", "train.progressive", &t.progressive,
        "input sides of the earlier, equally long parts of the training, e.g. 28 36");
  o.add("--teacher", "train.teachers", &f.teachers,
        "checkpoints whose answers join the labels of the heads they share (distillation)");
  o.add("--teacher-weight", "train.teacher_weight", &f.teacher.weight,
        "share of the teachers in a target; the label has the rest");
  o.add("--teacher-mode", "train.teacher_mode", &f.teacher.mode,
        "fixed: asked once for each picture; consistent: at every step for the view at hand");
  o.group("Fine-tuning (layers: stem, stage1, ..., head, or a longer name such as stage3.block1)");
  o.add("--freeze", "train.freeze", &t.freeze,
        "layers that do not learn; backbone: all but the head");
  o.add("--unfreeze-at", "train.unfreeze_at", &t.unfreeze_at,
        "epochs after which a second phase trains them, too; 0: never");
  o.add("--unfreeze", "train.unfreeze", &t.unfreeze, "which of them; empty: all");
  o.add("--unfreeze-lr", "train.unfreeze_lr", &t.unfreeze_lr,
        "the second phase's peak learning rate over the first one's");
  o.add("--layer-decay", "train.layer_decay", &t.layer_decay,
        "learning rate of a group over that of the next one towards the head");
  o.add("--rates", "train.rates", &f.rates, "factors of the rate, e.g. stem=0 stage1=0.1");
  o.add("--cache-features", "train.cache_features", &t.cache_features,
        "compute a frozen backbone once, from the pictures as they are");
  o.group("Recipe");
  o.add("--seed", "train.seed", &t.seed, "of weights, order, augmentation and dropout");

  AugmentOptions& a = f.augment;
  o.group("Augmentation (training part only)");
  o.add("--augment", "augment.enabled", &a.enabled, "all of it on or off");
  o.add("--flip", "augment.flip", &a.flip, "probability of a horizontal flip");
  o.add("--rotation", "augment.rotation", &a.rotation, "degrees, both ways");
  o.add("--zoom", "augment.zoom", &a.zoom, "scale in 1 -+ zoom");
  o.add("--shift", "augment.shift", &a.shift, "of the side, both ways");
  o.add("--brightness", "augment.brightness", &a.brightness, "of full scale, both ways");
  o.add("--contrast", "augment.contrast", &a.contrast, "factor in 1 -+ contrast");
  o.add("--gamma", "augment.gamma", &a.gamma, "exponent of the gray values in e^-gamma .. e^gamma");
  o.add("--sharpness", "augment.sharpness", &a.sharpness, "blurred to sharpened, both ways");
  o.add("--jpeg", "augment.jpeg", &a.jpeg, "probability of JPEG's loss, quality 15 to 75");
  o.add("--erasing", "augment.erasing", &a.erasing, "probability of an erased rectangle");
  o.add("--erasing-area", "augment.erasing_area", &a.erasing_area,
        "its largest share of the picture");
  o.add("--mixup", "augment.mixup", &a.mixup, "alpha of the mixing weight; 0: off");

  o.group("Machine");
  o.add("--device", "train.device", &t.device, "auto, cpu, cuda, cuda:N");
  o.add("--threads", "train.threads", &t.threads, "0: all cores");
  o.add("--amp", "train.amp", &t.amp, "mixed precision: auto, bf16, off");

  o.group("Run");
  o.add("--project", "run.project", &f.project, "folder of the run folders");
  o.add("--name", "run.name", &f.name, "run folder; a number is added where it is taken");
  o.add("--exist-ok", "run.exist_ok", &f.exist_ok, "write into an existing run folder");
  o.add_optional("--resume", &f.resume, kNewestRun,
                 "[=RUN] go on with an unfinished run; alone: the newest");
}

namespace {

// Reads f.rates into f.train.
void apply_rates(TrainFlags& f) {
  f.train.rates.clear();
  for (const std::string& text : f.rates) {
    const auto parts = split(text, '=');
    double rate = 0;
    if (parts.size() != 2 || !parse_double(trim(parts[1]), rate)) {
      fail_input("--rates '" + text + "': expected a form like stage1=0.1");
    }
    f.train.rates[trim(parts[0])] = rate;
  }
}

void check_resize(int resize, int input) {
  if (resize < input)
    fail_input(format("model.resize: %d is less than the input size %d", resize, input));
}

int resize_of(const TrainFlags& f) {
  const int input = f.architecture.input_size > 0 ? f.architecture.input_size
                                                  : default_input_size(f.architecture.name);
  if (f.resize != 0) check_resize(f.resize, input);
  if (f.resize > 0) return f.resize;
  return input <= 48 ? 48 : (input * 12 + 10) / 11;
}

}  // namespace

ArchitectureOptions architecture_for(const TrainFlags& f, const std::vector<HeadLabels>& heads) {
  ArchitectureOptions a = f.architecture;
  for (const HeadLabels& head : heads)
    a.heads.push_back({head.name, static_cast<int>(head.labels.size())});
  a.dense_given = !a.dense.empty();
  std::erase(a.dense, 0);
  return a;
}

std::vector<HeadLabels> heads_for_summary(const DataFlags& flags) {
  std::vector<HeadLabels> heads;
  for (const HeadRequest& request : requested_heads(flags).requests) {
    if (request.labels == "auto") return open_data(flags, 48).train->heads();
    const auto preset = label_preset(request.labels);
    heads.push_back({request.name.empty() ? (preset ? request.labels : "labels") : request.name,
                     preset ? *preset : split(request.labels, ',')});
  }
  return heads;
}

namespace {

// Framed as before where only the input's side is given.
Checkpoint with_given_size(const Checkpoint& base, const TrainFlags& f) {
  constexpr int kMost = 8192;
  for (const int given : {f.architecture.input_size, f.resize}) {
    if (given < 0 || given > kMost)
      fail_input(format("model.input_size, resize: %d is not in [0, %d]", given, kMost));
  }
  const int old = base.spec.input_size;
  const int side = f.architecture.input_size > 0 ? f.architecture.input_size : old;
  const int resize = f.resize > 0 ? f.resize : (side * base.spec.resize + old / 2) / old;
  check_resize(resize, side);
  try {
    return with_input_size(base, side, resize);
  } catch (const Error& error) {
    fail_input(format("model.input_size %d: %s: ", side, f.pretrained.c_str()) + error.what());
  }
}

// A configuration may be made for another net than the one that goes on.
void say_what_does_not_count(const TrainFlags& f, const Checkpoint& base) {
  const ArchitectureOptions& a = f.architecture;
  const ArchitectureOptions own;
  if (a.name != own.name && a.name != base.spec.architecture) {
    fail_input("model.arch " + a.name + ": " + f.pretrained + " holds a net of model.arch " +
               base.spec.architecture);
  }
  std::vector<std::string> idle;
  if (a.channels != own.channels) idle.push_back("channels");
  if (a.variant != own.variant) idle.push_back("variant");
  if (a.stages != own.stages) idle.push_back("stages");
  if (a.blocks != own.blocks) idle.push_back("blocks");
  if (a.dense != own.dense) idle.push_back("dense");
  if (a.dropout != own.dropout) idle.push_back("dropout");
  if (a.squeeze_excitation != own.squeeze_excitation) idle.push_back("squeeze_excitation");
  if (idle.empty()) return;
  log_warning("model." + join(idle, ", ") + ": the net of " + f.pretrained + " stays as it is");
}

}  // namespace

std::optional<Checkpoint> pretrained_checkpoint(TrainFlags& f, const Options& options) {
  if (f.pretrained.empty() || identify_weights(f.pretrained) != WeightFile::kCheckpoint) {
    const char* flag = !f.widen.empty()    ? "--widen"
                       : !f.deepen.empty() ? "--deepen"
                       : f.low_rank != 0   ? "--low-rank"
                                           : nullptr;
    if (flag != nullptr)
      fail_input(std::string(flag) + ": needs a checkpoint of ours to begin from (--pretrained)");
    return {};
  }
  Checkpoint base = load_checkpoint(f.pretrained);
  for (const char* flag : {"--channels", "--stages", "--blocks", "--dense", "--dropout",
                           "--squeeze-excitation", "--variant"}) {
    if (options.given(flag)) {
      fail_input(std::string(flag) + ": the net of " + f.pretrained + " stays as it is");
    }
  }
  if (options.given("--arch") && f.architecture.name != base.spec.architecture) {
    fail_input("--arch " + f.architecture.name + ": " + f.pretrained + " holds a net of --arch " +
               base.spec.architecture);
  }
  say_what_does_not_count(f, base);
  f.architecture.name = base.spec.architecture;
  if (f.architecture.input_size != 0 || f.resize != 0) base = with_given_size(base, f);
  if (!f.widen.empty()) base = widen(base, f.widen, f.train.seed);
  for (const int stage : f.deepen) base = deepen(base, stage);
  if (f.low_rank != 0) {
    try {
      base = low_rank(base, f.low_rank);
    } catch (const Error& error) {
      fail_input("model.low_rank: " + f.pretrained + ": " + error.what());
    }
  }
  return base;
}

namespace {

std::string shortened(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 4;
  if (names.size() <= kMost) return join(names, ", ");
  return join({names.begin(), names.begin() + kMost}, ", ") +
         format(" and %zu more", names.size() - kMost);
}

void report(const std::string& file, const std::string& family, std::size_t loaded,
            const std::vector<std::string>& skipped, const std::vector<std::string>& fresh) {
  log_info(file + ": " + family + format(", %zu tensors loaded", loaded) +
           (skipped.empty() ? "" : "; skipped: " + shortened(skipped)) +
           (fresh.empty() ? "" : "; fresh: " + shortened(fresh)));
}

TensorMap read_foreign(const std::string& file, bool keras) {
  if (!keras) return read_safetensors(file).tensors;
#if FER_HAVE_KERAS
  return read_keras_h5(file);
#else
  fail_input(file + ": this build does not read Keras' .h5 (it needs libhdf5)");
#endif
}

// A net by name, with the weights of another project where --pretrained names them.
Checkpoint new_net(const TrainFlags& f, const std::vector<HeadLabels>& heads) {
  const ArchitectureOptions architecture = architecture_for(f, heads);
  Checkpoint c;
  c.graph = make_architecture(architecture);
  c.spec.architecture = architecture.name;
  c.spec.resize = resize_of(f);
  c.spec.input_size = c.graph.input().height;
  Scaling scaling = default_scaling(architecture.name);
  if (!f.pretrained.empty()) {
    const bool keras = identify_weights(f.pretrained) == WeightFile::kHdf5;
    ImportedWeights imported = import_weights(read_foreign(f.pretrained, keras), keras,
                                              architecture, c.graph, f.pretrained);
    report(f.pretrained, imported.family, imported.weights.size(), imported.skipped,
           imported.fresh);
    scaling = imported.scaling;
    c.weights = std::move(imported.weights);
  }
  set_scaling(c.spec, scaling, c.graph.input().channels);
  return c;
}

Checkpoint with_new_heads(const Checkpoint& base, const std::string& file,
                          const std::vector<HeadSpec>& heads) {
  Checkpoint c = replace_heads(base, heads);
  std::vector<std::string> fresh;
  for (const Parameter& parameter : c.graph.parameters()) {
    if (!c.weights.contains(parameter.name)) fresh.push_back(parameter.name);
  }
  report(file, "a checkpoint of " + base.spec.architecture, c.weights.size(), {}, fresh);
  return c;
}

}  // namespace

OpenedDataset open_training_data(TrainFlags& f, const DataFlags& data_flags,
                                 const std::optional<Checkpoint>& base) {
  f.train.head_weights = requested_heads(data_flags).weights;
  apply_rates(f);
  check(f.train);
  check(f.augment);
  check(f.teacher);
  int side = base ? base->spec.resize : resize_of(f);
  // Teachers see the pictures as they were trained on.
  for (const std::string& file : f.teachers)
    side = std::max(side, load_checkpoint(file).spec.resize);
  OpenedDataset data = open_data(data_flags, side, base ? base->spec.crop_margin : 0.0f);
  check_every_class_trains(data);
  describe(data);
  return data;
}

Checkpoint initial_checkpoint(const TrainFlags& f, const OpenedDataset& data,
                              const std::optional<Checkpoint>& base) {
  std::vector<HeadSpec> heads;
  for (const HeadLabels& head : data.train->heads()) heads.push_back({head.name, head.labels});
  Checkpoint c =
      base ? with_new_heads(*base, f.pretrained, heads) : new_net(f, data.train->heads());
  ModelSpec& s = c.spec;
  s.heads = heads;
  s.default_head = heads[0].name;
  if (!f.mix.empty()) {
    const MixedHeadSpec mix = parse_mix(f.mix);
    for (const auto& [head, weight] : mix.parts) s.head(head);
    s.mixed_heads = {mix};
    s.default_head = mix.name;
  }
  s.data_fingerprint = data.fingerprint;
  s.provenance = {{"seed", f.train.seed},
                  {"commit", commit()},
                  {"version", version()},
                  {"data", data.description},
                  {"train_images", data.train->size()},
                  {"val_images", data.val->size()}};
  if (!f.pretrained.empty()) s.provenance["pretrained"] = f.pretrained;
  return c;
}

void resolve_batch_size(TrainFlags& f, const Checkpoint& initial, const OpenedDataset& data) {
  TrainOptions& t = f.train;
  if (t.batch_size != 0) return;
  if (resolve_device(t.device) != "cpu") {
    log_warning(
        "--batch-size auto reckons with the host's memory, not with the GPU's; where it does "
        "not fit, name a number");
  }
  // The pictures that the trainer is going to hold, a byte a pixel, and teachers at its side.
  std::int64_t held = (data.train->size() + data.val->size()) * std::int64_t{initial.spec.resize} *
                      initial.spec.resize;
  if (f.teacher.mode == "consistent") {
    std::set<std::int64_t> sides;
    for (const std::string& file : f.teachers) {
      const Checkpoint teacher = load_checkpoint(file);
      held += parameter_count(teacher.graph) * std::int64_t{sizeof(float)};
      if (const std::int64_t side = teacher.spec.resize; sides.insert(side).second)
        held += data.train->size() * side * side;
    }
  }
  t.batch_size = fitting_batch_size(initial.graph, t, data.train->size(),
                                    std::max<std::int64_t>(available_memory() - held, 0));
  log_info(format("batch size %d: about %.1f GB", t.batch_size,
                  1e-9 * static_cast<double>(training_bytes(initial.graph, t, t.batch_size))));
}

std::unique_ptr<const ConsistentTeachers> add_teachers(const TrainFlags& f, OpenedDataset& data,
                                                       nlohmann::json& provenance) {
  if (f.teachers.empty()) return nullptr;
  nlohmann::json files;
  for (const std::string& file : f.teachers) {
    Fingerprint bytes;
    bytes.add(read_binary_file(file));
    files.push_back({{"file", file}, {"fingerprint", bytes.hex()}});
  }
  if (!provenance.contains("teachers")) provenance["teachers"] = files;
  if (provenance["teachers"] != files) {
    fail_input("the teachers have changed since the run began (" + files.dump() + ", were " +
               provenance["teachers"].dump() + ")");
  }
  set_torch_threads(f.train.threads);
  const std::string device = resolve_device(f.train.device);
  const bool bf16 = resolve_bf16(f.train.amp, device);
  if (f.teacher.mode == "consistent") {
    std::vector<Checkpoint> checkpoints;
    for (const std::string& file : f.teachers) checkpoints.push_back(load_checkpoint(file));
    return std::make_unique<const ConsistentTeachers>(checkpoints, *data.train, f.teacher.weight,
                                                      device, bf16);
  }
  std::vector<std::unique_ptr<Classifier>> teachers;
  for (const std::string& file : f.teachers)
    teachers.push_back(make_torch_classifier(load_checkpoint(file), {device, bf16, false}));
  Progress progress("teachers", data.train->size(), "images");
  TeacherOptions options = f.teacher;
  options.progress = [&](std::int64_t done) { progress.update(done); };
  data.train = with_teachers(data.train, teachers, options);
  return nullptr;
}

std::string list_of_pretrained() {
  std::string text =
      "Files that --pretrained reads, of ImageNet. Nothing is downloaded: fetch them, check "
      "them.\n";
  for (const PublishedWeights& w : published_weights()) {
    text += "\n" + w.file + "\n  --arch " + w.architecture +
            (w.variant.empty() ? "" : " --variant " + w.variant) + "; " + w.size + ", " +
            w.checksum + "\n  " + w.from + w.file + "\n";
  }
  return text + "\nA .pth is converted to safetensors first: docs/training.md shows how.\n";
}

}  // namespace fer::tools
