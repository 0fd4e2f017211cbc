#include <algorithm>
#include <numeric>
#include <set>

#include "fer/core/random.h"
#include "fer/data/contact_sheet.h"
#include "support.h"

using namespace fer;

namespace {

// Samples that are their class and number; class -1: no answer.
class Numbers : public Dataset {
 public:
  Numbers(const std::vector<int>& labels, int classes) {
    heads_.push_back({"numbers", {}});
    for (int c = 0; c < classes; ++c) heads_[0].labels.push_back("c" + std::to_string(c));
    for (const int label : labels) {
      Target target{std::vector<float>(static_cast<std::size_t>(classes), 0.0f), label};
      if (label >= 0) target.distribution[static_cast<std::size_t>(label)] = 1;
      targets_.push_back(target);
    }
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(targets_.size()); }
  const std::vector<HeadLabels>& heads() const override { return heads_; }
  Image image(std::int64_t i) const override {
    return Image(2, 2, 1, static_cast<std::uint8_t>(i));
  }
  const Target& target(std::int64_t i, std::size_t) const override {
    return targets_.at(static_cast<std::size_t>(i));
  }
  std::string origin(std::int64_t i) const override { return "number " + std::to_string(i); }
  const std::vector<std::string>& columns() const override { return columns_; }
  const std::string& value(std::int64_t, std::size_t column) const override {
    return columns_.at(column);
  }

 private:
  std::vector<HeadLabels> heads_;
  std::vector<Target> targets_;
  std::vector<std::string> columns_;
};

std::shared_ptr<const Dataset> numbers(const std::vector<int>& labels, int classes = 3) {
  return std::make_shared<Numbers>(labels, classes);
}

}  // namespace

TEST_CASE("a stratified split is a partition that keeps every class's share") {
  Rng rng(7);
  for (int round = 0; round < 50; ++round) {
    const int classes = 2 + static_cast<int>(rng.below(6));
    std::vector<std::string> labels(20 + rng.below(300));
    for (std::string& label : labels)
      label = std::to_string(rng.below(static_cast<std::uint32_t>(classes + 1)));
    const double fraction = 0.05 + 0.9 * rng.uniform();
    const auto [first, second] = stratified_split(labels, fraction, rng.next());

    std::vector<std::int64_t> all = first;
    all.insert(all.end(), second.begin(), second.end());
    std::sort(all.begin(), all.end());
    std::vector<std::int64_t> expected(labels.size());
    std::iota(expected.begin(), expected.end(), 0);
    REQUIRE(all == expected);
    REQUIRE(std::is_sorted(first.begin(), first.end()));
    REQUIRE(std::is_sorted(second.begin(), second.end()));
    for (int number = 0; number <= classes; ++number) {
      const std::string c = std::to_string(number);
      const auto n = std::count(labels.begin(), labels.end(), c);
      const auto taken = std::count_if(first.begin(), first.end(), [&](std::int64_t i) {
        return labels[static_cast<std::size_t>(i)] == c;
      });
      if (n > 1) {
        REQUIRE(taken >= 1);
        REQUIRE(taken <= n - 1);
      }
      REQUIRE(std::abs(static_cast<double>(taken) - fraction * static_cast<double>(n)) <= 1.0);
    }
  }
}

TEST_CASE("what a stratified split takes of a class depends on the seed, not on other classes") {
  const std::vector<std::string> alone(100, "happy");
  const auto split = stratified_split(alone, 0.5, 3);
  CHECK(split == stratified_split(alone, 0.5, 3));
  CHECK(split.first != stratified_split(alone, 0.5, 4).first);
  std::vector<std::string> others = alone;
  others.insert(others.end(), 30, "angry");
  auto beside = stratified_split(others, 0.5, 3).first;
  std::erase_if(beside, [](std::int64_t i) { return i >= 100; });
  CHECK(beside == split.first);
  CHECK(stratified_split(std::vector<std::string>(100, "sad"), 0.5, 3).first != split.first);
}

TEST_CASE("a subset shows some samples in the given order") {
  const auto data = numbers({0, 1, 2, 0, -1});
  const auto some = subset(data, {4, 0, 2, 2});
  REQUIRE(some->size() == 4);
  CHECK(some->image(2) == data->image(2));
  CHECK(some->origin(0) == "number 4");
  CHECK(some->get(1).targets[0].label == 0);
  CHECK(class_counts(*some) == std::vector<std::int64_t>{1, 0, 2});
  CHECK(subset(some, {3})->origin(0) == "number 2");
  CHECK_THROWS_AS(subset(data, {5}), Error);
  CHECK_THROWS_AS(subset(data, {-1}), Error);
}

