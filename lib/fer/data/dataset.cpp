#include "fer/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "fer/core/error.h"
#include "fer/core/hash.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/data/table.h"

namespace fer {
namespace {

class Subset : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices)
      : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    for (const std::int64_t i : indices_) {
      if (i < 0 || i >= dataset_->size()) {
        fail_input(format("subset: index %lld of a data set of %lld samples",
                          static_cast<long long>(i), static_cast<long long>(dataset_->size())));
      }
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  const std::vector<HeadLabels>& heads() const override { return dataset_->heads(); }
  Image image(std::int64_t i) const override { return dataset_->image(at(i)); }
  const Target& target(std::int64_t i, std::size_t head) const override {
    return dataset_->target(at(i), head);
  }
  std::string origin(std::int64_t i) const override { return dataset_->origin(at(i)); }
  const std::vector<std::string>& columns() const override { return dataset_->columns(); }
  const std::string& value(std::int64_t i, std::size_t column) const override {
    return dataset_->value(at(i), column);
  }

 private:
  std::int64_t at(std::int64_t i) const { return indices_.at(static_cast<std::size_t>(i)); }

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> indices_;
};

template <typename T>
std::span<const std::uint8_t> bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(T)};
}

}  // namespace

std::string to_string(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kVal:
      return "val";
    case Split::kTest:
      return "test";
  }
  return "?";
}

std::optional<Split> find_split(const std::string& text) {
  const std::string name = to_lower(trim(text));
  if (name == "train" || name == "training") return Split::kTrain;
  if (name == "val" || name == "valid" || name == "validation" || name == "publictest")
    return Split::kVal;
  if (name == "test" || name == "testing" || name == "privatetest") return Split::kTest;
  return std::nullopt;
}

Split split_from_string(const std::string& text) {
  if (const auto split = find_split(text)) return *split;
  fail_input("split '" + text + "': expected train, val or test" +
             did_you_mean(to_lower(text), {"train", "val", "test"}));
}

Sample Dataset::get(std::int64_t i) const {
  Sample sample{image(i), {}};
  for (std::size_t head = 0; head < heads().size(); ++head)
    sample.targets.push_back(target(i, head));
  return sample;
}

std::vector<std::int64_t> class_counts(const Dataset& dataset, std::size_t head) {
  std::vector<std::int64_t> counts(dataset.heads().at(head).labels.size(), 0);
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const int label = dataset.target(i, head).label;
    if (label >= 0) ++counts[static_cast<std::size_t>(label)];
  }
  return counts;
}

std::string fingerprint(const Dataset& dataset) {
  Fingerprint hash;
  for (const HeadLabels& head : dataset.heads())
    hash.add(head.name + ":" + join(head.labels, ",") + ";");
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const Image image = dataset.image(i);
    hash.add(bytes_of(image.width));
    hash.add(bytes_of(image.channels));
    hash.add(image.pixels);
    for (std::size_t head = 0; head < dataset.heads().size(); ++head) {
      const Target& target = dataset.target(i, head);
      hash.add(bytes_of(target.label));
      for (const float p : target.distribution) hash.add(bytes_of(p));
    }
  }
  return hash.hex();
}

std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset,
                                      std::vector<std::int64_t> indices) {
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> stratified_split(
    const std::vector<std::string>& classes, double fraction, std::uint64_t seed) {
  std::map<std::string, std::vector<std::int64_t>> members;
  for (std::size_t i = 0; i < classes.size(); ++i)
    members[classes[i]].push_back(static_cast<std::int64_t>(i));
  std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> parts;
  for (const auto& [name, positions] : members) {
    const auto n = static_cast<std::int64_t>(positions.size());
    std::int64_t first = std::llround(fraction * static_cast<double>(n));
    if (n > 1 && fraction > 0 && fraction < 1) first = std::clamp<std::int64_t>(first, 1, n - 1);
    Fingerprint key;
    key.add(name);
    const std::vector<std::int64_t> order = permutation(n, Rng{seed, key.value()});
    for (std::int64_t k = 0; k < n; ++k) {
      auto& part = k < first ? parts.first : parts.second;
      part.push_back(positions[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]);
    }
  }
  std::sort(parts.first.begin(), parts.first.end());
  std::sort(parts.second.begin(), parts.second.end());
  return parts;
}

const Dataset& OpenedDataset::split(Split s) const {
  return s == Split::kTrain ? *train : s == Split::kVal ? *val : *test;
}

}  // namespace fer
