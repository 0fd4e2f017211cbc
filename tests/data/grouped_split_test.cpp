#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "fer/core/random.h"
#include "support.h"

using namespace fer;
using fer::test::open_error;
using fer::test::options_for;
using fer::test::write_text;

namespace {

using Parts = std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>>;

struct Clips {
  std::vector<std::string> classes;
  std::vector<std::int64_t> groups;

  void add(std::int64_t group, const std::string& name, int count = 1) {
    classes.insert(classes.end(), static_cast<std::size_t>(count), name);
    groups.insert(groups.end(), static_cast<std::size_t>(count), group);
  }
  Parts split(double fraction, std::uint64_t seed) const {
    return grouped_split(classes, groups, fraction, seed);
  }
  std::set<std::int64_t> groups_of(const std::vector<std::int64_t>& part) const {
    std::set<std::int64_t> found;
    for (const std::int64_t i : part) found.insert(groups[static_cast<std::size_t>(i)]);
    return found;
  }
  std::int64_t count(const std::vector<std::int64_t>& part, const std::string& name) const {
    return std::ranges::count_if(
        part, [&](std::int64_t i) { return classes[static_cast<std::size_t>(i)] == name; });
  }
  bool on_both_sides(const Parts& parts, const std::string& name) const {
    return count(parts.first, name) > 0 && count(parts.second, name) > 0;
  }
};

// Of 1 to 20 frames, about half of each clip's under one of four classes.
Clips some_clips(int count, Rng rng) {
  Clips clips;
  for (int g = 0; g < count; ++g) {
    const std::uint32_t usual = rng.below(4), frames = 1 + rng.below(20);
    for (std::uint32_t f = 0; f < frames; ++f)
      clips.add(g, std::to_string(rng.below(2) == 0 ? usual : rng.below(4)));
  }
  return clips;
}

// "path,label,<columns>" of made-up pictures 0.png, 1.png, ...
std::string manifest(const std::string& columns, const std::vector<std::string>& rows) {
  std::string text = "path,label" + columns + "\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    text += std::to_string(i) + ".png," + rows[i] + "\n";
  return text;
}

DatasetOptions grouped(const std::filesystem::path& path, const std::string& column,
                       const std::string& labels = "auto") {
  DatasetOptions options = options_for(path, labels);
  options.group_by = column;
  options.image_size = 0;
  options.decoder = [](const std::filesystem::path&) { return Image(4, 4, 1, 100); };
  return options;
}

std::vector<std::string> origins(const Dataset& part) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < part.size(); ++i) names.push_back(part.origin(i));
  return names;
}

std::set<std::string> values(const Dataset& part, std::size_t column) {
  std::set<std::string> found;
  for (std::int64_t i = 0; i < part.size(); ++i) found.insert(part.value(i, column));
  found.erase("");
  return found;
}

// Of three classes, in 24 sources of one to five rows.
std::vector<std::string> rows_of_sources() {
  const LabelList labels = {"angry", "happy", "sad"};
  std::vector<std::string> rows;
  for (int s = 0; s < 24; ++s) {
    for (int k = 0; k <= s % 5; ++k) {
      rows.push_back(labels[static_cast<std::size_t>((s + k) % 3)] + ",clip" + std::to_string(s));
    }
  }
  return rows;
}

}  // namespace

TEST_CASE("a grouped split parts no group and keeps the shares of the classes near") {
  for (std::uint64_t round = 0; round < 20; ++round) {
    CAPTURE(round);
    const Clips clips = some_clips(80, Rng{7, round});
    for (const double fraction : {0.8, 0.5}) {
      const Parts parts = clips.split(fraction, round);
      std::vector<std::int64_t> all = parts.first;
      all.insert(all.end(), parts.second.begin(), parts.second.end());
      std::ranges::sort(all);
      std::vector<std::int64_t> expected(clips.classes.size());
      std::iota(expected.begin(), expected.end(), 0);
      REQUIRE(all == expected);
      REQUIRE(std::ranges::is_sorted(parts.first));
      REQUIRE(std::ranges::is_sorted(parts.second));
      const auto train = clips.groups_of(parts.first);
      for (const std::int64_t group : clips.groups_of(parts.second))
        REQUIRE(!train.contains(group));
      for (const std::string name : {"0", "1", "2", "3"}) {
        const auto taken = static_cast<double>(clips.count(parts.first, name));
        const auto size = static_cast<double>(std::ranges::count(clips.classes, name));
        REQUIRE(std::abs(taken / size - fraction) < 0.06);
      }
    }
  }
}

TEST_CASE("a grouped split is that of its seed, and another seed draws another") {
  const Clips clips = some_clips(80, Rng{7});
  std::set<Parts> seen;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    seen.insert(clips.split(0.8, seed));
    seen.insert(clips.split(0.8, seed));
  }
  CHECK(seen.size() == 5);
}

