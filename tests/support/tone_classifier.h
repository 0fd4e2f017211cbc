// Pictures, a clip and an engine that says how bright a picture is: what tests of pictures share.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/image.h"
#include "fer/core/random.h"
#include "fer/model/classifier.h"
#include "fer/vision/recognizer.h"

namespace fer::test {

// Smooth, with another colour in each corner, so that any turn or mirroring shows.
inline Image corners(int width, int height, int channels = 3) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int right = 200 * x / std::max(1, width - 1), down = 200 * y / std::max(1, height - 1);
      const int values[] = {20 + right, 20 + down, 120 - right / 2, 255};
      for (int c = 0; c < channels; ++c) image.at(x, y, c) = static_cast<std::uint8_t>(values[c]);
    }
  }
  return image;
}

inline Image noise(int width, int height, int channels, std::uint64_t seed) {
  Image image(width, height, channels);
  Rng rng(seed);
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

inline void write_bytes(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// What a call throws, or "" when it does not.
template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

inline ModelSpec tiny_spec() {
  ModelSpec spec;
  spec.resize = 8;
  spec.input_size = 8;
  spec.mean = {0};
  spec.std = {1};
  spec.heads = {{"tone", {"dark", "middle", "bright"}, 1.0f, 0.5f}};
  spec.default_head = "tone";
  return spec;
}

// Says dark, middle or bright by the mean of the crop, after a pause; how many calls it took is
// what batching saves.
class ToneClassifier : public Classifier {
 public:
  explicit ToneClassifier(ModelSpec spec = tiny_spec()) : spec_(std::move(spec)) {}
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    ++calls;
    std::this_thread::sleep_for(pause);
    const auto n = static_cast<std::size_t>(batch.shape.at(0));
    const std::span<const float> values = batch.floats();
    const std::size_t each = values.size() / n;
    std::vector<float> out;
    for (std::size_t i = 0; i < n; ++i) {
      float mean = 0;
      for (std::size_t k = 0; k < each; ++k)
        mean += values[i * each + k] / static_cast<float>(each);
      for (const float centre : {0.15f, 0.5f, 0.85f})
        out.push_back(-60 * (mean - centre) * (mean - centre));
    }
    std::map<std::string, HostTensor> heads;
    for (const HeadSpec& head : spec_.heads) {
      heads.emplace(head.name, HostTensor::from_floats({batch.shape[0], 3}, out));
    }
    return heads;
  }
  int calls = 0;
  std::chrono::milliseconds pause{0};

 private:
  ModelSpec spec_;
};

// Finds no faces: it answers for crops.
inline Recognizer tone_recognizer(ToneClassifier** engine = nullptr) {
  auto classifier = std::make_unique<ToneClassifier>();
  if (engine) *engine = classifier.get();
  RecognizerOptions options;
  options.detector.kind = "none";
  return Recognizer(std::move(classifier), options);
}

// An uncompressed clip, black, gray, white, ... in turn; every player reads this format.
inline void write_clip(const std::filesystem::path& path, int frames, int width = 32,
                       int height = 16) {
  std::string clip = "YUV4MPEG2 W" + std::to_string(width) + " H" + std::to_string(height) +
                     " F10:1 Ip A1:1 C420jpeg\n";
  for (int i = 0; i < frames; ++i) {
    const char tones[] = {char(16), char(126), char(235)};
    clip += "FRAME\n" + std::string(static_cast<std::size_t>(width * height), tones[i % 3]) +
            std::string(static_cast<std::size_t>(width * height / 2), char(128));
  }
  write_file_atomically(path, clip);
}

}  // namespace fer::test
