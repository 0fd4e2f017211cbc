// fer-eval: how good are checkpoints on a split of a data set, and can the figures be trusted?
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <set>

#include "all_engines.h"
#include "eval_options.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/hash.h"
#include "fer/core/log.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/data/audit.h"
#include "fer/data/csv.h"
#include "fer/eval/predict.h"
#include "fer/eval/report.h"
#include "fer/eval/selection.h"
#include "program.h"

namespace {

namespace fs = std::filesystem;
using namespace fer;
using namespace fer::tools;

struct Model {
  std::string path, name, head;
  Checkpoint checkpoint;
};

// "exp/best" of runs/train/exp/weights/best.safetensors, else the file's name.
std::string short_name(const fs::path& path) {
  const fs::path folder = path.parent_path();
  const std::string stem = path.stem().string();
  return folder.filename() == "weights" && folder.has_parent_path()
             ? (folder.parent_path().filename() / stem).string()
             : stem;
}

bool has_head(const ModelSpec& spec, const std::string& name) {
  return std::ranges::count(spec.heads, name, &HeadSpec::name) +
             std::ranges::count(spec.mixed_heads, name, &MixedHeadSpec::name) >
         0;
}

std::vector<Model> load_models(const EvalFlags& flags) {
  std::vector<Model> models;
  for (const std::string& path : flags.models) {
    Model model{path, short_name(path), flags.head, load_checkpoint(path)};
    const ModelSpec& spec = model.checkpoint.spec;
    // Without --head: the first model's default, where the others have it too.
    if (model.head.empty()) {
      const bool same = !models.empty() && has_head(spec, models[0].head);
      model.head = same ? models[0].head : spec.default_head;
    }
    labels_of(spec, model.head);
    models.push_back(std::move(model));
  }
  for (Model& model : models) {
    if (std::ranges::count(models, model.name, &Model::name) > 1) {
      for (Model& m : models) m.name = m.path;
    }
  }
  const bool one_head =
      std::ranges::count(models, models[0].head, &Model::head) == std::ssize(models);
  for (Model& model : models) {
    if (!one_head) model.name += " (head " + model.head + ")";
  }
  return models;
}

// Of data without a split of its own, which this evaluation cuts otherwise than the training did:
// what to think of its val; "" where all is well.
std::string other_split(const DrawnSplit& drawn, const Model& model) {
  const auto& facts = model.checkpoint.spec.provenance;
  const auto splits = facts.find("drawn_splits");
  if (facts.contains("split")) {  // by programs that drew it otherwise
    return model.path +
           ": was trained with the split of an older version: of the same data, val "
           "holds images that it learned from";
  }
  if (splits == facts.end() || !splits->is_array() || splits->empty()) return "";
  const nlohmann::json here = split_facts(drawn);
  const auto is_here = [&](const nlohmann::json& split) {
    nlohmann::json known = here;
    for (const char* key : {"images", "names"}) {
      if (!split.contains(key)) known.erase(key);  // an older file's
    }
    return split == known;
  };
  if (std::ranges::any_of(*splits, is_here)) return "";
  const auto entry = [](const nlohmann::json& split, const char* key) {
    const auto found = split.find(key);
    return found == split.end() ? nlohmann::json() : *found;
  };
  const auto drawn_alike = [&](const nlohmann::json& split) {
    if (!split.is_object() || !split.contains("images")) return false;
    constexpr std::array kKeys = {"seed", "train_fraction", "group_by"};
    return std::ranges::all_of(
        kKeys, [&](const char* key) { return entry(split, key) == entry(here, key); });
  };
  if (std::ranges::any_of(*splits, drawn_alike)) {
    return model.path +
           ": was trained on other data, or on this when it had other images: then val "
           "holds images that it learned from, as the split is drawn anew";
  }
  return model.path + ": was trained with the split " + splits->dump() + ", this is " +
         here.dump() + ": of the same data, val holds images that it learned from" +
         " (--train-fraction, --data-seed, --group-by)";
}

// Of photos that are taken whole, by a net that learned from faces which were cut out of photos.
std::string whole_photos(const EvalFlags& flags, const OpenedDataset& data, const Model& model) {
  const auto& facts = model.checkpoint.spec.provenance;
  const auto cut = facts.find("detect");
  const bool files =
      data.description.starts_with("folder ") || data.description.starts_with("manifest ");
  if (cut == facts.end() || !cut->is_boolean() || !cut->get<bool>() || flags.data.detect || !files)
    return "";
  return model.path +
         ": learned from faces that --detect cut out; where these pictures are not cut, "
         "they need --detect, too";
}

// The samples as the first model's head needs them. A second head keeps those that this one has no
// label for, so that their twins are known and it can be said what is left out. What is wrong with
// them for these models is logged, and stands in `notes`.
OpenedDataset open_data(EvalFlags& flags, const std::vector<Model>& models,
                        std::vector<std::string>& notes) {
  int side = 0;
  for (const Model& model : models) side = std::max(side, model.checkpoint.spec.resize);
  const Model& first = models.front();
  OpenedDataset data = open_data_for(first.checkpoint.spec, first.head, flags.data, side,
                                     {{"every label", "auto", TargetKind::kLabel}});
  const bool val = flags.split == "val" || flags.calibrate == "val";
  for (const Model& model : models) {
    check_labels(model.checkpoint.spec, model.head, data.train->heads()[0].labels, model.path);
    std::vector<std::string> found = {whole_photos(flags, data, model)};
    for (const DrawnSplit& drawn : data.drawn_splits) {
      if (val) found.push_back(other_split(drawn, model));
    }
    for (const std::string& text : found) {
      if (text.empty()) continue;
      log_warning(text);
      notes.push_back(text + ".");
    }
  }
  return data;
}

// "55 of 3589 images of test are left out: disgusted 55"
std::string left_out(const Dataset& part, const std::string& split, bool votes) {
  const LabelList& names = part.heads()[1].labels;
  std::vector<std::int64_t> counts(names.size(), 0);
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < part.size(); ++i) {
    if (part.target(i, 0).label >= 0) continue;
    ++counts[static_cast<std::size_t>(part.target(i, 1).label)];
    ++total;
  }
  if (total == 0) return "";
  std::vector<std::string> parts;
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (counts[c] > 0)
      parts.push_back(names[c] + format(" %lld", static_cast<long long>(counts[c])));
  }
  return format("%lld of %lld images of %s are left out: ", static_cast<long long>(total),
                static_cast<long long>(part.size()), split.c_str()) +
         (votes ? "their FER+ votes give none of the labels evaluated."
                : "their label is none of those evaluated (" + join(parts, ", ") + ").");
}

