#include "fer/vision/recognizer.h"

#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/profile.h"

namespace fer {

Recognizer::Recognizer(std::unique_ptr<Classifier> classifier, const RecognizerOptions& options)
    : classifier_(std::move(classifier)), options_(options) {
  if (options_.head.empty()) options_.head = spec().default_head;
  labels_of(spec(), options_.head);  // throws on a head that does not exist
  if (options_.detector.kind == "none") return;
  options_.detector = resolve_face_detector(options_.detector);
  detector_ = make_detector();
}

const LabelList& Recognizer::labels() const { return labels_of(spec(), options_.head); }

std::unique_ptr<FaceDetector> Recognizer::make_detector() const {
  return create_face_detector(options_.detector);
}

std::vector<FaceResult> Recognizer::analyze(const Image& image) {
  if (!detector_) fail_input("this recognizer has no face detector");
  std::vector<FaceCrop> faces = find_faces(image, *detector_);
  std::vector<FaceCrop*> pending;
  for (FaceCrop& face : faces) pending.push_back(&face);
  answer(pending);
  std::vector<FaceResult> results;
  for (FaceCrop& face : faces) results.push_back(std::move(face.result));
  return results;
}

FaceResult Recognizer::analyze_crop(const Image& image) {
  FaceCrop face = whole_image(image);
  FaceCrop* pending[] = {&face};
  answer(pending);
  return face.result;
}

std::vector<FaceCrop> Recognizer::find_faces(const Image& image, FaceDetector& detector) const {
  std::vector<Face> detected;
  {
    const ProfileScope scope("detect");
    detected = detector.detect(image);
  }
  const ProfileScope scope("crop");
  std::vector<FaceCrop> faces;
  for (Face& face : detected) {
    FaceCrop found;
    found.result.issues = check_quality(image, face, options_.quality);
    if (found.result.issues.empty() || options_.guess)
      found.crop = face_crop(image, face, spec(), spec().resize);
    found.result.face = std::move(face);
    faces.push_back(std::move(found));
  }
  return faces;
}

FaceCrop Recognizer::whole_image(const Image& image) const {
  // The middle square, as data sets of image files take it.
  const int side = std::min(image.width, image.height);
  const Box middle{static_cast<float>(image.width - side) / 2,
                   static_cast<float>(image.height - side) / 2, static_cast<float>(side),
                   static_cast<float>(side)};
  FaceCrop face;
  face.result.face.box = middle;
  face.result.face.score = 1;
  face.crop = crop(image, middle, spec().resize, spec().resize);
  return face;
}

void Recognizer::answer(std::span<FaceCrop* const> faces) {
  std::vector<FaceCrop*> pending;
  std::vector<Image> crops;
  for (FaceCrop* face : faces) {
    if (face->crop.empty()) continue;
    pending.push_back(face);
    crops.push_back(face->crop);
  }
  if (pending.empty()) return;
  const ProfileScope scope("classify");
  std::vector<Probabilities> answers = classifier_->classify(crops, options_.batch_size);
  const float threshold = uncertain_below(spec(), options_.head);
  for (std::size_t i = 0; i < pending.size(); ++i) {
    FaceResult& result = pending[i]->result;
    result.probabilities = std::move(answers[i]);
    const std::vector<float>& p = result.probabilities.at(options_.head);
    const auto best = std::max_element(p.begin(), p.end());
    result.label = labels()[static_cast<std::size_t>(best - p.begin())];
    result.confidence = *best;
    result.uncertain = *best < threshold;
  }
}

Image face_crop(const Image& image, const Face& face, const ModelSpec& spec, int side) {
  return crop(image, face_crop_box(face.box, spec.crop_margin), side, side, face.roll);
}

}  // namespace fer
