#include <set>

#include "fer/core/png.h"
#include "fer/data/csv.h"
#include "support.h"

using namespace fer;
using fer::test::open_error;
using fer::test::options_for;
using fer::test::write_text;

namespace {

void write_face(const std::filesystem::path& path, std::uint8_t tone, int width = 48,
                int height = 48) {
  std::filesystem::create_directories(path.parent_path());
  write_png(path, Image(width, height, 1, tone));
}

std::vector<std::string> origins(const Dataset& dataset, const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    names.push_back(std::filesystem::relative(dataset.origin(i), folder).generic_string());
  }
  return names;
}

}  // namespace

TEST_CASE("a folder of class folders is read, sorted and split by class") {
  const test::TempFolder folder;
  for (int i = 0; i < 10; ++i) {
    write_face(folder / ("happy/" + std::to_string(i) + ".png"), 200);
    write_face(folder / ("sad/deeper/" + std::to_string(i) + ".png"), 50, 20, 30);
  }
  write_text(folder / "sad/notes.txt", "no image");
  write_text(folder / "sad/.hidden.png", "not looked at");
  for (const char* path : {"a.png", "b.png"}) write_face(folder / path, 100);
  const OpenedDataset opened = open_dataset(options_for(folder.path(), "auto"));
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{8, 8});
  CHECK(class_counts(*opened.val) == std::vector<std::int64_t>{2, 2});
  CHECK(opened.test->size() == 0);
  CHECK(opened.train->heads()[0].labels == LabelList{"happy", "sad"});
  for (std::int64_t i = 0; i < opened.train->size(); ++i) {
    const Image image = opened.train->image(i);
    CHECK(image == Image(48, 48, 1, opened.train->target(i, 0).label == 0 ? 200 : 50));
  }
  REQUIRE(opened.dropped.size() == 2);
  CHECK(opened.dropped[0].reason == "no image by its file name");
  CHECK(opened.dropped[1].reason == "image in no class folder");
  CHECK(opened.dropped[1].rows == 2);
}

TEST_CASE("a folder may hold its own splits under any of their names") {
  const test::TempFolder folder;
  write_face(folder / "Training/happy/a.png", 1);
  write_face(folder / "Training/sad/b.png", 2);
  write_face(folder / "valid/happy/c.png", 3);
  write_face(folder / "test/sad/d.png", 4);
  const OpenedDataset opened = open_dataset(options_for(folder.path(), "auto"));
  CHECK(origins(*opened.train, folder.path()) ==
        std::vector<std::string>{"Training/happy/a.png", "Training/sad/b.png"});
  CHECK(origins(*opened.val, folder.path()) == std::vector<std::string>{"valid/happy/c.png"});
  CHECK(origins(*opened.test, folder.path()) == std::vector<std::string>{"test/sad/d.png"});

  write_face(folder / "extra/sad/d.png", 4);
  CHECK_THAT(open_error(options_for(folder.path(), "auto")),
             Catch::EndsWith("extra: stands beside train, val or test but is none of them"));
}

TEST_CASE("validation is cut from training when a folder has none") {
  const test::TempFolder folder;
  for (int i = 0; i < 5; ++i) {
    write_face(folder / ("train/happy/" + std::to_string(i) + ".png"), 1);
    write_face(folder / ("train/sad/" + std::to_string(i) + ".png"), 2);
    write_face(folder / ("test/sad/" + std::to_string(i) + ".png"), 3);
  }
  const OpenedDataset opened = open_dataset(options_for(folder.path(), "auto"));
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{4, 4});
  CHECK(class_counts(*opened.val) == std::vector<std::int64_t>{1, 1});
  CHECK(opened.test->size() == 5);
}

TEST_CASE("folders that cannot be trained on are refused in one line") {
  const test::TempFolder folder;
  CHECK_THAT(open_error(options_for(folder / "nowhere")),
             Catch::EndsWith("nowhere: no such file or folder"));
  CHECK_THAT(open_error(options_for(folder.path())), Catch::Contains("no class folders in it"));
  std::filesystem::create_directories(folder / "happy");
  CHECK_THAT(open_error(options_for(folder.path())),
             Catch::EndsWith("happy: no images in this class folder"));
  write_face(folder / "happy/a.png", 1);
  write_face(folder / "happy/b.png", 1);
  CHECK_THAT(open_error(options_for(folder.path())),
             Catch::EndsWith("every image is 'happy'; at least two classes are needed"));
  write_face(folder / "sad/a.png", 1);
  CHECK_THAT(open_error(options_for(folder.path())), Catch::Contains("label 'sad' has one image"));
  CHECK_THAT(open_error(options_for(folder.path(), "happy,angry")),
             Catch::Contains("no class 'angry'"));
  CHECK_THAT(open_error(options_for(folder.path(), "six", TargetKind::kVotes)),
             Catch::Contains("need FER+ votes"));
  write_text(folder / "faces.txt", "x");
  CHECK_THAT(open_error(options_for(folder / "faces.txt")),
             Catch::Contains("expected a .csv, a folder or"));
}

