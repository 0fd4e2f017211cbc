#include "fer/batch/result_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

namespace {
class Writer : public ResultWriter {
 public:
  Writer(const ResultWriterOptions& options, const Recognizer& recognizer, std::ostream& out)
      : out_(out), head_(recognizer.head()), labels_(recognizer.labels()), top_k_(options.top_k) {}

 protected:
  std::vector<std::size_t> best(const FaceResult& face) const {
    return ranked_classes(face, head_, top_k_);
  }
  const std::vector<float>& probabilities(const FaceResult& face) const {
    return face.probabilities.at(head_);
  }

  static std::string issues(const FaceResult& face) {
    std::vector<std::string> names;
    for (const QualityIssue issue : face.issues) names.push_back(to_string(issue));
    return join(names, ", ");
  }

  std::ostream& out_;
  std::string head_;
  LabelList labels_;
  int top_k_;
};

class JsonlWriter : public Writer {
 public:
  using Writer::Writer;
  void write(const Prediction& prediction) override {
    const auto line = prediction_json(prediction, head_, labels_, top_k_);
    // A path may be any bytes.
    out_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  }
};

class CsvWriter : public Writer {
 public:
  CsvWriter(const ResultWriterOptions& options, const Recognizer& recognizer, std::ostream& out)
      : Writer(options, recognizer, out) {
    out_ << "path,frame,time,width,height,face,id,x,y,face_width,face_height,detection_score,label,"
            "confidence,"
            "uncertain,issues,error";
    for (const std::string& label : labels_) out_ << ',' << csv_field("p_" + label);
    out_ << '\n';
  }
  void write(const Prediction& prediction) override {
    std::string start = csv_field(prediction.path) + ',';
    if (prediction.frame >= 0) start += format("%lld", static_cast<long long>(prediction.frame));
    start += ',';
    if (prediction.frame >= 0) start += format("%.3f", prediction.time);
    start += format(",%d,%d", prediction.width, prediction.height);
    if (prediction.faces.empty()) {
      out_ << start << ",,,,,,,,,,,," << csv_field(prediction.error)
           << std::string(labels_.size(), ',') << '\n';
    }
    for (std::size_t i = 0; i < prediction.faces.size(); ++i) {
      const FaceResult& face = prediction.faces[i];
      const Box& box = face.face.box;
      out_ << start << format(",%zu,", i + 1)
           << (prediction.ids.empty() ? "" : std::to_string(prediction.ids[i]))
           << format(",%.1f,%.1f,%.1f,%.1f,%.4f,", box.x, box.y, box.width, box.height,
                     face.face.score)
           << csv_field(face.label) << ','
           << (face.label.empty() ? "" : format("%.6f", face.confidence)) << ','
           << (face.uncertain ? "true" : "false") << ',' << csv_field(issues(face)) << ',';
      std::vector<std::string> shown(labels_.size());
      for (const std::size_t c : best(face)) shown[c] = format("%.6f", probabilities(face)[c]);
      for (const std::string& p : shown) out_ << ',' << p;
      out_ << '\n';
    }
  }
};

class TableWriter : public Writer {
 public:
  using Writer::Writer;
  void write(const Prediction& prediction) override {
    std::string place = prediction.path;
    if (prediction.frame >= 0) place += format(" %.2fs", prediction.time);
    place = padded_text(place, 32) + " ";
    if (!prediction.error.empty()) {
      out_ << place << "error: " << printable(prediction.error) << '\n';
    } else if (prediction.faces.empty()) {
      out_ << place << "no face\n";
    }
    for (const FaceResult& face : prediction.faces) {
      const Box& box = face.face.box;
      out_ << place << format("%5.0f,%-5.0f %4.0fx%-4.0f  ", box.x, box.y, box.width, box.height);
      if (face.label.empty()) {
        out_ << "no answer: " << issues(face) << '\n';
        continue;
      }
      out_ << padded_text(face.uncertain ? "uncertain" : face.label, 12)
           << format(" %3.0f %%  ", 100 * face.confidence);
      std::vector<std::string> others;
      for (const std::size_t c : best(face)) {
        if (!face.uncertain && labels_[c] == face.label) continue;
        const float p = probabilities(face)[c];
        if (p >= 0.05f && others.size() < 3)
          others.push_back(format("%s %.0f %%", labels_[c].c_str(), 100 * p));
      }
      out_ << printable(join(others, ", ")) << '\n';
    }
  }
};

}  // namespace

std::unique_ptr<ResultWriter> create_result_writer(const ResultWriterOptions& options,
                                                   const Recognizer& recognizer,
                                                   std::ostream& out) {
  if (options.format == "jsonl") return std::make_unique<JsonlWriter>(options, recognizer, out);
  if (options.format == "csv") return std::make_unique<CsvWriter>(options, recognizer, out);
  if (options.format == "table") return std::make_unique<TableWriter>(options, recognizer, out);
  const std::vector<std::string> formats = {"table", "jsonl", "csv"};
  fail_input("no format is called '" + options.format + "': " + join(formats, ", ") +
             did_you_mean(options.format, formats));
}

}  // namespace fer
