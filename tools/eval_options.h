// The options of fer-eval.
#pragma once

#include <string>
#include <vector>

#include "data_options.h"
#include "engine_options.h"
#include "fer/eval/bootstrap.h"
#include "fer/model/views.h"

namespace fer::tools {

struct EvalFlags {
  std::vector<std::string> models;
  std::string head;
  bool ensemble = false;
  std::string tta = "none";
  Views views = Views::kOne;  // tta, parsed

  DataFlags data;  // labels and targets empty: as the model's head says
  std::string split = "test";
  bool dedup = false;
  std::vector<std::string> slices;

  std::string calibrate;  // a split, or empty
  double sure = 0.8;

  std::string format = "text";
  std::string project = "runs/eval", name = "exp";
  bool exist_ok = false;
  bool save = true;
  std::string model_card;
  std::string fail_under, fail_metric = "accuracy";
  double bar = 0;  // fail_under, parsed
  BootstrapOptions bootstrap;

  int batch_size = 128;
  std::string device = "auto";
  EngineOptions engine = {.precision = "fp32"};  // so that a stored figure comes out again

  std::string effective_yaml;
};

// Throws kInput for values and combinations that make no sense, before anything is read.
EvalFlags parse_eval_options(int argc, char** argv);

}  // namespace fer::tools
