// The whole way from a picture to answers: find faces, crop them as the model knows them, classify.
//
//   auto recognizer = fer::Recognizer::open();
//   for (const fer::FaceResult& face : recognizer.analyze(fer::read_image("photo.jpg"))) ...
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fer/core/image.h"
#include "fer/model/classifier.h"
#include "fer/vision/face_detector.h"
#include "fer/vision/face_quality.h"

namespace fer {

struct FaceResult {
  Face face;
  std::vector<QualityIssue> issues;  // why there is no answer; empty for a face that shows enough
  Probabilities probabilities;       // by head; empty without an answer
  std::string label;      // the most probable of the chosen head; empty without an answer
  float confidence = 0;   // its probability
  bool uncertain = true;  // below the model's threshold, or no answer
};

struct RecognizerOptions {
  FaceDetectorOptions detector;  // kind "none": only analyze_crop() is wanted
  QualityLimits quality;
  bool guess = false;   // answer for faces with quality issues, too
  std::string head;     // whose label counts; empty: the model's default
  int batch_size = 64;  // faces classified at once
};

// A face on its way: found and cropped, its answer still to come.
struct FaceCrop {
  FaceResult result;
  Image crop;  // ModelSpec::resize pixels square, upright; empty when there is to be no answer
};

class Recognizer {
 public:
  // Throws kInput when the head does not exist or no face detector is there.
  Recognizer(std::unique_ptr<Classifier> classifier, const RecognizerOptions& options = {});
  // A checkpoint file, or "" for the shipped one, on the engine that the library fer::predict was
  // built with (predict/engine.h): that library defines it.
  static Recognizer open(const std::filesystem::path& model = {},
                         const RecognizerOptions& options = {});

  // The faces, largest first; none is a result. Not thread-safe.
  std::vector<FaceResult> analyze(const Image& image);
  // The image is a face already.
  FaceResult analyze_crop(const Image& image);

  // The two halves of analyze(), for work on many pictures: finding, in any thread with a detector
  // of its own, and answering, in one thread for many faces at once.
  std::unique_ptr<FaceDetector> make_detector() const;
  std::vector<FaceCrop> find_faces(const Image& image, FaceDetector& detector) const;
  FaceCrop whole_image(const Image& image) const;
  void answer(std::span<FaceCrop* const> faces);

  const ModelSpec& spec() const { return classifier_->spec(); }
  const std::string& head() const { return options_.head; }
  const LabelList& labels() const;  // of that head
  const RecognizerOptions& options() const { return options_; }
  std::string detector_name() const { return detector_ ? detector_->name() : "none"; }

 private:
  std::unique_ptr<Classifier> classifier_;
  RecognizerOptions options_;
  std::unique_ptr<FaceDetector> detector_;
};

// The crop of a face as the model knows it, `side` pixels square, upright.
Image face_crop(const Image& image, const Face& face, const ModelSpec& spec, int side);

}  // namespace fer
