#include "fer/live/shared_recognizer.h"

#include <atomic>
#include <thread>

#include "vision/support.h"

using namespace fer;
using namespace fer::test;

TEST_CASE("faces of several callers are answered, each its own, in shared batches") {
  RecognizerOptions options;
  options.detector.kind = "none";
  SharedRecognizer shared(Recognizer(std::make_unique<ToneClassifier>(), options));
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      const char* expected[] = {"dark", "middle", "bright"};
      for (int i = 0; i < 50; ++i) {
        const int tone = (caller + i) % 3;
        FaceCrop crop = shared.recognizer().whole_image(
            Image(8, 8, 1, static_cast<std::uint8_t>(38 + 90 * tone)));
        FaceCrop* pending[] = {&crop};
        shared.answer(pending);
        wrong += crop.result.label != expected[tone];
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
  const auto counts = shared.counts();
  CHECK(counts.faces == 300);
  CHECK(counts.batches <= 300);
}
