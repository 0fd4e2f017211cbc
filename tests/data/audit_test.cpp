#include "fer/data/audit.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "fer/core/png.h"
#include "fer/core/random.h"
#include "fer/data/synthetic.h"
#include "support.h"
#include "support/real_data.h"

using namespace fer;

namespace {

// A picture that depends on `key`.
Image face(std::uint64_t key) { return synthetic_face("happy", 77, key); }

// As face(), brighter and with a little noise, as another compression would give.
Image saved_again(std::uint64_t key) {
  Image image = face(key);
  Rng rng(key);
  for (std::uint8_t& p : image.pixels) {
    p = static_cast<std::uint8_t>(std::clamp(p + 6 + static_cast<int>(rng.below(7)) - 3, 0, 255));
  }
  return image;
}

class Album {
 public:
  void add(const std::string& split, const std::string& label, const Image& image) {
    const auto folder = folder_ / (split + "/" + label);
    std::filesystem::create_directories(folder);
    write_png(folder / (std::to_string(1000 + count_++) + ".png"), image);
  }
  OpenedDataset open() const { return open_dataset(test::options_for(folder_.path(), "auto")); }

 private:
  test::TempFolder folder_;
  int count_ = 0;
};

// Origins of the members without their folder and number: "train/happy".
std::vector<std::string> names(const DuplicateGroup& group, const OpenedDataset& data) {
  std::vector<std::string> result;
  for (const SampleRef& ref : group.members) {
    const std::filesystem::path path = data.split(ref.split).origin(ref.index);
    const auto label = path.parent_path();
    result.push_back((label.parent_path().filename() / label.filename()).generic_string());
  }
  return result;
}

}  // namespace

TEST_CASE("the audit finds what was planted: copies, conflicts, leaks and blank pictures") {
  Album album;
  for (std::uint64_t i = 0; i < 20; ++i) album.add("train", i % 2 ? "happy" : "sad", face(i));
  for (std::uint64_t i = 20; i < 26; ++i) album.add("val", "happy", face(i));
  for (std::uint64_t i = 26; i < 32; ++i) album.add("test", "sad", face(i));
  album.add("train", "sad", face(1));         // conflict within training
  album.add("test", "sad", face(2));          // leak, same label
  album.add("test", "happy", face(4));        // leak, another label
  album.add("val", "sad", saved_again(6));    // near leak, same label
  album.add("test", "sad", saved_again(26));  // near, within test
  album.add("train", "happy", Image(48, 48, 1, 100));
  const OpenedDataset data = album.open();
  const Audit found = audit(data);

  REQUIRE(found.exact.size() == 3);
  std::map<std::vector<std::string>, const DuplicateGroup*> exact;
  for (const auto& group : found.exact) exact[names(group, data)] = &group;
  REQUIRE(exact.count({"train/happy", "train/sad"}) == 1);
  CHECK(exact.at({"train/happy", "train/sad"})->conflicting);
  CHECK_FALSE(exact.at({"train/happy", "train/sad"})->across_splits);
  REQUIRE(exact.count({"train/sad", "test/sad"}) == 1);
  CHECK(exact.at({"train/sad", "test/sad"})->across_splits);
  CHECK_FALSE(exact.at({"train/sad", "test/sad"})->conflicting);
  CHECK(exact.count({"train/sad", "test/happy"}) == 1);

  REQUIRE(found.near.size() == 2);
  std::set<std::vector<std::string>> near;
  for (const auto& group : found.near) near.insert(names(group, data));
  CHECK(near ==
        std::set<std::vector<std::string>>{{"train/sad", "val/sad"}, {"test/sad", "test/sad"}});

  const auto test_split = static_cast<std::size_t>(Split::kTest);
  const auto val_split = static_cast<std::size_t>(Split::kVal);
  CHECK(found.exact_leaks[test_split].images == 2);
  CHECK(found.exact_leaks[test_split].conflicting == 1);
  CHECK(found.exact_leaks[val_split].images == 0);
  CHECK(found.near_leaks[val_split].images == 1);
  CHECK(found.near_leaks[test_split].images == 0);
  CHECK(found.leaks());
  CHECK(found.repeated == 3);
  REQUIRE(found.blank.size() == 1);
  CHECK(data.train->image(found.blank[0].index) == Image(48, 48, 1, 100));
  CHECK(found.class_counts[val_split] == class_counts(*data.val));

  const auto json = nlohmann::json::parse(audit_json(found, data));
  CHECK(json["schema"] == "fer.audit.1");
  CHECK(json["equal_to_training"]["test"]["images"] == 2);
  CHECK(json["equal_to_training"]["test"]["conflicting"] == 1);
  CHECK(json["nearly_equal_to_training"]["val"]["images"] == 1);
  CHECK(json["class_counts"]["val"] == nlohmann::json(found.class_counts[val_split]));
  CHECK(json["near"].size() == 2);
  REQUIRE(json["exact"].size() == 3);  // the gravest first: across splits and in conflict
  CHECK(json["exact"][0]["across_splits"] == true);
  CHECK(json["exact"][0]["conflicting"] == true);
  CHECK(json["exact"][0]["images"][1]["split"] == "test");
  CHECK(json["exact"][0]["images"][1]["label"] == "happy");
  CHECK_THAT(json["exact"][0]["images"][1]["origin"].get<std::string>(),
             Catch::Contains("test/happy/"));
  CHECK(json["blank"].size() == 1);

  const auto leaked = also_in(*data.test, *data.train);
  REQUIRE(leaked.size() == 2);
  for (const std::int64_t i : leaked) {
    const Image image = data.test->image(i);
    CHECK((image == face(2) || image == face(4)));
  }
}

