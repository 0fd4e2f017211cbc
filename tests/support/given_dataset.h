// A data set of the pictures and targets that a test gives.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fer/data/dataset.h"

namespace fer::test {

// side x side, every pixel of the tone.
inline Image toned(int side, std::uint8_t tone) {
  Image image(side, side, 1);
  for (auto& pixel : image.pixels) pixel = tone;
  return image;
}

class GivenDataset : public Dataset {
 public:
  explicit GivenDataset(std::vector<HeadLabels> heads) : heads_(std::move(heads)) {}
  // A target for every head.
  void add(Image image, std::vector<Target> targets) {
    images_.push_back(std::move(image));
    targets_.push_back(std::move(targets));
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(images_.size()); }
  const std::vector<HeadLabels>& heads() const override { return heads_; }
  Image image(std::int64_t i) const override { return images_.at(static_cast<std::size_t>(i)); }
  const Target& target(std::int64_t i, std::size_t head) const override {
    return targets_.at(static_cast<std::size_t>(i)).at(head);
  }
  std::string origin(std::int64_t i) const override { return "picture " + std::to_string(i); }
  const std::vector<std::string>& columns() const override { return columns_; }
  const std::string& value(std::int64_t, std::size_t column) const override {
    return columns_.at(column);
  }

 private:
  std::vector<HeadLabels> heads_;
  std::vector<Image> images_;
  std::vector<std::vector<Target>> targets_;  // [sample][head]
  std::vector<std::string> columns_;          // none
};

}  // namespace fer::test