std::shared_ptr<const Dataset> scored_part(const EvalFlags& flags, const OpenedDataset& data,
                                           Split split) {
  const auto part = labelled(split == Split::kTrain ? data.train
                             : split == Split::kVal ? data.val
                                                    : data.test);
  const std::vector<std::int64_t> counts = class_counts(*part);
  const auto present = std::ranges::count_if(counts, [](auto n) { return n > 0; });
  const std::string place = flags.data.data + ": the split " + to_string(split);
  if (present == 0) {
    std::vector<std::string> others;
    for (const Split other : {Split::kTrain, Split::kVal, Split::kTest}) {
      if (other != split && data.split(other).size() > 0)
        others.push_back("--split " + to_string(other));
    }
    fail_input(place + " is empty" + (others.empty() ? "" : "; there is " + join(others, " and ")));
  }
  if (present == 1) {
    const auto only = std::ranges::max_element(counts) - counts.begin();
    fail_input(place + " holds '" + part->heads()[0].labels[static_cast<std::size_t>(only)] +
               "' alone; at least two classes are needed");
  }
  return part;
}

// The engine for every model of this run, which is then named in the figures: a second probe might
// choose another. A probe may also choose another tomorrow, which rounds otherwise, and a stored
// figure shall come out again to the last digit: so fp32 is computed on torch wherever it is built
// in.
void settle_engine(EvalFlags& flags) {
  const auto engines = all_engines(flags.device);
  const bool torch =
      std::ranges::any_of(engines, [](const Engine& known) { return known.name == "torch"; });
  if (flags.engine.engine == "auto" && flags.engine.precision == "fp32" && torch)
    flags.engine.engine = "torch";
  flags.engine.engine = choose_engine(flags.engine, engines).name;
  if (flags.device != "auto" && flags.device != "cpu" && flags.engine.engine != "torch")
    fail_input("--device " + flags.device + ": the engine " + flags.engine.engine +
               " computes on the CPU");
}

