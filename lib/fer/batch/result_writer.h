// Predictions as data: JSON lines, CSV or a table for people. The layout is pinned in
// docs/formats.md.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>

#include "fer/batch/prediction_stream.h"

namespace fer {

struct ResultWriterOptions {
  std::string format = "jsonl";  // jsonl, csv or table
  int top_k = 0;                 // the most probable labels alone; 0: all
};

class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  virtual void write(const Prediction& prediction) = 0;
};

// jsonl: an object an image or frame. csv: a line a face, and one without a face for an image that
// has none or could not be read. table: the same for people. head, labels: what the recognizer
// answers with. Throws kInput on another format.
std::unique_ptr<ResultWriter> create_result_writer(const ResultWriterOptions& options,
                                                   const Recognizer& recognizer, std::ostream& out);

}  // namespace fer
