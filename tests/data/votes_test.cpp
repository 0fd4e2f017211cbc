#include "fer/data/votes.h"

#include "support.h"

using namespace fer;
using fer::test::open_error;
using fer::test::options_for;
using fer::test::write_text;

namespace {

// neutral happy surprised sad angry disgusted fearful contemptuous unknown NF
Target target(const Votes& votes, TargetKind kind, const std::string& labels = "ferplus") {
  return target_from_votes(votes, kind, make_label_map(labels, *label_preset("ferplus")));
}

constexpr char kHeader[] =
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";

}  // namespace

TEST_CASE("the FER+ majority drops single votes and asks for more than half of the rest") {
  // 5 of 9 left: more than half.
  CHECK(target({5, 0, 0, 2, 2, 1, 0, 0, 0, 0}, TargetKind::kMajority).label == 0);
  // 5 of 10: not more than half.
  CHECK(target({5, 0, 0, 2, 3, 0, 0, 0, 0, 0}, TargetKind::kMajority).label == -1);
  // Only because single votes are slips: 4 of 7.
  CHECK(target({0, 4, 3, 1, 1, 1, 0, 0, 0, 0}, TargetKind::kMajority).label == 1);
  // Unknown and NF count and win.
  CHECK(target({0, 4, 0, 0, 0, 0, 0, 0, 4, 2}, TargetKind::kMajority).label == -1);
  CHECK_FALSE(target({0, 0, 0, 0, 0, 0, 0, 0, 0, 10}, TargetKind::kMajority).known());
  // Nothing left.
  CHECK_FALSE(target({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, TargetKind::kMajority).known());
  const Target one_hot = target({5, 0, 0, 2, 2, 1, 0, 0, 0, 0}, TargetKind::kMajority);
  CHECK(one_hot.distribution == std::vector<float>{1, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("argmax takes the single winner of all votes") {
  CHECK(target({3, 0, 0, 2, 2, 1, 1, 1, 0, 0}, TargetKind::kArgmax).label == 0);
  CHECK(target({3, 0, 0, 3, 2, 1, 1, 0, 0, 0}, TargetKind::kArgmax).label == -1);
  CHECK(target({3, 0, 0, 0, 0, 0, 0, 0, 3, 4}, TargetKind::kArgmax).label == -1);
  CHECK(target({4, 0, 0, 0, 0, 0, 0, 0, 4, 2}, TargetKind::kArgmax).label == -1);
}

TEST_CASE("votes become a distribution over the head's labels and are scored by the majority") {
  const Target clear = target({6, 0, 0, 3, 0, 1, 0, 0, 0, 0}, TargetKind::kVotes);
  CHECK(clear.distribution[0] == Approx(6.0 / 9));
  CHECK(clear.distribution[3] == Approx(3.0 / 9));
  CHECK(clear.distribution[5] == 0);
  CHECK(clear.label == 0);

  const Target split = target({4, 0, 0, 3, 3, 0, 0, 0, 0, 0}, TargetKind::kVotes);
  CHECK(split.known());
  CHECK(split.label == -1);

  CHECK_FALSE(target({4, 0, 0, 0, 0, 0, 0, 0, 6, 0}, TargetKind::kVotes).known());
  CHECK_FALSE(target({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, TargetKind::kVotes).known());
}

TEST_CASE("votes of merged labels add up, those of dropped labels stay in the count") {
  // happy 3 + surprised 3 of 10.
  const Votes votes = {0, 3, 3, 4, 0, 0, 0, 0, 0, 0};
  const Target merged = target(votes, TargetKind::kMajority, "lively=happy+surprised,sad");
  CHECK(merged.label == 0);
  CHECK(target(votes, TargetKind::kMajority, "happy,sad").label == -1);
  CHECK(target(votes, TargetKind::kVotes, "happy,sad").distribution[1] == Approx(4.0 / 7));
  // Contempt leads: a head without contempt has no answer.
  CHECK_FALSE(target({3, 0, 0, 0, 0, 0, 0, 7, 0, 0}, TargetKind::kVotes, "six").known());
}

TEST_CASE("votes are joined row by row, and files that do not belong together are refused") {
  const test::TempFolder folder;
  const auto csv = folder / "faces.csv";
  write_text(csv, test::fer2013_text(test::some_rows()));
  std::string votes = kHeader;
  for (const test::FaceRow& row : test::some_rows())
    votes += row.usage + ",x.png,0,9,0,0,0,0,0,0,1,0\n";
  // Row 4 is angry for the annotators, row 5 no face.
  const auto replace_row = [&votes](int row, const std::string& text) {
    std::size_t at = 0;
    for (int i = 0; i < row; ++i) at = votes.find('\n', at) + 1;
    votes.replace(at, votes.find('\n', at) - at, text);
  };
  replace_row(4, "Training,x.png,0,0,0,0,10,0,0,0,0,0");
  replace_row(5, "Training,,0,0,0,0,0,0,0,0,0,10");
  auto options = options_for(csv, "ferplus", TargetKind::kMajority);

  CHECK_THAT(open_error(options), Catch::Contains("fer2013new.csv: no such file"));
  write_text(folder / "fer2013new.csv", votes);  // found beside the csv
  OpenedDataset opened = open_dataset(options);
  CHECK(opened.train->size() == 4);
  CHECK(opened.train->target(3, 0).label == 4);
  REQUIRE(opened.dropped.size() == 1);
  CHECK(opened.dropped[0].rows == 1);

  options.votes = (folder / "other.csv").string();
  write_text(options.votes, votes + "Training,x.png,0,9,0,0,0,0,0,0,1,0\n");
  CHECK_THAT(open_error(options), Catch::StartsWith("other.csv has 9 rows and faces.csv has 8"));
  replace_row(6, "Training,x.png,0,9,0,0,0,0,0,0,1,0");
  write_text(options.votes, votes);
  CHECK_THAT(open_error(options), Catch::StartsWith("other.csv row 6: Usage is Training"));
  replace_row(6, "PublicTest,x.png,0,9,0,-1,0,0,0,0,1,0");
  write_text(options.votes, votes);
  CHECK(open_error(options) == "other.csv row 6: sadness is '-1', expected a number of votes");
  replace_row(6, "PublicTest,x.png,0,9");
  write_text(options.votes, votes);
  CHECK(open_error(options) == "other.csv row 6: 4 fields, expected 12");
  replace_row(0, "Usage,Image name,neutral,happiness");
  write_text(options.votes, votes);
  CHECK(open_error(options).size() > 0);
}

TEST_CASE("two heads learn from labels and votes at once, and a row with one answer stays") {
  const test::TempFolder folder;
  write_text(folder / "faces.csv", test::fer2013_text(test::some_rows()));
  std::string votes = kHeader;
  for (const test::FaceRow& row : test::some_rows())
    votes += row.usage + ",x.png,6,2,2,0,0,0,0,0,0,0\n";
  votes.replace(votes.find("6,2,2"), 5, "0,6,4");
  write_text(folder / "fer2013new.csv", votes);
  auto options = options_for(folder / "faces.csv");
  options.heads = {{"", "six", TargetKind::kLabel}, {"", "ferplus", TargetKind::kVotes}};
  const OpenedDataset opened = open_dataset(options);

  REQUIRE(opened.train->heads().size() == 2);
  CHECK(opened.train->heads()[0].name == "six");
  CHECK(opened.train->heads()[1].name == "ferplus");
  REQUIRE(opened.train->size() == 5);  // row 5 is disgusted, which "six" drops, but has votes
  const Sample sample = opened.train->get(4);
  CHECK_FALSE(sample.targets[0].known());
  CHECK(sample.targets[0].label == -1);
  CHECK(sample.targets[1].known());
  CHECK(opened.train->target(0, 0).label == 0);
  CHECK(opened.train->target(0, 1).label == 1);

  options.heads[1].name = "six";
  CHECK_THAT(open_error(options), Catch::Contains("two heads are called 'six'"));
}
