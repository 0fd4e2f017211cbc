// The expressions on a photo, with fer as a library: analyze photo.jpg [model.safetensors]
#include <cstdio>

#include "fer/vision/image_io.h"
#include "fer/vision/recognizer.h"

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("name a photo");
  const fer::Image photo = fer::read_image(argv[1]);
  // Without a model: the shipped one.
  fer::Recognizer recognizer = fer::Recognizer::open(argc > 2 ? argv[2] : "");
  for (const fer::FaceResult& face : recognizer.analyze(photo)) {
    std::printf("%s %.0f %% at %.0f, %.0f\n", face.label.c_str(), 100 * face.confidence,
                face.face.box.x, face.face.box.y);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 2;
}