TEST_CASE("a fingerprint changes with order, labels, label names and pictures") {
  const auto data = numbers({0, 1, 2});
  std::set<std::string> seen = {fingerprint(*data)};
  CHECK(seen.begin()->size() == 16);
  CHECK(fingerprint(*subset(data, {0, 1, 2})) == fingerprint(*data));
  seen.insert(fingerprint(*subset(data, {0, 2, 1})));
  seen.insert(fingerprint(*subset(data, {0, 1})));
  seen.insert(fingerprint(*numbers({0, 1, 1})));
  seen.insert(fingerprint(*numbers({0, 1, 2}, 4)));
  seen.insert(fingerprint(*subset(numbers({0, 0, 1, 2}), {1, 2, 3})));  // other pictures
  CHECK(seen.size() == 6);
}

TEST_CASE("data sets put together keep their samples, and their heads are matched by name") {
  const auto first = numbers({0, 1, 2});
  const auto second = numbers({2, -1});
  const auto both = concat({first, second});
  REQUIRE(both->size() == 5);
  CHECK(both->heads().size() == 1);
  CHECK(both->target(3, 0).label == 2);
  CHECK(both->image(4) == second->image(1));
  CHECK(both->origin(3) == "number 0");
  CHECK(concat({subset(first, {}), second})->origin(1) == "number 1");
  CHECK_THROWS_WITH(concat({first, numbers({0}, 4)}),
                    Catch::Contains("head 'numbers' is c0, c1, c2 in one"));
  CHECK_THROWS_AS(concat({}), Error);
}

TEST_CASE("joined data sets have all heads, and weights repeat training samples") {
  auto options = test::options_for("synthetic:60");
  const OpenedDataset six = open_dataset(options);
  options.heads = {{"mood", "good=happy+surprised,bad=sad+angry", TargetKind::kLabel}};
  const OpenedDataset mood = open_dataset(options);
  const OpenedDataset joined = join_datasets({six, mood}, {0.5, 2});

  CHECK(joined.train->size() == six.train->size() / 2 + 2 * mood.train->size());
  CHECK(joined.val->size() == six.val->size() + mood.val->size());
  REQUIRE(joined.train->heads().size() == 2);
  REQUIRE(joined.label_maps.size() == 2);
  CHECK(joined.label_maps[1].index_of.at("surprised") == 0);
  const Sample from_six = joined.val->get(0);
  CHECK(from_six.targets[0].known());
  CHECK_FALSE(from_six.targets[1].known());
  const Sample from_mood = joined.val->get(joined.val->size() - 1);
  CHECK_FALSE(from_mood.targets[0].known());
  CHECK(from_mood.targets[1].known());
  const auto counts = class_counts(*joined.train, 1);
  const auto once = class_counts(*mood.train);
  CHECK(counts == std::vector<std::int64_t>{2 * once[0], 2 * once[1]});
  CHECK(join_datasets({six, mood}, {0.5, 2}).fingerprint == joined.fingerprint);

  CHECK_THROWS_WITH(join_datasets({six, mood}, {1}), "1 weights for 2 data sets");
  CHECK_THROWS_WITH(join_datasets({six}, {0}), Catch::StartsWith("weight 0 of synthetic faces"));
}

TEST_CASE("a contact sheet has a row of samples for every label") {
  const auto data = numbers({1, 0, 1, 1, -1});  // sample i is a picture of tone i
  const Image sheet = contact_sheet(*data, 2, 4);
  CHECK(sheet.width == 8);
  CHECK(sheet.height == 12);
  CHECK(sheet.channels == 1);
  CHECK(sheet.at(0, 0) == 1);    // the only one of label 0
  CHECK(sheet.at(4, 0) == 255);  // no second one
  CHECK(sheet.at(3, 7) == 0);    // the first two of label 1
  CHECK(sheet.at(4, 4) == 2);
  CHECK(sheet.at(0, 8) == 255);  // none of label 2
  CHECK_THROWS_AS(contact_sheet(*subset(data, {}), 2), Error);
}

TEST_CASE("tiles are enlarged pixel by pixel with a white gap, and empty ones stay white") {
  Image gray(2, 1, 1);
  gray.pixels = {10, 20};
  const Image red = [] {
    Image image(2, 1, 3);
    image.at(0, 0, 0) = 200;
    return image;
  }();
  const Image sheet = tile_images(std::vector{gray, Image(), red}, 2, 3, 1);
  CHECK(sheet.width == 2 * 6 + 1);
  CHECK(sheet.height == 2 * 3 + 1);
  CHECK(sheet.channels == 3);  // as one of them has colour
  CHECK(sheet.at(2, 2, 1) == 10);
  CHECK(sheet.at(3, 0, 2) == 20);
  CHECK(sheet.at(6, 1) == 255);  // the gap
  CHECK(sheet.at(9, 1) == 255);  // the empty one
  CHECK(sheet.at(1, 5, 0) == 200);
  CHECK(sheet.at(1, 5, 1) == 0);
  CHECK_THROWS_AS(tile_images(std::vector{Image()}, 1), Error);
}