Predictions answers(const EvalFlags& flags, const Model& model, const Dataset& data) {
  const auto classifier =
      make_classifier(model.checkpoint, flags.engine, all_engines(flags.device));
  Progress progress(model.name, data.size(), "images");
  return predict(*classifier, data,
                 {model.head, flags.views, flags.batch_size,
                  [&](std::int64_t done) { progress.update(done); }});
}

// Fingerprint of the faces that its head was calibrated on; "" where that is not known.
std::string calibrated_on(const Model& model) {
  const auto& facts = model.checkpoint.spec.provenance;
  const auto heads = facts.find("calibrated_on");
  if (heads == facts.end() || !heads->is_object()) return "";
  const auto images = heads->find(model.head);
  return images != heads->end() && images->is_string() ? images->get<std::string>() : "";
}

// Fits temperature and threshold of the head and stores them in the file.
void calibrate(const EvalFlags& flags, const OpenedDataset& data, Model& model) {
  const auto part = scored_part(flags, data, split_from_string(flags.calibrate));
  ModelSpec& spec = model.checkpoint.spec;
  check_calibration_labels(spec, model.head, part->heads()[0].labels);
  const Predictions before = answers(flags, model, *part);
  const ModelSpec fitted = calibrated(spec, model.head, before, flags.sure);
  const float old = temperature(spec, model.head), now = temperature(fitted, model.head);
  const Metrics was = compute_metrics(before);
  const Metrics is = compute_metrics(apply_temperature(before, now / old));
  spec = fitted;
  if (!spec.provenance.is_object()) spec.provenance = nlohmann::json::object();
  auto& known = spec.provenance["calibrated_on"];
  if (!known.is_object()) known = nlohmann::json::object();
  known[model.head] = fingerprint(*part);
  replace_spec(model.path, spec);
  const float threshold = uncertain_below(spec, model.head);
  log_info(model.path + ": head " + model.head +
           format(", temperature %.3f (was %.3f): negative log-likelihood %.4f (was %.4f), "
                  "calibration error %.3f (was %.3f) on %s",
                  now, old, is.nll, was.nll, is.ece, was.ece, flags.calibrate.c_str()) +
           (threshold > 0 ? format(", uncertain below %.3f", threshold) : ", never uncertain"));
  if (threshold == 0 && was.accuracy < flags.sure) {
    log_warning(
        format("no part of 30 answers or more is right in %g %%: no answer will read "
               "'uncertain'; --sure asks for another share",
               100 * flags.sure));
  }
  if (flags.calibrate != "val") {
    log_warning("calibrated on " + flags.calibrate +
                (flags.calibrate == "test" ? ", which from now on is no fair test of confidences"
                                           : ", whose images the model may have learned: it is "
                                             "surer of them than of others"));
  }
  for (const MixedHeadSpec& mixed : spec.mixed_heads) {
    if (std::ranges::count(mixed.parts, model.head, &std::pair<std::string, float>::first) > 0)
      log_warning("head " + mixed.name + " is made of " + model.head + ": calibrate it after this");
  }
}

// Figures beside the official ones: the six of a larger head, and without what stands in training.
void add_parts(const EvalFlags& flags, const OpenedDataset& data, const Dataset& part,
               const Predictions& predictions, Evaluation& e) {
  const LabelList six = *label_preset("six");
  const bool has_six =
      predictions.labels.size() > six.size() && std::ranges::all_of(six, [&](const auto& label) {
        return std::ranges::count(predictions.labels, label) > 0;
      });
  const auto add_six = [&](const std::string& name, const Predictions& chosen) {
    const bool any = std::ranges::any_of(chosen.truth, [&](int truth) {
      return std::ranges::count(six, chosen.labels[static_cast<std::size_t>(truth)]) > 0;
    });
    if (has_six && any)
      e.parts.push_back(score(name, restrict_labels(chosen, six), flags.bootstrap));
  };
  add_six("six labels", predictions);
  if (!flags.dedup) return;
  const std::vector<std::int64_t> twins = also_in(part, *data.train);
  if (twins.empty()) {
    e.notes.push_back("No image of the split equals one of this data's training part.");
    return;
  }
  std::vector<std::int64_t> others;
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    if (!std::ranges::binary_search(twins, i)) others.push_back(i);
  }
  if (others.empty()) {
    e.notes.push_back("Every image of the split equals one of this data's training part.");
    return;
  }
  const Predictions clean = select_rows(predictions, others);
  e.parts.push_back(score(format("without %zu that also stand in training", twins.size()), clean,
                          flags.bootstrap));
  add_six("six labels, without those", clean);
}

