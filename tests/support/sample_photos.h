// The photos and frames that scripts/fetch-samples.sh brings and what a person sees on them
// (tests/vision/samples.json). FER_SAMPLES names their folder.
#pragma once

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fer/core/file.h"
#include "fer/vision/frame_source.h"
#include "fer/vision/image_io.h"
#include "support/skip.h"

namespace fer::test {

struct SampleFace {
  Box box;
  std::string label;  // empty where a person would not be sure
};

struct SamplePhoto {
  std::string name;
  Image image;
  std::vector<SampleFace> faces;
};

// Empty, after saying so, where the samples are not.
inline const std::vector<SamplePhoto>& sample_photos() {
  static const std::vector<SamplePhoto> photos = [] {
    std::vector<SamplePhoto> found;
    const char* folder = std::getenv("FER_SAMPLES");
    if (folder == nullptr || *folder == '\0') return found;
    const auto list = nlohmann::json::parse(
        read_text_file(std::string(FER_SOURCE_DIR) + "/tests/vision/samples.json"));
    for (const auto& entry : list) {
      const std::string file = std::string(folder) + "/" + entry.at("file").get<std::string>();
      if (!std::filesystem::exists(file)) {
        skip(file + " is not there; going on with the other samples");
        continue;
      }
      SamplePhoto photo;
      photo.name = entry.at("file").get<std::string>();
      if (entry.contains("frame")) {
        FrameSourceOptions options;
        options.source = file;
        const auto clip = open_frame_source(options);
        for (int i = 0; i < entry.at("frame").get<int>(); ++i) clip->skip();
        photo.image = clip->next().value().image;
        photo.name += " frame " + std::to_string(entry.at("frame").get<int>());
      } else {
        photo.image = read_image(file);
      }
      for (const auto& face : entry.at("faces")) {
        const auto& b = face.at("box");
        photo.faces.push_back(
            {{b.at(0), b.at(1), b.at(2), b.at(3)}, face.value("label", std::string())});
      }
      found.push_back(std::move(photo));
    }
    return found;
  }();
  if (photos.empty()) skip("FER_SAMPLES names no folder with the sample photos");
  return photos;
}

}  // namespace fer::test
