// Tests on FER2013 and other data that is not part of the project: they run where FER_TEST_DATA
// names a folder with fer2013.csv, fer2013new.csv (FER+ votes) and
// face_detection_yunet_2022mar.onnx, and say that they were skipped elsewhere (ctest reports
// "Skipped").
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include "support/skip.h"

namespace fer::test {

// Path of `name` in the folder that `variable` names, or "" after printing the line that ctest
// takes for a skip.
inline std::filesystem::path file_in(const char* variable, const std::string& name) {
  const char* folder = std::getenv(variable);
  if (folder != nullptr && *folder != '\0') {
    const auto path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return path;
  }
  skip(name + " is not in " + variable);
  return {};
}

inline std::filesystem::path real_data(const std::string& name) {
  return file_in("FER_TEST_DATA", name);
}
// Of the photos and clips that scripts/fetch-samples.sh brings.
inline std::filesystem::path sample_file(const std::string& name) {
  return file_in("FER_SAMPLES", name);
}

}  // namespace fer::test