// What the intervals do not know: that many faces are of one person or clip.
void note_groups(const EvalFlags& flags, const Dataset& part, Evaluation& e) {
  const auto& columns = part.columns();
  for (const std::string& name : {flags.data.group_by, std::string("source")}) {
    const auto column = find_column(columns, name);
    if (name.empty() || !column) continue;
    std::set<std::string> values;
    std::int64_t alone = 0;  // a face without a value is its own
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const std::string& value = part.value(i, *column);
      if (value.empty())
        ++alone;
      else
        values.insert(value);
    }
    const auto groups = static_cast<long long>(values.size()) + alone;
    if (groups == part.size()) continue;
    e.notes.push_back(
        format("These are %lld faces of %lld by %s: intervals and p values take them "
               "as independent, and are too narrow and too small.",
               static_cast<long long>(part.size()), groups, columns[*column].c_str()));
    return;
  }
}

// Positions of --slice's columns.
std::vector<std::size_t> slice_columns(const EvalFlags& flags, const Dataset& part) {
  std::vector<std::size_t> positions;
  const auto& columns = part.columns();
  for (const std::string& column : flags.slices) {
    const auto found = std::ranges::find(columns, column);
    if (found == columns.end()) {
      fail_input("--slice " + column + ": the data has no such column" +
                 (columns.empty() ? "; further columns of a manifest are what can be sliced by"
                                  : " (it has " + join(columns, ", ") + ")") +
                 did_you_mean(column, columns));
    }
    positions.push_back(static_cast<std::size_t>(found - columns.begin()));
    std::set<std::string> values;
    for (std::int64_t i = 0; i < part.size(); ++i) values.insert(part.value(i, positions.back()));
    check_slice_groups(column, values.size());
  }
  return positions;
}

void add_slices(const EvalFlags& flags, const Dataset& part, const Predictions& predictions,
                Evaluation& e) {
  for (const std::size_t column : slice_columns(flags, part)) {
    std::vector<std::string> groups;
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const std::string& value = part.value(i, column);
      groups.push_back(value.empty() ? "(no value)" : value);
    }
    e.slices.push_back(slice(part.columns()[column], predictions, groups, flags.bootstrap));
  }
}

Evaluation evaluate_models(const EvalFlags& flags, const OpenedDataset& data, const Dataset& part,
                           const std::vector<Model>& models,
                           const std::vector<Predictions>& answered,
                           const Predictions& predictions) {
  const Model& first = models.front();
  // The threshold is for the model's own answers: of one net and one view, over all of the head's
  // labels.
  const ModelSpec& spec = first.checkpoint.spec;
  const bool own = !flags.ensemble && flags.views == Views::kOne &&
                   predictions.labels == labels_of(spec, first.head);
  Evaluation e =
      evaluate(predictions, own ? uncertain_below(spec, first.head) : 0, flags.bootstrap);
  std::vector<std::string> names;
  for (const Model& model : models) names.push_back(model.name);
  e.model = flags.ensemble ? "the mean of " + join(names, ", ") : first.name;
  e.data = data.description;
  e.split = flags.split;
  e.head = first.head;
  Fingerprint file;  // of all that the figures are of
  for (const Model& model : models) {
    if (flags.ensemble || &model == &first) file.add(read_binary_file(model.path));
  }
  e.origin = {{"program", std::string("fer-eval ") + version() + " (" + commit() + ")"},
              {"engine", flags.engine.engine},
              {"precision", flags.engine.precision},
              {"views", flags.tta},
              {"model_fingerprint", file.hex()},
              {"images_fingerprint", fingerprint(part)}};
  if (flags.views == Views::kFlip)
    e.notes.push_back("Each answer is the mean over the face and its mirror image.");
  if (flags.views == Views::kTen)
    e.notes.push_back(
        "Each answer is the mean over ten views: five crops and their mirror images.");
  if (!flags.ensemble && calibrated_on(first) == fingerprint(part)) {
    e.notes.push_back(
        "Temperature and threshold were fitted on these very faces: the calibration error and what "
        "the threshold leaves are no fair test of them.");
  }
  if (split_from_string(flags.split) == Split::kTrain)
    e.notes.push_back("These are images of the training part: the model may have learned them.");
  if (flags.engine.precision != "fp32") {
    e.notes.push_back("Computed in " + flags.engine.precision + ".");
  }
  add_parts(flags, data, part, predictions, e);
  add_slices(flags, part, predictions, e);
  note_groups(flags, part, e);
  for (std::size_t m = flags.ensemble ? 0 : 1; m < models.size(); ++m) {
    e.rivals.push_back({models[m].name, compute_metrics(answered[m]),
                        compare(predictions, answered[m], flags.bootstrap)});
  }
  return e;
}

