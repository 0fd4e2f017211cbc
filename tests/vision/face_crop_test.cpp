// The one crop that training and prediction share, on FER2013 itself: an image is enlarged six
// times and set into the middle of a larger picture of its mean gray; the crop from a detector's
// box should be the image again.
#include <algorithm>

#include "fer/core/parallel.h"
#include "fer/data/dataset.h"
#include "fer/vision/face_detector.h"
#include "support/real_data.h"
#include "support/tone_classifier.h"

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

// Of those among `count` training images in which the detector finds a face. Every 28th: others
// than the calibration was fitted on.
std::vector<float> overlaps(const FaceDetectorOptions& options, const Dataset& data, int count) {
  std::vector<float> all(static_cast<std::size_t>(count));
  const int threads = hardware_threads();
  parallel_for(
      threads,
      [&](std::int64_t thread) {
        const auto detector = create_face_detector(options);
        for (auto i = static_cast<std::size_t>(thread); i < all.size();
             i += static_cast<std::size_t>(threads)) {
          const Image face = data.image(11 + 28 * static_cast<std::int64_t>(i));
          all[i] = overlap_with_frame(*detector, with_border(face));
        }
      },
      threads);
  std::erase_if(all, [](float overlap) { return overlap < 0; });
  return all;
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
  DatasetOptions options;
  options.path = csv.string();
  const OpenedDataset data = open_dataset(options);
  const std::vector<float> by_yunet = overlaps(yunet, *data.train, 1000);
  CHECK(by_yunet.size() >= 950);
  CHECK(median(by_yunet) >= 0.85f);
  // A tenth of the speed, so a fifth of the images.
  const std::vector<float> by_haar = overlaps(haar, *data.train, 200);
  CHECK(by_haar.size() >= 140);
  CHECK(median(by_haar) >= 0.85f);
}
