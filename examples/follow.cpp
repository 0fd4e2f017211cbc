// The faces in front of a camera, in a video or a stream, as they come: follow
// 0|clip.mp4|rtsp://... [model]
#include <chrono>
#include <cstdio>
#include <thread>

#include "fer/live/pipeline.h"
#include "fer/vision/recognizer.h"

// Gets every frame that was looked at, in the pipeline's thread.
class Printer : public fer::Sink {
 public:
  void put(const fer::LiveFramePtr& frame) override {
    for (const fer::LiveFace& face : frame->faces) {
      if (face.shown.label.empty()) continue;  // too small, blurred, turned away
      std::printf("%.2f s: face %d is %s (%.0f %%)\n", frame->time, face.id,
                  face.shown.label.c_str(), 100 * face.shown.confidence);
    }
    std::fflush(stdout);
  }
};

int main(int argc, char** argv) try {
  fer::SharedRecognizer recognizer(fer::Recognizer::open(argc > 2 ? argv[2] : ""));
  fer::PipelineOptions options;
  if (argc > 1) options.capture.source.source = argv[1];
  fer::Controls controls;
  Printer printer;
  fer::Pipeline pipeline(recognizer, options, controls, {&printer});
  while (!pipeline.finished()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  pipeline.stop();  // throws what went wrong
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 2;
}