TEST_CASE("of a film's frames the audit makes one group, and knows every label that they leak") {
  Album album;
  const Image frame = face(1);
  const auto later = [&](int n) {  // the same but for a few points
    Image image = frame;
    for (int i = 0; i < 8; ++i)
      image.pixels[static_cast<std::size_t>(97 * n + 13 * i) % image.pixels.size()] ^= 8;
    return image;
  };
  for (int n = 0; n < 40; ++n) album.add("train", "happy", later(n));
  album.add("train", "sad", later(40));  // one of the many has another label
  album.add("val", "happy", later(41));
  album.add("test", "sad", later(42));
  album.add("test", "sad", face(2));
  const Audit found = audit(album.open());
  REQUIRE(found.near.size() == 1);
  CHECK(found.near[0].members.size() == 43);
  CHECK(found.near[0].across_splits);
  for (const Split split : {Split::kVal, Split::kTest}) {
    CHECK(found.near_leaks[static_cast<std::size_t>(split)].images == 1);
    CHECK(found.near_leaks[static_cast<std::size_t>(split)].conflicting == 1);
  }
}

TEST_CASE("an audit that looks for faces names the pictures without one, blank ones apart") {
  Album album;
  for (std::uint64_t i = 0; i < 6; ++i) album.add("train", i % 2 ? "happy" : "sad", face(i));
  album.add("test", "sad", face(9));
  album.add("test", "happy", Image(48, 48, 1, 100));
  const OpenedDataset data = album.open();
  CHECK_FALSE(audit(data).faceless);
  AuditOptions options;
  options.shows_face = [](const Image& image) { return image != face(9); };
  const Audit found = audit(data, options);
  REQUIRE(found.faceless);
  REQUIRE(found.faceless->size() == 1);
  CHECK(data.test->image(found.faceless->front().index) == face(9));
  CHECK(found.blank.size() == 1);
  CHECK_THAT(audit_text(found, data), Catch::Contains("Faceless suspects          1 images"));
  CHECK(nlohmann::json::parse(audit_json(found, data))["faceless"][0]["split"] == "test");
  CHECK_THAT(audit_html(found, data), Catch::Contains("<h2>Faceless suspects</h2>"));
}

