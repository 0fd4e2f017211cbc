#include "fer/vision/recognizer.h"

#include "support/skip.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

TEST_CASE("a recognizer answers with the label, its probability and whether to trust it") {
  Recognizer recognizer = tone_recognizer();
  CHECK(recognizer.head() == "tone");
  const FaceResult bright = recognizer.analyze_crop(Image(20, 20, 1, 217));
  CHECK(bright.label == "bright");
  CHECK(bright.confidence > 0.9f);
  CHECK_FALSE(bright.uncertain);
  const FaceResult between = recognizer.analyze_crop(Image(20, 20, 1, 83));
  CHECK(between.confidence < 0.51f);
  ModelSpec strict = tiny_spec();
  strict.heads[0].uncertain_below = 0.6f;
  RecognizerOptions options;
  options.detector.kind = "none";
  Recognizer doubtful(std::make_unique<ToneClassifier>(strict), options);
  CHECK(doubtful.analyze_crop(Image(20, 20, 1, 83)).uncertain);
  CHECK_FALSE(doubtful.analyze_crop(Image(20, 20, 1, 217)).uncertain);
  REQUIRE(between.probabilities.at("tone").size() == 3);
  CHECK(recognizer.analyze_crop(Image(30, 90, 3, 128)).face.box ==
        Box{0, 30, 30, 30});  // the middle square
  CHECK_THROWS_AS(recognizer.analyze(Image(20, 20, 1)), Error);
}

TEST_CASE("an unknown head is refused with the heads there are") {
  RecognizerOptions options;
  options.detector.kind = "none";
  options.head = "mood";
  CHECK_THAT(message_of([&] { Recognizer(std::make_unique<ToneClassifier>(), options); }),
             Catch::Contains("tone"));
}

TEST_CASE("faces that show too little get no answer, unless a guess is asked for") {
  if (!std::filesystem::exists("/usr/share/opencv4/haarcascades")) {
    skip("opencv-data is not installed");
    return;
  }
  // A detector that sees one small and one large face.
  class Two : public FaceDetector {
   public:
    std::string name() const override { return "two"; }
    std::vector<Face> detect(const Image&) override {
      Face large, small;
      large.box = {20, 20, 160, 200};
      small.box = {250, 20, 8, 10};
      return {large, small};
    }
  };
  const Image image = resize(noise(150, 100, 1, 3), 300, 200);
  for (const bool guess : {false, true}) {
    RecognizerOptions options;
    options.detector.kind = "haar";
    options.guess = guess;
    ToneClassifier* engine = nullptr;
    auto classifier = std::make_unique<ToneClassifier>();
    engine = classifier.get();
    Recognizer recognizer(std::move(classifier), options);
    Two detector;
    std::vector<FaceCrop> faces = recognizer.find_faces(image, detector);
    REQUIRE(faces.size() == 2);
    FaceCrop* pending[] = {&faces[0], &faces[1]};
    recognizer.answer(pending);
    CHECK(engine->calls == 1);
    CHECK_FALSE(faces[0].result.label.empty());
    CHECK(faces[1].result.issues.front() == QualityIssue::kTooSmall);
    CHECK(faces[1].result.label.empty() == !guess);
    CHECK(faces[0].crop.width == recognizer.spec().resize);
  }
}
