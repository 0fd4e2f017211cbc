#include "fer/vision/prediction.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace fer {
namespace {

using Json = nlohmann::ordered_json;

// Six digits are more than any of these numbers is good for, and half as long to read.
double rounded(double value, double digits = 1e6) { return std::round(value * digits) / digits; }

}  // namespace

std::vector<std::size_t> ranked_classes(const FaceResult& face, const std::string& head,
                                        int top_k) {
  if (face.label.empty()) return {};
  const std::vector<float>& p = face.probabilities.at(head);
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  if (top_k > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(top_k)));
  return order;
}

Json face_json(const FaceResult& result, const std::string& head, const LabelList& labels,
               int top_k) {
  const Box& box = result.face.box;
  Json face;
  face["box"] = {rounded(box.x, 10), rounded(box.y, 10), rounded(box.width, 10),
                 rounded(box.height, 10)};
  face["detection_score"] = rounded(result.face.score, 1e4);
  face["label"] = result.label.empty() ? Json(nullptr) : Json(result.label);
  face["confidence"] = result.label.empty() ? Json(nullptr) : Json(rounded(result.confidence));
  face["probabilities"] = Json::object();
  for (const std::size_t c : ranked_classes(result, head, top_k))
    face["probabilities"][labels[c]] = rounded(result.probabilities.at(head)[c]);
  face["uncertain"] = result.uncertain;
  face["issues"] = Json::array();
  for (const QualityIssue issue : result.issues) face["issues"].push_back(to_string(issue));
  return face;
}

Json prediction_json(const Prediction& prediction, const std::string& head, const LabelList& labels,
                     int top_k) {
  Json line;
  line["schema"] = kPredictionSchema;
  line["path"] = prediction.path;
  if (prediction.frame >= 0) {
    line["frame"] = prediction.frame;
    line["time"] = rounded(prediction.time, 1e3);
  }
  line["width"] = prediction.width;
  line["height"] = prediction.height;
  line["faces"] = Json::array();
  for (std::size_t i = 0; i < prediction.faces.size(); ++i) {
    Json face;
    if (!prediction.ids.empty()) face["id"] = prediction.ids[i];
    face.update(face_json(prediction.faces[i], head, labels, top_k));
    line["faces"].push_back(std::move(face));
  }
  line["error"] = prediction.error.empty() ? Json(nullptr) : Json(prediction.error);
  return line;
}

}  // namespace fer
