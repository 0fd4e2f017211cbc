#include "support.h"

using namespace fer;

namespace {

const LabelList kFound = {"anger",   "Disgust",  "fear",   "happiness",
                          "sadness", "surprise", "neutral"};

std::string map_error(const std::string& labels, const LabelList& found = kFound) {
  try {
    make_label_map(labels, found);
  } catch (const Error& error) {
    CHECK(error.fault() == Fault::kInput);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a preset takes the data's classes by any spelling and drops the others") {
  const LabelMap map = make_label_map("six", kFound);
  CHECK(map.labels == LabelList{"angry", "fearful", "happy", "neutral", "sad", "surprised"});
  CHECK(map.index_of.at("fearful") == 1);
  CHECK(map.index_of.count("disgusted") == 0);
}

TEST_CASE("labels can be kept, merged, renamed and put in any order") {
  const LabelMap map =
      make_label_map(" sad , negative = anger+fear+disgusted, joy=happy, ok=neutral", kFound);
  CHECK(map.labels == LabelList{"sad", "negative", "happy", "ok"});
  CHECK(map.index_of == std::map<std::string, int>{{"sad", 0},
                                                   {"angry", 1},
                                                   {"fearful", 1},
                                                   {"disgusted", 1},
                                                   {"happy", 2},
                                                   {"neutral", 3}});
}

TEST_CASE("auto takes the classes as they are found, spellings of one expression as one") {
  const LabelMap map = make_label_map("auto", {"awake", "fear", "drowsy", "Fearful"});
  CHECK(map.labels == LabelList{"awake", "fearful", "drowsy"});
  CHECK(map.index_of.at("drowsy") == 2);
}

TEST_CASE("two words for one expression are classes of their own where the data has both") {
  CHECK(class_names({"calm", "angry", "mad", "Anger", "joy"}) ==
        LabelList{"neutral", "angry", "mad", "angry", "happy"});
  const LabelMap all = make_label_map("auto", {"calm", "neutral", "tired", "smile", "joy"});
  CHECK(all.labels == LabelList{"calm", "neutral", "tired", "smile", "joy"});
  const LabelMap some = make_label_map("calm,rest=neutral+tired", {"calm", "neutral", "tired"});
  CHECK(some.labels == LabelList{"calm", "rest"});
  CHECK(some.index_of == std::map<std::string, int>{{"calm", 0}, {"neutral", 1}, {"tired", 1}});
  CHECK(make_class_map("serene=calm", {"calm", "neutral"}).index_of.size() == 1);
  // Without the word itself all that stand for it are meant.
  const LabelMap joyful = make_label_map("happy,sad", {"joy", "smile", "sad"});
  CHECK(joyful.index_of == std::map<std::string, int>{{"joy", 0}, {"smile", 0}, {"sad", 1}});
  CHECK(class_names({"Joy", "joy", "sad"}) == LabelList{"happy", "happy", "sad"});
  // A preset has one of them.
  const LabelMap six = make_label_map("six", {"calm", "neutral", "sad"});
  CHECK(six.index_of.at("calm") == six.index_of.at("neutral"));
}

TEST_CASE("labels that are known may have commas and equals signs in their names") {
  const LabelList found = {"a=b", "x,y", "fear"};
  const LabelMap map = named_label_map({"a=b", "x,y", "fearful"}, found);
  CHECK(map.labels == LabelList{"a=b", "x,y", "fearful"});
  CHECK(map.index_of.at("x,y") == 1);
  CHECK_THROWS_WITH(named_label_map({"a=b", "z"}, found),
                    Catch::Contains("the data has no class 'z'"));
  CHECK(named_label_map({"a=b", "z"}, found, true).index_of.at("a=b") == 0);
}

TEST_CASE("a model's labels find the words of other data, and those of the data that trained it") {
  const LabelList six = *label_preset("six");
  const LabelList trained = {"joy", "smile", "calm", "neutral", "sad", "fear", "anger", "surprise"};
  CHECK(named_label_map(six, trained).index_of == [&] {
    // As the preset took them together.
    std::map<std::string, int> map;
    const LabelList names = class_names(trained);
    for (const auto& [name, label] : make_label_map("six", trained).index_of) {
      if (std::ranges::count(names, name) > 0) map[name] = label;
    }
    return map;
  }());
  const LabelList both = {"calm", "neutral"};
  CHECK(named_label_map(both, {"calm"}, true).index_of ==
        std::map<std::string, int>{{"neutral", 0}});  // the class's name; its label is calm
  CHECK(named_label_map(both, {"neutral", "calm"}).index_of ==
        std::map<std::string, int>{{"neutral", 1}, {"calm", 0}});
}

TEST_CASE("a class whose name has a plus in it is that class where the data has it") {
  const LabelMap map = make_label_map("x+y,rest=x+sad", {"x+y", "x", "sad"});
  CHECK(map.labels == LabelList{"x+y", "rest"});
  CHECK(map.index_of == std::map<std::string, int>{{"x+y", 0}, {"x", 1}, {"sad", 1}});
}

TEST_CASE("mistakes in a label map are named with the nearest name") {
  CHECK(map_error("hapy,sad") ==
        "labels 'hapy,sad': the data has no class 'hapy' (it has angry, disgusted, fearful, happy, "
        "sad, "
        "surprised, neutral), did you mean 'happy'?");
  CHECK_THAT(map_error("fer2012"), Catch::EndsWith("did you mean 'fer2013'?"));
  CHECK_THAT(map_error("happy,joy"), Catch::EndsWith("'happy' stands twice"));
  CHECK_THAT(map_error("a=happy+sad,b=sad"), Catch::EndsWith("class 'sad' is used twice"));
  CHECK_THAT(map_error("happy,,sad"), Catch::EndsWith("a name is empty"));
  CHECK_THAT(map_error("happy,low=sad+"), Catch::EndsWith("a name is empty"));
  CHECK_THAT(map_error("happy"), Catch::EndsWith("at least two labels are needed"));
  CHECK_THAT(map_error("six", {"awake", "drowsy"}),
             Catch::Contains("awake, drowsy") && Catch::Contains("'auto'"));
}

TEST_CASE("names of target kinds and splits are read back") {
  for (const auto kind :
       {TargetKind::kLabel, TargetKind::kVotes, TargetKind::kMajority, TargetKind::kArgmax}) {
    CHECK(target_kind_from_string(to_string(kind)) == kind);
  }
  for (const auto split : {Split::kTrain, Split::kVal, Split::kTest}) {
    CHECK(split_from_string(to_string(split)) == split);
  }
  CHECK(split_from_string("PublicTest") == Split::kVal);
  CHECK(split_from_string("PrivateTest") == Split::kTest);
  CHECK_THROWS_WITH(split_from_string("trian"), Catch::Contains("did you mean 'train'?"));
  CHECK_THROWS_WITH(target_kind_from_string("vote"), Catch::Contains("did you mean 'votes'?"));
}