TEST_CASE("broken files stop the reading, or are left out and counted") {
  const test::TempFolder folder;
  for (int i = 0; i < 4; ++i) {
    write_face(folder / ("happy/" + std::to_string(i) + ".png"), 1);
    write_face(folder / ("sad/" + std::to_string(i) + ".png"), 2);
  }
  write_text(folder / "sad/broken.png", "this is no png");
  auto options = options_for(folder.path(), "auto");
  CHECK_THAT(open_error(options), Catch::Contains("broken.png"));
  options.skip_broken = true;
  const OpenedDataset opened = open_dataset(options);
  CHECK(opened.train->size() + opened.val->size() == 8);
  REQUIRE(opened.dropped.size() == 1);
  CHECK(opened.dropped[0].reason == "broken file");
  CHECK(opened.dropped[0].rows == 1);
}

TEST_CASE("pictures other than PNG are given to the decoder, and are an error without one") {
  const test::TempFolder folder;
  for (const char* name : {"a", "b"}) {
    write_text(folder / (std::string("happy/") + name + ".jpg"), "h");
    write_text(folder / (std::string("sad/") + name + ".JPG"), "s");
  }
  auto options = options_for(folder.path(), "auto");
  CHECK_THAT(open_error(options), Catch::Contains("a.jpg: this build decodes PNG files only"));
  options.decoder = [](const std::filesystem::path& path) {
    const bool happy = read_text_file(path) == "h";
    Image image(40, 20, 3, 0);  // the middle square is kept
    for (int y = 0; y < 20; ++y) {
      for (int x = 10; x < 30; ++x) {
        for (int c = 0; c < 3; ++c) image.at(x, y, c) = happy ? 90 : 30;
      }
    }
    return image;
  };
  const OpenedDataset opened = open_dataset(options);
  CHECK(opened.train->image(0).width == 48);
  CHECK(opened.train->image(0).at(2, 24) == 90);  // nothing of the black sides
  options.image_size = 0;
  CHECK(open_dataset(options).train->image(0).width == 40);
}

TEST_CASE("a csv's quotes keep blanks, line breaks and commas, and a mark within a word is one") {
  std::string_view rest = "a, \"b, \"\"c\"\"\nd\" ,5\" disk ,\" e \"\r\n next \r\n";
  CHECK(take_csv_row(rest) == std::vector<std::string>{"a", "b, \"c\"\nd", "5\" disk", " e "});
  CHECK(take_csv_row(rest) == std::vector<std::string>{"next"});
  CHECK(rest.empty());
}

TEST_CASE("a manifest names pictures beside itself and keeps its further columns") {
  const test::TempFolder folder;
  write_face(folder / "photos/1.png", 10);
  write_face(folder / "photos/2.png", 20);
  write_face(folder / "photos/3, c.png", 30);
  const auto csv = folder / "faces.csv";
  write_text(
      csv,
      "label,camera,path,split\r\nhappy,front,photos/1.png,train\r\nsad,side,photos/2.png,train\r\n"
      "sad,side,\"photos/3, c.png\",test\r\n");
  auto options = options_for(csv, "auto");
  options.train_fraction = 1;
  const OpenedDataset opened = open_dataset(options);
  CHECK(opened.train->size() == 2);
  CHECK(opened.test->size() == 1);
  CHECK(opened.test->columns() == std::vector<std::string>{"camera"});
  CHECK(opened.test->value(0, 0) == "side");
  CHECK(opened.train->value(0, 0) == "front");
  CHECK(opened.test->image(0).at(0, 0) == 30);

  write_text(csv, "path,label\nphotos/1.png,happy\nphotos/9.png,sad\n");
  CHECK_THAT(open_error(options),
             Catch::StartsWith("faces.csv row 2: ") && Catch::Contains("9.png"));
  write_text(csv, "path,label\nphotos/1.png,\n");
  CHECK(open_error(options) == "faces.csv row 1: the label is empty");
  write_text(csv, "path,label,split\nphotos/1.png,happy,traim\n");
  CHECK(open_error(options) == "faces.csv row 1: split is 'traim', expected train, val or test");
  write_text(csv, "path,label\nphotos/1.png,happy\nphotos/2");
  CHECK(open_error(options) ==
        "faces.csv row 2: 1 fields, expected 2 (the file is cut inside this row)");
  write_text(csv, "path,label\n");
  CHECK(open_error(options) == "faces.csv: no rows after the header");
}