TEST_CASE("an audit of clean data finds nothing and says so") {
  const auto data = open_dataset(test::options_for("synthetic:240"));
  const Audit found = audit(data);
  CHECK(found.exact.empty());
  CHECK(found.near.empty());
  CHECK(found.blank.empty());
  CHECK_FALSE(found.leaks());
  CHECK(also_in(*data.test, *data.train).empty());
  CHECK_THAT(audit_text(found, data), Catch::Contains("Exact duplicates           0 groups"));
  AuditOptions far;
  far.hash_distance = 8;
  CHECK_THROWS_WITH(audit(data, far), "hash_distance is 8, expected 0 to 7");
}

TEST_CASE("the near search finds every pair that comparing all with all finds") {
  const auto data = open_dataset(test::options_for("synthetic:240"));
  // With no demand on the correlation the hash alone decides, so that there are many pairs.
  AuditOptions loose;
  loose.min_correlation = -1;
  const Audit found = audit(data, loose);
  std::vector<std::uint64_t> hashes;
  for (const auto* part : {data.train.get(), data.val.get(), data.test.get()}) {
    for (std::int64_t i = 0; i < part->size(); ++i) {
      const Image small = resize(part->image(i), 9, 8);
      std::uint64_t hash = 0;
      for (int y = 0; y < 8; ++y) {
        for (int x = 0; x < 8; ++x) hash = 2 * hash + (small.at(x, y) < small.at(x + 1, y));
      }
      hashes.push_back(hash);
    }
  }
  std::set<std::size_t> paired;
  for (std::size_t a = 0; a < hashes.size(); ++a) {
    for (std::size_t b = 0; b < hashes.size(); ++b) {
      if (a != b && __builtin_popcountll(hashes[a] ^ hashes[b]) <= 7) paired.insert(a);
    }
  }
  std::size_t in_groups = 0;
  for (const auto& group : found.near) in_groups += group.members.size();
  CHECK(in_groups == paired.size());
  CHECK(in_groups > 0);
}

TEST_CASE("the audit's page stands alone and shows every finding once") {
  Album album;
  for (std::uint64_t i = 0; i < 6; ++i)
    album.add("train", i % 2 ? "a <b> & \"c\"" : "sad", face(i));
  album.add("test", "sad", face(1));
  const OpenedDataset data = album.open();
  const std::string html = audit_html(audit(data), data);
  CHECK_THAT(html, Catch::StartsWith("<!doctype html>"));
  CHECK_THAT(html, Catch::Contains("a &lt;b&gt; &amp; &quot;c&quot;"));
  CHECK(html.find("<b>") == std::string::npos);
  CHECK(html.find("http") == std::string::npos);
  std::size_t pictures = 0;
  for (std::size_t at = 0; (at = html.find("data:image/png;base64,iVBOR", at)) != std::string::npos;
       ++at)
    ++pictures;
  CHECK(pictures == 2);
}

TEST_CASE("on FER2013 the audit finds 288 PrivateTest and 282 PublicTest images of training") {
  const auto path = test::real_data("fer2013.csv");
  if (path.empty()) return;
  const auto data = open_dataset(test::options_for(path, "fer2013"));
  const Audit found = audit(data);
  const Leak& val = found.exact_leaks[static_cast<std::size_t>(Split::kVal)];
  const Leak& test = found.exact_leaks[static_cast<std::size_t>(Split::kTest)];
  CHECK(test.images == 288);
  CHECK(test.conflicting == 14);
  CHECK(val.images == 282);
  CHECK(val.conflicting == 15);
  CHECK(also_in(*data.test, *data.train).size() == 288);
  CHECK(also_in(*data.val, *data.train).size() == 282);
  CHECK(found.near.size() > 500);
  CHECK(found.blank.size() > 0);
}
