// The one crop that training and prediction share, on FER2013 itself: an image is enlarged six
// times and set into the middle of a larger picture of its mean gray; the crop from a detector's
// box should be the image again.
#include <algorithm>
#include <map>

#include "fer/data/dataset.h"
#include "fer/vision/face_detector.h"
#include "support.h"
#include "support/real_data.h"

using namespace fer;
using namespace fer::test;

namespace {

constexpr int kFrame = 6 * 48, kPicture = 960, kMargin = (kPicture - kFrame) / 2;
constexpr Box kFrameBox{kMargin, kMargin, kFrame, kFrame};

Image with_border(const Image& face) {
  const Image frame = resize(face, kFrame, kFrame);
  std::size_t sum = 0;
  for (const std::uint8_t p : face.pixels) sum += p;
  Image picture(kPicture, kPicture, 1, static_cast<std::uint8_t>(sum / face.pixels.size()));
  for (int y = 0; y < kFrame; ++y) {
    std::copy_n(&frame.pixels[frame.index(0, y, 0)], kFrame,
                &picture.pixels[picture.index(kMargin, kMargin + y, 0)]);
  }
  return picture;
}

// What the crop of the surest face has in common with the frame; negative without a face.
float overlap_with_frame(FaceDetector& detector, const Image& picture) {
  const std::vector<Face> faces = detector.detect(picture);
  if (faces.empty()) return -1;
  const auto surest = std::max_element(
      faces.begin(), faces.end(), [](const Face& a, const Face& b) { return a.score < b.score; });
  return intersection_over_union(face_crop_box(surest->box, kFer2013CropMargin), kFrameBox);
}

float median(std::vector<float> values) {
  REQUIRE_FALSE(values.empty());
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

TEST_CASE("the crop from each detector's box meets the frame of FER2013") {
  const auto csv = real_data("fer2013.csv");
  const auto model = real_data("face_detection_yunet_2022mar.onnx");
  if (csv.empty() || model.empty()) return;
  FaceDetectorOptions yunet, haar;
  yunet.model = model;
  haar.kind = "haar";
  const auto a = create_face_detector(yunet), b = create_face_detector(haar);
  DatasetOptions options;
  options.path = csv.string();
  const OpenedDataset data = open_dataset(options);
  std::vector<float> both_yunet, both_haar, all_yunet;
  // Every 20th: a different part than the calibration was fitted on.
  for (std::int64_t i = 7; i < data.train->size() && both_yunet.size() < 100; i += 20) {
    const Image picture = with_border(data.train->image(i));
    const float x = overlap_with_frame(*a, picture);
    if (x < 0) continue;
    all_yunet.push_back(x);
    const float y = overlap_with_frame(*b, picture);
    if (y < 0) continue;
    both_yunet.push_back(x);
    both_haar.push_back(y);
  }
  CHECK(both_yunet.size() == 100);
  CHECK(median(both_yunet) >= 0.85f);
  CHECK(median(both_haar) >= 0.85f);
  CHECK(median(all_yunet) >= 0.8f);
}