TEST_CASE("classes that are numbers get their meaning before any label map") {
  const test::TempFolder folder;
  for (const char* name : {"1", "2", "3", "other"}) {
    for (int i = 0; i < 5; ++i) {
      write_face(folder / (std::string(name) + "/" + std::to_string(i) + ".png"), 100);
    }
  }
  DatasetOptions options = options_for(folder.path(), "six");
  options.classes = "surprised=1,fearful=2+3";
  const OpenedDataset opened = open_dataset(options);
  CHECK(class_counts(*opened.train) == std::vector<std::int64_t>{0, 8, 0, 0, 0, 4});
  REQUIRE(opened.dropped.size() == 1);
  CHECK(opened.dropped[0].reason == "label other is not among the preset six");
  options.heads[0].labels = "auto";  // what the map does not name stays
  CHECK(open_dataset(options).train->heads()[0].labels ==
        LabelList{"surprised", "fearful", "other"});
  options.classes = "surprised=7";
  CHECK_THAT(open_error(options),
             Catch::Contains("classes 'surprised=7': the data has no class '7'"));
  options.classes = "other=3";  // one alone
  CHECK(open_dataset(options).train->heads()[0].labels.size() == 3);
}

TEST_CASE("a list may name classes that the data lacks when it is said so") {
  const test::TempFolder folder;
  for (const char* name : {"angry", "sad"}) {
    for (int i = 0; i < 5; ++i) {
      write_face(folder / (std::string(name) + "/" + std::to_string(i) + ".png"), 100);
    }
  }
  DatasetOptions options = options_for(folder.path(), "angry,happy,sad");
  CHECK_THAT(open_error(options), Catch::Contains("no class 'happy'"));
  options.heads[0].partial = true;
  CHECK(class_counts(*open_dataset(options).train) == std::vector<std::int64_t>{4, 0, 4});

  // A further data set may bring photos of one class alone, even a single one.
  const test::TempFolder one;
  write_face(one / "happy/1.png", 100);
  options.path = one.path().string();
  CHECK(class_counts(*open_dataset(options).train) == std::vector<std::int64_t>{0, 1, 0});
}

TEST_CASE("the same images validate whatever labels are made of a folder's classes") {
  const test::TempFolder folder;
  for (const char* name : {"angry", "happy", "sad", "surprised"}) {
    for (int i = 0; i < 12; ++i) {
      write_face(folder / (std::string(name) + "/" + std::to_string(i) + ".png"),
                 static_cast<std::uint8_t>(i));
    }
  }
  std::set<std::string> images;
  const auto validation = [&](const std::string& labels) {
    DatasetOptions options = options_for(folder.path(), labels);
    options.seed = 5;
    const OpenedDataset data = open_dataset(options);
    REQUIRE(data.drawn_splits.size() == 1);
    CHECK(data.drawn_splits[0].train_fraction == 0.8);
    CHECK(data.drawn_splits[0].seed == 5);
    images.insert(data.drawn_splits[0].images);
    return origins(*data.val, folder.path());
  };
  const auto all = validation("auto");
  CHECK(all.size() == 8);
  CHECK(validation("surprised,sad,happy,angry") == all);
  CHECK(validation("other=surprised+sad,glad=happy+angry") == all);
  std::vector<std::string> two;
  for (const std::string& origin : all) {
    if (origin.find("happy") != std::string::npos || origin.find("sad") != std::string::npos)
      two.push_back(origin);
  }
  CHECK(validation("sad,happy") == two);
  CHECK(images.size() == 1);
}

