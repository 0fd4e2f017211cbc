// The expressions of a video over time: as numbers, as subtitles, as a picture.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fer/batch/prediction_stream.h"
#include "fer/core/emotion.h"
#include "fer/core/image.h"

namespace fer {

class Timeline {
 public:
  // labels: of the head whose probabilities are added; below uncertain_below an answer is none.
  Timeline(std::string head, LabelList labels, float uncertain_below = 0)
      : head_(std::move(head)), labels_(std::move(labels)), uncertain_below_(uncertain_below) {}

  // A frame, in the order of time. Of its faces with an answer the one counts that has most of them
  // over the whole video, by Prediction::ids; without these the largest.
  void add(const Prediction& prediction);

  // A line a frame: frame, time, faces, label, confidence, uncertain and each label's probability.
  std::string csv() const;
  // Subtitles (SubRip): the mean of half a second at a time, or of a frame where they are further
  // apart; equal neighbours joined, unsure ones as "uncertain".
  std::string srt() const;
  // Probabilities stacked over time, white where there was no face.
  Image picture() const;
  // One of the three by the name's extension: .csv, .srt or .png.
  void write(const std::filesystem::path& path) const;

 private:
  struct Point {
    std::int64_t frame = 0;
    double time = 0;
    std::size_t faces = 0;
    std::vector<std::pair<int, std::vector<float>>> answers;  // by id, the largest face first
  };
  // Of the face that counts; null where none has an answer.
  const std::vector<float>* answer(const Point& point) const;
  double spacing() const;  // mean seconds from frame to frame
  double duration() const;
  // The mean of the answers in [begin, end); nothing without any.
  std::optional<std::vector<float>> mean(double begin, double end) const;

  std::string head_;
  LabelList labels_;
  float uncertain_below_;
  std::vector<Point> points_;
  std::map<int, std::int64_t> answers_;  // how many each face has
};

// Throws kInput unless the extension is one that Timeline::write knows.
void check_timeline_path(const std::filesystem::path& path);

}  // namespace fer
