// How long an engine takes, for the tables of fer-export and fer-bench.
#pragma once

#include <vector>

#include "fer/model/classifier.h"

namespace fer::tools {

double median(std::vector<double> values);                  // of at least one
double quantile(std::vector<double> values, double share);  // nearest rank; 0.5: the median

// CPU time of this process and all its threads: what else the machine does does not count.
double cpu_seconds();

// Milliseconds of cpu_seconds() of single calls of logits(), after one that does not count, for
// about `seconds` but at least five calls.
std::vector<double> time_logits(Classifier& classifier, const HostTensor& batch, double seconds);

}  // namespace fer::tools