// The training run's own curves, where results.csv lies beside the checkpoint's folder.
std::vector<CurvePoint> training_curve(const EvalFlags& flags) {
  const fs::path results =
      fs::absolute(flags.models[0]).parent_path().parent_path() / "results.csv";
  if (flags.ensemble || !fs::exists(results)) return {};
  try {
    return read_curve(results);
  } catch (const Error& error) {
    log_warning(std::string("no curves of the training run: ") + error.what());
    return {};
  }
}

void save(const EvalFlags& flags, const Model& model, const Evaluation& e,
          const Predictions& predictions, const Dataset& part) {
  ReportSource source;
  source.curve = training_curve(flags);
  const auto& facts = model.checkpoint.spec.provenance;
  if (const auto epoch = facts.find("epoch"); epoch != facts.end() && epoch->is_number_integer())
    source.epoch = epoch->get<int>();
  source.image = [&part](std::int64_t i) { return part.image(i); };
  source.origin = [&part](std::int64_t i) { return part.origin(i); };
  const fs::path folder = make_run_folder(flags.project, flags.name, flags.exist_ok);
  write_file_atomically(folder / "args.yaml", flags.effective_yaml);
  write_evaluation(folder, e, predictions, source.origin);
  write_file_atomically(folder / "report.html", html_report(e, predictions, source));
  log_info("look at " + (folder / "report.html").string());
}

int evaluate(int argc, char** argv) {
  EvalFlags flags = parse_eval_options(argc, argv);
  std::vector<Model> models = load_models(flags);
  std::vector<std::string> notes;
  const OpenedDataset data = open_data(flags, models, notes);
  if (flags.dedup && data.train->size() == 0)
    fail_input(flags.data.data + ": --dedup: there is no training part to compare with");
  const Split split = split_from_string(flags.split);
  const auto part = scored_part(flags, data, split);
  slice_columns(flags, *part);  // before anything is computed
  settle_engine(flags);
  const std::string without =
      left_out(data.split(split), flags.split,
               target_kind_from_string(flags.data.targets) != TargetKind::kLabel);
  if (!without.empty()) {
    log_warning(without);
    notes.push_back(without);
  }

  if (!flags.calibrate.empty()) calibrate(flags, data, models.front());
  std::vector<Predictions> answered;
  for (const Model& model : models) answered.push_back(answers(flags, model, *part));
  const Predictions predictions = flags.ensemble ? average(answered) : answered.front();

  Evaluation e = evaluate_models(flags, data, *part, models, answered, predictions);
  e.notes.insert(e.notes.end(), notes.begin(), notes.end());
  std::fputs((flags.format == "json" ? to_json(e) : to_text(e)).c_str(), stdout);
  std::fflush(stdout);
  if (flags.save) save(flags, models.front(), e, predictions, *part);
  if (!flags.model_card.empty()) write_file_atomically(flags.model_card, to_markdown(e));

  const double reached = metric_value(e.all.metrics, flags.fail_metric);
  if (flags.fail_under.empty() || reached >= flags.bar) return 0;
  log_error(
      format("fer-eval: %s is %.4f, under %g", flags.fail_metric.c_str(), reached, flags.bar));
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  outlive_reader();
  prepare_engines();
  return run_program("fer-eval", [&] { return evaluate(argc, argv); });
}
