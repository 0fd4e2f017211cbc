#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"

namespace fer {
namespace {

constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

class Concat : public Dataset {
 public:
  explicit Concat(std::vector<std::shared_ptr<const Dataset>> datasets) : parts_(datasets.size()) {
    for (std::size_t d = 0; d < datasets.size(); ++d) {
      parts_[d].dataset = std::move(datasets[d]);
      for (const HeadLabels& head : parts_[d].dataset->heads()) add_head(head);
      for (const std::string& column : parts_[d].dataset->columns()) {
        if (std::find(columns_.begin(), columns_.end(), column) == columns_.end())
          columns_.push_back(column);
      }
    }
    for (Part& part : parts_) {
      for (const HeadLabels& head : heads_) {
        const auto& own = part.dataset->heads();
        part.head.push_back(
            position(own.begin(),
                     std::find_if(own.begin(), own.end(),
                                  [&](const auto& h) { return h.name == head.name; }),
                     own.end()));
      }
      for (const std::string& column : columns_) {
        const auto& own = part.dataset->columns();
        part.column.push_back(
            position(own.begin(), std::find(own.begin(), own.end(), column), own.end()));
      }
      part.begin = size_;
      size_ += part.dataset->size();
    }
  }

  std::int64_t size() const override { return size_; }
  const std::vector<HeadLabels>& heads() const override { return heads_; }
  Image image(std::int64_t i) const override {
    const Part& part = part_of(i);
    return part.dataset->image(i - part.begin);
  }
  const Target& target(std::int64_t i, std::size_t head) const override {
    static const Target none;
    const Part& part = part_of(i);
    const std::size_t own = part.head.at(head);
    return own == kAbsent ? none : part.dataset->target(i - part.begin, own);
  }
  std::string origin(std::int64_t i) const override {
    const Part& part = part_of(i);
    return part.dataset->origin(i - part.begin);
  }
  const std::vector<std::string>& columns() const override { return columns_; }
  const std::string& value(std::int64_t i, std::size_t column) const override {
    static const std::string none;
    const Part& part = part_of(i);
    const std::size_t own = part.column.at(column);
    return own == kAbsent ? none : part.dataset->value(i - part.begin, own);
  }

 private:
  struct Part {
    std::shared_ptr<const Dataset> dataset;
    std::int64_t begin = 0;
    std::vector<std::size_t> head;  // ours -> its own
    std::vector<std::size_t> column;
  };

  template <typename Iterator>
  static std::size_t position(Iterator begin, Iterator found, Iterator end) {
    return found == end ? kAbsent : static_cast<std::size_t>(found - begin);
  }

  void add_head(const HeadLabels& head) {
    for (const HeadLabels& known : heads_) {
      if (known.name != head.name) continue;
      if (known.labels != head.labels) {
        fail_input("head '" + head.name + "' is " + join(known.labels, ", ") +
                   " in one data set and " + join(head.labels, ", ") +
                   " in another; give them one label map or two names");
      }
      return;
    }
    heads_.push_back(head);
  }

  const Part& part_of(std::int64_t i) const {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), i,
                         [](std::int64_t at, const Part& part) { return at < part.begin; });
    return *(after - 1);
  }

  std::vector<Part> parts_;
  std::int64_t size_ = 0;
  std::vector<HeadLabels> heads_;
  std::vector<std::string> columns_;
};

// Every sample floor(weight) times, and a seeded choice of them once more for the fraction that is
// left.
std::shared_ptr<const Dataset> repeated(const std::shared_ptr<const Dataset>& dataset,
                                        double weight, std::uint64_t seed) {
  const std::int64_t n = dataset->size();
  const auto whole = static_cast<std::int64_t>(weight);
  const std::int64_t extra =
      std::llround((weight - static_cast<double>(whole)) * static_cast<double>(n));
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < whole * n; ++i) indices.push_back(i % n);
  std::vector<std::int64_t> chosen = permutation(n, Rng{seed});
  chosen.resize(static_cast<std::size_t>(extra));
  std::sort(chosen.begin(), chosen.end());
  indices.insert(indices.end(), chosen.begin(), chosen.end());
  return subset(dataset, std::move(indices));
}

}  // namespace

std::shared_ptr<const Dataset> concat(std::vector<std::shared_ptr<const Dataset>> datasets) {
  if (datasets.empty()) fail_input("no data sets to put together");
  return std::make_shared<Concat>(std::move(datasets));
}

OpenedDataset join_datasets(const std::vector<OpenedDataset>& parts,
                            const std::vector<double>& weights, std::uint64_t seed) {
  if (!weights.empty() && weights.size() != parts.size()) {
    fail_input(format("%zu weights for %zu data sets", weights.size(), parts.size()));
  }
  OpenedDataset joined;
  std::vector<std::shared_ptr<const Dataset>> train, val, test;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    if (!(weight > 0 && weight <= 1000)) {
      fail_input(format("weight %g of %s: expected more than 0 and at most 1000", weight,
                        parts[i].description.c_str()));
    }
    train.push_back(repeated(parts[i].train, weight, seed + i));
    val.push_back(parts[i].val);
    test.push_back(parts[i].test);
    joined.description += (i > 0 ? " + " : "") + parts[i].description;
    for (const DrawnSplit& drawn : parts[i].drawn_splits) {
      if (std::ranges::count(joined.drawn_splits, drawn) == 0) joined.drawn_splits.push_back(drawn);
    }
    joined.dropped.insert(joined.dropped.end(), parts[i].dropped.begin(), parts[i].dropped.end());
  }
  joined.train = concat(std::move(train));
  joined.val = concat(std::move(val));
  joined.test = concat(std::move(test));
  for (const HeadLabels& head : joined.train->heads()) {
    LabelMap map{head.labels, {}};
    for (const OpenedDataset& part : parts) {
      const auto& own = part.train->heads();
      for (std::size_t h = 0; h < own.size(); ++h) {
        if (own[h].name == head.name)
          map.index_of.insert(part.label_maps[h].index_of.begin(),
                              part.label_maps[h].index_of.end());
      }
    }
    joined.label_maps.push_back(std::move(map));
  }
  joined.fingerprint = fingerprint(*joined.train);
  return joined;
}

}  // namespace fer
