// The review loop: faces cut out as the model sees them, and a manifest that training takes back
// once a person has gone over its labels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "fer/batch/prediction_stream.h"

namespace fer {

class CropWriter {
 public:
  // Makes the folder and manifest.csv in it
  // (path,label,confidence,uncertain,source,frame,x,y,width, height). by_label: each label's faces
  // in a folder of its name. Throws kInput when a manifest is there already and kRuntime when
  // nothing can be written.
  CropWriter(const std::filesystem::path& folder, bool by_label, const Recognizer& recognizer);

  // Needs prediction.image; faces without an answer are left out.
  void add(const Prediction& prediction);

 private:
  std::filesystem::path folder_;
  bool by_label_;
  const Recognizer& recognizer_;
  std::ofstream manifest_;
  std::int64_t count_ = 0;  // faces so far: their names
};

}  // namespace fer