TEST_CASE("groups of one sample each are split as samples are") {
  Clips clips;
  for (const auto& [name, size] : {std::pair("a", 10), std::pair("b", 20), std::pair("c", 2)}) {
    for (int i = 0; i < size; ++i) clips.add(static_cast<std::int64_t>(clips.groups.size()), name);
  }
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Parts parts = clips.split(0.8, seed);
    CHECK(clips.count(parts.second, "a") == 2);
    CHECK(clips.count(parts.second, "b") == 4);
    CHECK(clips.count(parts.second, "c") == 1);
  }
}

TEST_CASE("every class that can be is on both sides of a grouped split") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    SECTION("of a chain of groups each second one validates " + std::to_string(seed)) {
      Clips chain;
      for (int c = 0; c < 8; ++c) {
        chain.add(c, std::to_string(c), 1 + c);
        chain.add(c + 1, std::to_string(c), 9 - c);
      }
      const Parts parts = chain.split(0.8, seed);
      for (int c = 0; c < 8; ++c) CHECK(chain.on_both_sides(parts, std::to_string(c)));
    }
    SECTION("what cannot be for all is so for the others " + std::to_string(seed)) {
      Clips clips;  // three groups, each two of which share a class, cannot all differ
      for (const int g : {0, 1, 2}) {
        clips.add(g, std::to_string(g), 5);
        clips.add(g, std::to_string((g + 1) % 3), 5);
      }
      for (const int g : {3, 4, 5}) clips.add(g, "other", 40);
      const Parts parts = clips.split(0.8, seed);
      CHECK(clips.on_both_sides(parts, "other"));
      int both = 0;
      for (const std::string name : {"0", "1", "2"}) {
        CHECK(clips.count(parts.first, name) > 0);
        both += clips.on_both_sides(parts, name);
      }
      CHECK(both == 2);
    }
    SECTION("the smaller of two groups validates " + std::to_string(seed)) {
      Clips clips;
      for (const std::string name : {"a", "b"}) {
        clips.add(0, name, 90);
        clips.add(1, name, 10);
      }
      CHECK(clips.groups_of(clips.split(0.8, seed).second) == std::set<std::int64_t>{1});
    }
    SECTION("a class of one group trains " + std::to_string(seed)) {
      Clips clips;
      clips.add(0, "rare", 3);
      for (const int g : {0, 1, 2}) clips.add(g, "common", 10);
      const Parts parts = clips.split(0.5, seed);
      CHECK(clips.count(parts.first, "rare") == 3);
      CHECK(clips.on_both_sides(parts, "common"));
    }
    SECTION("groups that all hold a class of their own train " + std::to_string(seed)) {
      Clips clips;
      for (const int g : {0, 1, 2}) {
        clips.add(g, std::to_string(g), 5);
        clips.add(g, "common", 5);
      }
      CHECK(clips.split(0.5, seed).second.empty());
    }
  }
}

TEST_CASE("group_by draws whole sources of a manifest, of the training part alone") {
  const test::TempFolder folder;
  std::vector<std::string> rows = rows_of_sources();
  for (std::string& row : rows) row += ",train";
  for (int i = 0; i < 9; ++i) rows.push_back(std::string(i % 2 == 0 ? "sad" : "happy") + ",,train");
  for (int i = 0; i < 3; ++i) rows.push_back("sad,clip" + std::to_string(i) + ",test");
  write_text(folder / "faces.csv", manifest(",Source,split", rows));
  DatasetOptions options = grouped(folder / "faces.csv", "source");
  std::set<std::vector<std::string>> validated;
  for (options.seed = 0; options.seed < 8; ++options.seed) {
    const OpenedDataset opened = open_dataset(options);
    CHECK(opened.test->size() == 3);
    CHECK(opened.train->size() + opened.val->size() == std::ssize(rows) - 3);
    const std::set<std::string> train = values(*opened.train, 0), val = values(*opened.val, 0);
    CHECK(train.size() + val.size() == 24);
    for (const std::string& source : val) CHECK(!train.contains(source));
    for (const std::int64_t count : class_counts(*opened.val)) CHECK(count > 0);
    REQUIRE(opened.drawn_splits.size() == 1);
    CHECK(opened.drawn_splits[0].group_by == "Source");
    CHECK(origins(*open_dataset(options).val) == origins(*opened.val));
    validated.insert(origins(*opened.val));
  }
  CHECK(validated.size() > 1);
}

TEST_CASE("whole sources validate whatever labels are made of the classes") {
  const test::TempFolder folder;
  write_text(folder / "faces.csv", manifest(",source", rows_of_sources()));
  const auto validation = [&](const std::string& labels) {
    return origins(*open_dataset(grouped(folder / "faces.csv", "source", labels)).val);
  };
  const auto all = validation("auto");
  CHECK(validation("sad,angry,happy") == all);
  CHECK(validation("bad=sad+angry,happy") == all);
}

