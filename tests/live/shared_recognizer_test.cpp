#include "fer/live/shared_recognizer.h"

#include <atomic>
#include <latch>
#include <thread>

#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

// Its first batch takes until it is let go.
class HeldClassifier : public ToneClassifier {
 public:
  explicit HeldClassifier(std::latch& go) : go_(go) {}
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    if (calls == 0) go_.wait();
    return ToneClassifier::logits(batch);
  }

 private:
  std::latch& go_;
};

// Fails at its first batch.
class FailingOnce : public ToneClassifier {
 public:
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    if (calls == 0) {
      ++calls;
      fail_runtime("the first batch fails");
    }
    return ToneClassifier::logits(batch);
  }
};

}  // namespace

TEST_CASE("a batch that fails is an error of who waited for it, and the next one runs") {
  RecognizerOptions options;
  options.detector.kind = "none";
  SharedRecognizer shared(Recognizer(std::make_unique<FailingOnce>(), options));
  FaceCrop crop = shared.recognizer().whole_image(Image(8, 8, 1, 218));
  FaceCrop* pending[] = {&crop};
  CHECK(message_of([&] { shared.answer(pending); }) == "the first batch fails");
  CHECK(message_of([&] { shared.answer(pending); }).empty());
  CHECK(crop.result.label == "bright");
}

TEST_CASE("faces of several callers are answered, each its own, in shared batches") {
  RecognizerOptions options;
  options.detector.kind = "none";
  std::latch go(1);
  SharedRecognizer shared(Recognizer(std::make_unique<HeldClassifier>(go), options));
  std::atomic<int> wrong{0}, begun{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      const char* expected[] = {"dark", "middle", "bright"};
      for (int i = 0; i < 50; ++i) {
        const int tone = (caller + i) % 3;
        FaceCrop crop = shared.recognizer().whole_image(
            Image(8, 8, 1, static_cast<std::uint8_t>(38 + 90 * tone)));
        FaceCrop* pending[] = {&crop};
        if (i == 0) ++begun;
        shared.answer(pending);
        wrong += crop.result.label != expected[tone];
      }
    });
  }
  // One caller runs the first batch, the others gather behind it.
  while (begun < 6) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  go.count_down();
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
  const auto counts = shared.counts();
  CHECK(counts.faces == 300);
  CHECK(counts.shared > 0);
  CHECK(counts.batches < 300);
}
