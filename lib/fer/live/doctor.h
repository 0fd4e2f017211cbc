// What this machine has for fer-live, so that a user sees at once what is missing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fer/vision/face_detector.h"

namespace fer {

// Whether a window can be opened: tried in a process of its own, because Qt ends the program where
// there is no display. Call it before threads are started.
bool display_works();

// SHA-256 of a file, 64 lower-case digits; throws kInput when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

struct Finding {
  std::string what;
  std::string found;
  bool good = true;  // false: something will not work
};
// Cameras, displays, terminal, detectors, model with its hash, versions. model: empty when none was
// found.
std::vector<Finding> examine(const std::filesystem::path& model,
                             const FaceDetectorOptions& detector);

}  // namespace fer
