// What is known of the faces in front of one camera: who is who, and a calm answer for each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fer/track/smoother.h"
#include "fer/track/tracker.h"
#include "fer/vision/recognizer.h"

namespace fer {

struct LiveFace {
  int id = 0;
  FaceResult seen;  // this frame alone
  // What is shown: box and issues of this frame, probabilities of the chosen head smoothed, label,
  // confidence and uncertain by hysteresis. An empty label: there is no answer.
  FaceResult shown;
};

class FaceMemory {
 public:
  // recognizer: whose answers come; it gives the head, its labels and its threshold.
  FaceMemory(const Recognizer& recognizer, const TrackerOptions& tracker,
             const SmootherOptions& smoother);

  // The same faces in the same order. `time`: seconds, not falling.
  std::vector<LiveFace> update(std::vector<FaceResult> faces, double time);

  // Of the faces in sight, and of those that were missed and may still come back where they were
  // seen last.
  std::vector<Box> boxes() const { return tracker_.boxes(); }

 private:
  std::string head_;
  LabelList labels_;
  float uncertain_below_;
  Tracker tracker_;
  SmootherOptions smoother_options_;
  std::map<int, Smoother> smoothers_;
};

}  // namespace fer
