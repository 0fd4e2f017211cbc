// Frames that your own code brings - here photos, as if 25 came a second: who is who from one to
// the next, and an answer that does not flicker: frames a.jpg b.jpg ...
#include <cstdio>

#include "fer/track/face_memory.h"
#include "fer/vision/image_io.h"
#include "fer/vision/recognizer.h"

int main(int argc, char** argv) try {
  fer::Recognizer recognizer = fer::Recognizer::open();
  fer::FaceMemory memory(recognizer, {}, {});
  for (int i = 1; i < argc; ++i) {
    const double time = (i - 1) / 25.0;  // seconds, of your clock
    const fer::Image frame = fer::read_image(argv[i]);
    for (const fer::LiveFace& face : memory.update(recognizer.analyze(frame), time)) {
      if (face.shown.label.empty()) continue;  // too small, blurred, turned away
      std::printf("%.2f s: face %d is %s (%.0f %%)\n", time, face.id, face.shown.label.c_str(),
                  100 * face.shown.confidence);
    }
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 2;
}
