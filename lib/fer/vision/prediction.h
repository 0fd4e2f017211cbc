// What was found on one picture or frame, and its JSON. The layout is pinned in docs/formats.md.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "fer/core/emotion.h"
#include "fer/core/image.h"
#include "fer/vision/recognizer.h"

namespace fer {

inline constexpr const char* kPredictionSchema = "fer.prediction/1";

struct Prediction {
  std::string path;
  std::int64_t frame = -1;  // of a video; -1 for an image
  double time = 0;          // of a video, in seconds
  int width = 0;            // 0 with an error
  int height = 0;
  std::vector<FaceResult> faces;  // largest first
  // Of a video: the number of each face, 1, 2, ..., which it keeps from frame to frame; else empty.
  std::vector<int> ids;
  std::string error;  // why there is no answer, without the path; empty when there is one
  Image image;        // only with keep_images
};

// The classes of a face's answer by falling probability, at most top_k of them (0: all); none for a
// face without an answer.
std::vector<std::size_t> ranked_classes(const FaceResult& face, const std::string& head,
                                        int top_k = 0);

// head, labels: what the recognizer answers with. top_k: as above.
nlohmann::ordered_json face_json(const FaceResult& face, const std::string& head,
                                 const LabelList& labels, int top_k = 0);
// The object of a line of JSON, `path` as it is: it may be any bytes.
nlohmann::ordered_json prediction_json(const Prediction& prediction, const std::string& head,
                                       const LabelList& labels, int top_k = 0);

}  // namespace fer
