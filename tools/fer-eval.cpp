// fer-eval: how good is a checkpoint on a split of a data set?
#include <cstdio>

#include "data_options.h"
#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/eval/metrics.h"
#include "fer/nn/runtime.h"
#include "fer/nn/torch_classifier.h"

namespace {

using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-eval --model runs/train/exp/weights/best.safetensors --data fer2013.csv --split test\n";

Predictions predict(Classifier& classifier, const Dataset& data, const std::string& head,
                    int batch_size) {
  Predictions predictions;
  predictions.labels = labels_of(classifier.spec(), head);
  Progress progress("evaluate", data.size(), "images");
  for (std::int64_t begin = 0; begin < data.size(); begin += batch_size) {
    const std::int64_t end = std::min<std::int64_t>(begin + batch_size, data.size());
    std::vector<Image> images;
    std::vector<int> labels;
    for (std::int64_t i = begin; i < end; ++i) {
      if (data.target(i, 0).label < 0) continue;
      images.push_back(data.image(i));
      labels.push_back(data.target(i, 0).label);
    }
    const auto answers = classifier.classify(images, batch_size);
    for (std::size_t i = 0; i < answers.size(); ++i)
      predictions.add(labels[i], answers[i].at(head));
    progress.update(end);
  }
  return predictions;
}

void print(const Metrics& m, const Interval& interval) {
  std::printf("accuracy %.4f [%.4f, %.4f] n=%lld\n\n", m.accuracy, interval.low, interval.high,
              static_cast<long long>(m.n));
  std::printf("%-14s %9s %9s %9s %9s\n", "class", "precision", "recall", "f1", "support");
  for (const ClassMetrics& c : m.classes) {
    std::printf("%-14s %9.4f %9.4f %9.4f %9lld\n", c.label.c_str(), c.precision, c.recall, c.f1,
                static_cast<long long>(c.support));
  }
  std::printf("%-14s %9.4f %9.4f %9.4f %9lld\n", "macro", m.macro_precision, m.macro_recall,
              m.macro_f1, static_cast<long long>(m.n));
  std::printf("%-14s %9.4f %9.4f %9.4f %9lld\n\n", "weighted", m.weighted_precision,
              m.weighted_recall, m.weighted_f1, static_cast<long long>(m.n));
  std::printf("confusion matrix (rows: truth, columns: prediction)\n%-14s", "");
  for (const ClassMetrics& c : m.classes) std::printf(" %9.9s", c.label.c_str());
  std::printf("\n");
  for (std::size_t t = 0; t < m.confusion.size(); ++t) {
    std::printf("%-14s", m.classes[t].label.c_str());
    for (const auto count : m.confusion[t]) std::printf(" %9lld", static_cast<long long>(count));
    std::printf("\n");
  }
}

int evaluate(int argc, char** argv) {
  DataFlags data_flags;
  data_flags.labels = "";
  data_flags.targets = "";
  std::string model, split = "test", head;
  int batch_size = 128, threads = 0;
  TorchClassifierOptions engine;
  Options options("fer-eval", "Evaluates a checkpoint on a split of a data set.", kExamples);
  options.group("Model");
  options.add("-m,--model", "model", &model, "checkpoint (.safetensors)");
  options.add("--head", "head", &head,
              "output to evaluate; default: the checkpoint's default head");
  add_data_options(options, data_flags);
  options.add("--split", "split", &split, "train, val or test");
  options.group("Machine");
  options.add("-b,--batch-size", "batch_size", &batch_size, "images at a time");
  options.add("--device", "device", &engine.device, "auto, cpu, cuda, cuda:N");
  options.add("--threads", "threads", &threads, "0: all cores");
  options.add("--bf16", "bf16", &engine.bf16, "compute in bf16 instead of fp32");
  options.add_config_options();
  options.parse(argc, argv);
  if (model.empty()) fail_input("--model is missing");
  if (batch_size < 1) fail_input(format("--batch-size %d is not at least 1", batch_size));

  const Checkpoint checkpoint = load_checkpoint(model);
  if (head.empty()) head = checkpoint.spec.default_head;
  if (data_flags.labels.empty()) data_flags.labels = join(labels_of(checkpoint.spec, head), ",");
  // FER+ figures are for the majority protocol unless another one is asked for.
  if (data_flags.targets.empty()) data_flags.targets = head == "ferplus" ? "majority" : "label";
  const Split part = split_from_string(split);
  const OpenedDataset data = open_dataset(dataset_options(data_flags, checkpoint.spec.resize));
  const Dataset& dataset = data.split(part);
  if (dataset.size() == 0) fail_input(data_flags.data + ": the split " + split + " is empty");
  if (dataset.heads()[0].labels != labels_of(checkpoint.spec, head)) {
    fail_input("the data's labels are " + join(dataset.heads()[0].labels, ", ") +
               ", the model's are " + join(labels_of(checkpoint.spec, head), ", "));
  }
  set_torch_threads(threads);
  const auto classifier = make_torch_classifier(checkpoint, engine);
  const Predictions predictions = predict(*classifier, dataset, head, batch_size);
  print(compute_metrics(predictions), bootstrap_accuracy(predictions));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  prepare_torch_process();
  return run_program("fer-eval", [&] { return evaluate(argc, argv); });
}
