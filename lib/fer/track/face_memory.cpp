#include "fer/track/face_memory.h"

namespace fer {

FaceMemory::FaceMemory(const Recognizer& recognizer, const TrackerOptions& tracker,
                       const SmootherOptions& smoother)
    : head_(recognizer.head()),
      labels_(recognizer.labels()),
      uncertain_below_(uncertain_below(recognizer.spec(), head_)),
      tracker_(tracker),
      smoother_options_(smoother) {}

std::vector<LiveFace> FaceMemory::update(std::vector<FaceResult> faces, double time) {
  std::vector<Box> boxes;
  for (const FaceResult& face : faces) boxes.push_back(face.face.box);
  const std::vector<int> ids = tracker_.update(boxes, time);
  std::erase_if(smoothers_, [&](const auto& entry) { return !tracker_.remembers(entry.first); });

  std::vector<LiveFace> live;
  for (std::size_t i = 0; i < faces.size(); ++i) {
    LiveFace face{ids[i], std::move(faces[i]), {}};
    Smoother& smoother =
        smoothers_.try_emplace(face.id, smoother_options_, uncertain_below_).first->second;
    if (!face.seen.label.empty()) smoother.update(face.seen.probabilities.at(head_), time);
    face.shown = face.seen;
    if (smoother.has_answer(time)) {
      face.shown.probabilities[head_] = smoother.probabilities();
      face.shown.label = labels_[smoother.label()];
      face.shown.confidence = smoother.confidence();
      face.shown.uncertain = smoother.uncertain();
    }
    live.push_back(std::move(face));
  }
  return live;
}

}  // namespace fer
