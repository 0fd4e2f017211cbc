#include "bench_infer.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>

#include "all_engines.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"
#include "fer/infer/onednn_classifier.h"
#include "fer/infer/onednn_program.h"
#include "fer/model/find_model.h"
#include "fer/nn/graph_module.h"
#include "fer/nn/torch_classifier.h"
#include "fer/onnx/export.h"
#include "timing.h"

namespace fer::tools {
namespace {

constexpr double kTurn = 0.25;  // seconds

Checkpoint random_checkpoint(const ArchitectureOptions& options) {
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  GraphModule module(checkpoint.graph, "cpu");
  module.initialise(0);
  checkpoint.weights = module.save();
  ModelSpec& spec = checkpoint.spec;
  spec.architecture = options.name;
  spec.resize = spec.input_size = checkpoint.graph.input().height;
  if (checkpoint.graph.input().channels == 3) {
    spec.colour = "rgb";
    spec.mean = spec.std = {0.5f, 0.5f, 0.5f};
  }
  spec.heads = {{"fer2013", *label_preset("fer2013"), 1.0f, 0.0f}};
  spec.default_head = "fer2013";
  return checkpoint;
}

// A program that measures when it is asked to (InferBench::against).
class Rival {
 public:
  Rival(const std::string& command, const std::string& arguments) : command_(command) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) fail_runtime("no pipe to " + command);
    child_ = fork();
    if (child_ < 0) fail_runtime("cannot start " + command);
    const std::string line = command + " " + arguments;
    if (child_ == 0) {
      std::signal(SIGPIPE, SIG_DFL);
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    ask_ = fdopen(to[1], "w");
    answer_ = fdopen(from[0], "r");
  }
  ~Rival() {
    std::fclose(ask_);
    std::fclose(answer_);
    waitpid(child_, nullptr, 0);
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;

  double milliseconds() {
    std::fputs("\n", ask_);
    std::fflush(ask_);
    char line[64] = "";
    double value = 0;
    if (std::fgets(line, sizeof line, answer_) == nullptr) {
      fail_runtime("--against " + command_ + ": ended without an answer");
    }
    if (!parse_double(trim(line), value)) {
      fail_runtime("--against " + command_ + ": expected milliseconds, found '" + trim(line) + "'");
    }
    return value;
  }

 private:
  std::string command_;
  pid_t child_ = -1;
  std::FILE* ask_ = nullptr;
  std::FILE* answer_ = nullptr;
};

struct Side {
  std::string name;
  std::function<double()> measure;  // milliseconds of one batch
  std::vector<double> times = {}, ratios = {};
};

void print(int batch, const std::vector<Side>& sides) {
  for (const Side& side : sides) {
    const double ms = median(side.times);
    std::printf("%-6d %-16s %10.3f %12.1f %8.2f\n", batch, side.name.c_str(), ms, 1e3 * batch / ms,
                median(side.ratios));
  }
  std::fflush(stdout);
}

}  // namespace

int bench_infer(const InferBench& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a rival that has ended is told by its missing answer
  Checkpoint checkpoint = options.model.empty() ? random_checkpoint(options.architecture)
                                                : load_checkpoint(find_model(options.model));
  const ModelSpec& spec = checkpoint.spec;
  DatasetOptions drawn;
  drawn.path = "synthetic:160";
  const OpenedDataset data = open_dataset(drawn);
  std::vector<Image> faces;
  for (std::int64_t i = 0; i < data.train->size(); ++i) faces.push_back(data.train->image(i));
  if (cpu_has_int8() && checkpoint.ranges.empty()) {
    checkpoint.ranges = calibrate(checkpoint, preprocess(spec, faces));
  }
  const TemporaryFolder folder;
  const std::string onnx = (folder / "model.onnx").string();
  write_file_atomically(onnx, to_onnx(checkpoint));

  std::printf("%s, %s parameters, %d px, %d thread%s, %d rounds\n", spec.architecture.c_str(),
              human_count(static_cast<double>(parameter_count(checkpoint.graph))).c_str(),
              spec.input_size, options.threads, options.threads == 1 ? "" : "s", options.rounds);
  std::printf("%-6s %-16s %10s %12s %8s\n", "batch", "engine", "CPU ms", "faces/CPU s", "ratio");
  for (const int batch : options.batch_sizes) {
    std::vector<Image> crops;
    for (int i = 0; i < batch; ++i) crops.push_back(faces[i % faces.size()]);
    const HostTensor input = preprocess(spec, crops);
    std::vector<Side> sides;
    if (!options.against.empty()) {
      const auto rival = std::make_shared<Rival>(
          options.against, format("'%s' %d,%d,%d,%d", onnx.c_str(), batch, spec.channels(),
                                  spec.input_size, spec.input_size));
      sides.push_back({"against", [rival] { return rival->milliseconds(); }});
    }
    const auto add = [&](const std::string& name, std::unique_ptr<Classifier> made) {
      const std::shared_ptr<Classifier> classifier = std::move(made);
      sides.push_back(
          {name, [classifier, &input] { return median(time_logits(*classifier, input, kTurn)); }});
    };
    for (const Engine& engine : all_engines("cpu")) {
      for (const std::string& precision : engine.precisions) {
        if (precision == "bf16" && !cpu_has_bf16()) continue;
        if (precision == "int8" && !cpu_has_int8()) continue;
        add(engine.name + " " + precision,
            engine.make(checkpoint, {engine.name, precision, options.threads}));
      }
    }
    add("torch frozen", make_torch_classifier(checkpoint, {.device = "cpu", .frozen = true}));
    for (int round = 0; round < options.rounds; ++round) {
      for (Side& side : sides) side.times.push_back(side.measure());
      for (Side& side : sides) side.ratios.push_back(side.times.back() / sides[0].times.back());
    }
    print(batch, sides);
  }
  return 0;
}

}  // namespace fer::tools