TEST_CASE("a label made of classes that are too small to be split is refused") {
  const test::TempFolder folder;
  for (const char* path : {"a1/1.png", "a2/1.png", "b/1.png", "b/2.png", "c/1.png", "c/2.png"})
    write_face(folder / path, 100);
  CHECK_THAT(open_error(options_for(folder.path(), "x=a1+a2,b,c")),
             Catch::Contains("label 'x' has one image of each of its classes"));
  CHECK(open_dataset(options_for(folder.path(), "b,c")).val->size() == 2);
}

TEST_CASE("links to folders of images are followed once, and a dead link is a broken file") {
  const test::TempFolder folder;
  for (const char* path : {"data/a/1.png", "data/a/2.png", "data/b/1.png", "data/b/2.png",
                           "elsewhere/3.png", "elsewhere/4.png"})
    write_face(folder / path, 100);
  std::filesystem::create_directory_symlink(folder / "elsewhere", folder / "data/a/more");
  std::filesystem::create_directory_symlink(folder / "data/a", folder / "data/a/again");
  std::filesystem::create_directory_symlink(folder / "data", folder / "data/a/all");
  DatasetOptions options = options_for(folder / "data", "auto");
  options.train_fraction = 1;
  CHECK(class_counts(*open_dataset(options).train) == std::vector<std::int64_t>{4, 2});
  std::filesystem::create_symlink(folder / "gone.png", folder / "data/b/gone.png");
  CHECK_THAT(open_error(options), Catch::Contains("data/b/gone.png"));
}

TEST_CASE("a drawn split names the images that it is of") {
  const test::TempFolder folder;
  for (const char* path : {"a/1.png", "a/2.png", "b/1.png", "b/2.png"})
    write_face(folder / path, 100);
  const auto images = [&] {
    return open_dataset(options_for(folder.path(), "auto")).drawn_splits.at(0).images;
  };
  const std::string before = images();
  CHECK(images() == before);
  write_face(folder / "a/3.png", 100);
  CHECK(images() != before);
}

TEST_CASE("a class folder whose name is no UTF-8 is named") {
  const test::TempFolder folder;
  for (const char* path : {"a/1.png", "a/2.png", "f\xE9lix/1.png", "f\xE9lix/2.png"})
    write_face(folder / path, 100);
  CHECK_THAT(open_error(options_for(folder.path(), "auto")),
             Catch::Contains("f\xE9lix' is no UTF-8"));
}

TEST_CASE("hidden folders inside a class folder are not looked at") {
  const test::TempFolder folder;
  for (const char* path : {"a/1.png", "a/2.png", "b/1.png", "b/sub/2.png", "b/.thumbnails/1.png",
                           "a/.ipynb_checkpoints/deep/1.png"}) {
    write_face(folder / path, 100);
  }
  const OpenedDataset data = open_dataset(options_for(folder.path(), "auto"));
  CHECK(data.train->size() + data.val->size() == 4);
}

TEST_CASE("per_class keeps a seeded choice of each class's training images and all of the others") {
  const test::TempFolder folder;
  for (int i = 0; i < 20; ++i) {
    write_face(folder / ("a/" + std::to_string(i) + ".png"), static_cast<std::uint8_t>(i));
    if (i < 5) write_face(folder / ("b/" + std::to_string(i) + ".png"), 200);
  }
  DatasetOptions options = options_for(folder.path(), "auto");
  const OpenedDataset all = open_dataset(options);
  options.per_class = 6;
  const OpenedDataset some = open_dataset(options);
  CHECK(class_counts(*some.train) == std::vector<std::int64_t>{6, 4});
  CHECK(origins(*some.val, folder.path()) == origins(*all.val, folder.path()));
  CHECK(fingerprint(*open_dataset(options).train) == some.fingerprint);
  options.seed = 1;
  CHECK(open_dataset(options).fingerprint != some.fingerprint);
  options.per_class = -1;
  CHECK_THAT(open_error(options), Catch::Contains("per_class is -1"));
}

TEST_CASE("a class without a training image can be opened but not trained on") {
  const test::TempFolder folder;
  for (const char* path :
       {"train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png", "val/c/1.png"}) {
    write_face(folder / path, 100);
  }
  const OpenedDataset data = open_dataset(options_for(folder.path(), "auto"));
  CHECK(data.val->size() == 3);
  CHECK_THROWS_WITH(check_every_class_trains(data),
                    Catch::Contains("label 'c' has no training image, but 1 elsewhere"));
}