TEST_CASE("rows without a value are groups of their own") {
  const test::TempFolder folder;
  std::vector<std::string> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(std::string(i < 10 ? "sad" : "happy") + ",");
  write_text(folder / "faces.csv", manifest(",source", rows));
  const OpenedDataset opened = open_dataset(grouped(folder / "faces.csv", "source"));
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{8, 8});
  CHECK(class_counts(*opened.val) == std::vector<std::int64_t>{2, 2});
}

TEST_CASE("a drawn split names the groups that it is of") {
  const test::TempFolder folder;
  const auto images = [&](const std::vector<std::string>& rows, const std::string& column) {
    write_text(folder / "faces.csv", manifest(",source", rows));
    return open_dataset(grouped(folder / "faces.csv", column)).drawn_splits.at(0).images;
  };
  std::vector<std::string> rows = rows_of_sources();
  const std::string before = images(rows, "source");
  CHECK(images(rows, "source") == before);
  CHECK(images(rows, "") != before);
  for (std::string& row : rows) row += "x";  // the same groups under other names
  CHECK(images(rows, "source") == before);
  rows[1] += "y";
  CHECK(images(rows, "source") != before);
  CHECK(images(rows, "") == images(rows_of_sources(), ""));
}

TEST_CASE("group_by changes nothing of a split of the data's own") {
  const test::TempFolder folder;
  write_text(folder / "faces.csv", manifest(",split,source", {"sad,train,a", "happy,train,a",
                                                              "sad,val,a", "happy,val,b"}));
  for (const std::string column : {"", "source", "no such"}) {
    const OpenedDataset opened = open_dataset(grouped(folder / "faces.csv", column));
    CHECK(origins(*opened.val).size() == 2);
    CHECK(opened.val->value(0, 0) == "a");
    CHECK(opened.drawn_splits.empty());
  }
}

TEST_CASE("a label of one source trains, and one label at least must validate") {
  const test::TempFolder folder;
  const auto csv = folder / "faces.csv";
  write_text(csv, manifest(",source", {"angry,a", "happy,a", "sad,a", "happy,b", "sad,b", "happy,c",
                                       "sad,c", "happy,d", "sad,d"}));
  for (const std::string labels : {"auto", "angry,happy,sad", "angry,sad"}) {
    const OpenedDataset opened = open_dataset(grouped(csv, "source", labels));
    CHECK(opened.val->size() > 0);
    CHECK(class_counts(*opened.train)[0] == 1);
    CHECK(class_counts(*opened.val)[0] == 0);
    CHECK_NOTHROW(check_every_class_trains(opened));
  }
  write_text(csv, manifest(",source", {"happy,a", "other,a", "sad,b", "other,b", "other,c"}));
  CHECK(open_error(grouped(csv, "source")).empty());
  CHECK_THAT(open_error(grouped(csv, "source", "happy,sad")),
             Catch::Contains("faces.csv: group_by 'source': no label has a group that could"));
}

TEST_CASE("groups that cannot be made are refused with the column and the place") {
  const test::TempFolder folder;
  const auto csv = folder / "faces.csv";
  write_text(csv, manifest(",source,subject", {"sad,a,1", "happy,a,1", "sad,a,2", "happy,a,2"}));
  CHECK(open_error(grouped(csv, "subject")).empty());
  CHECK_THAT(open_error(grouped(csv, "source")),
             Catch::EndsWith("faces.csv: group_by 'source': all images are one group; training and "
                             "validation need one each"));
  CHECK_THAT(open_error(grouped(csv, "subjct")),
             Catch::EndsWith("faces.csv: group_by 'subjct': no such column (there are source, "
                             "subject), did you mean 'subject'?"));
  CHECK_THAT(open_error(grouped(csv, "label")), Catch::Contains("'label': no such column"));
  CHECK_THAT(open_error(grouped(csv, "\xE9")), Catch::Contains("is no UTF-8"));
  write_text(csv, manifest(",source", {"sad,a", "sad,a", "happy,b", "happy,b"}));
  CHECK_THAT(
      open_error(grouped(csv, "source")),
      Catch::Contains("faces.csv: group_by 'source': each group holds a class that no other"));
  write_text(csv, manifest("", {"sad", "sad", "happy", "happy"}));
  CHECK_THAT(open_error(grouped(csv, "source")),
             Catch::Contains("faces.csv: group_by 'source' needs a manifest with this column"));
  for (const char* path : {"photos/a/1.png", "photos/a/2.png", "photos/b/1.png", "photos/b/2.png"})
    write_text(folder / path, "");
  CHECK_THAT(open_error(grouped(folder / "photos", "source")),
             Catch::Contains("photos: group_by 'source' needs a manifest with this column"));
}
