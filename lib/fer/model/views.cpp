#include "fer/model/views.h"

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {
namespace {

Image mirrored(const Image& image) {
  Image result = image;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < image.channels; ++c) {
        result.at(x, y, c) = image.at(image.width - 1 - x, y, c);
      }
    }
  }
  return result;
}

std::vector<Image> five_crops(const Image& image, const ModelSpec& spec) {
  const Image face = resize(image, spec.resize, spec.resize);
  const int far = spec.resize - spec.input_size;
  std::vector<Image> crops;
  for (const auto& [x, y] : {std::pair{far / 2, far / 2}, {0, 0}, {far, 0}, {0, far}, {far, far}}) {
    const auto side = static_cast<float>(spec.input_size);
    crops.push_back(crop(face, {static_cast<float>(x), static_cast<float>(y), side, side},
                         spec.input_size, spec.input_size));
  }
  return crops;
}

Probabilities mean(std::span<const Probabilities> answers) {
  Probabilities result = answers.front();
  for (auto& [head, p] : result) {
    for (std::size_t c = 0; c < p.size(); ++c) {
      double sum = 0;
      for (const Probabilities& answer : answers) sum += answer.at(head)[c];
      p[c] = static_cast<float>(sum / static_cast<double>(answers.size()));
    }
  }
  return result;
}

}  // namespace

std::string to_string(Views views) {
  return views == Views::kFlip ? "flip" : views == Views::kTen ? "ten" : "none";
}

Views views_from_string(const std::string& name) {
  for (const Views views : {Views::kOne, Views::kFlip, Views::kTen}) {
    if (name == to_string(views)) return views;
  }
  fail_input("test-time augmentation '" + name + "': expected none, flip or ten" +
             did_you_mean(name, {"none", "flip", "ten"}));
}

std::vector<Probabilities> classify(Classifier& classifier, std::span<const Image> crops,
                                    Views views, int batch_size) {
  if (views == Views::kOne) return classifier.classify(crops, batch_size);
  ModelSpec spec = classifier.spec();
  if (views == Views::kTen && spec.resize == spec.input_size) {
    fail_input(
        format("ten views: the model sees the whole face (%d of %d pixels), which leaves "
               "nothing to crop; use flip",
               spec.input_size, spec.resize));
  }
  std::vector<Image> seen;
  for (const Image& image : crops) {
    const auto single = views == Views::kTen ? five_crops(image, spec) : std::vector{image};
    for (const Image& view : single) {
      seen.push_back(view);
      seen.push_back(mirrored(view));
    }
  }
  if (views == Views::kTen) spec.resize = spec.input_size;  // the views are cut already
  const std::vector<Probabilities> answers = classifier.classify(seen, spec, batch_size);
  const std::size_t each = views == Views::kTen ? 10 : 2;
  std::vector<Probabilities> results;
  for (std::size_t i = 0; i < crops.size(); ++i) {
    results.push_back(mean(std::span(answers).subspan(i * each, each)));
  }
  return results;
}

}  // namespace fer
