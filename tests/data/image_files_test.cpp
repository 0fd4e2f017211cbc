#include "fer/data/image_files.h"

#include <catch2/catch.hpp>

#include "support/program.h"
#include "support/temp_folder.h"

using namespace fer;
using Catch::Contains;

TEST_CASE("numbers in names are ordered by value") {
  CHECK(natural_less("img2", "img10"));
  CHECK_FALSE(natural_less("img10", "img2"));
  CHECK(natural_less("a", "b"));
  CHECK(natural_less("a1b2", "a1b10"));
  CHECK(natural_less("a01", "a1"));
  CHECK_FALSE(natural_less("a1", "a01"));
  CHECK_FALSE(natural_less("x", "x"));
  CHECK(natural_less("99999999999999999998", "99999999999999999999"));
}

TEST_CASE("the image files of a folder are told by their extension and come in natural order") {
  const test::TempFolder folder;
  for (const char* name : {"img10.png", "img2.JPG", "img1.webp", "notes.md", "clip.mp4"})
    test::write_text(folder / name, "");
  std::vector<std::string> names;
  for (const auto& path : image_files(folder.path())) names.push_back(path.filename().string());
  CHECK(names == std::vector<std::string>{"img1.webp", "img2.JPG", "img10.png"});
  CHECK_THROWS_WITH(image_files(folder / "nowhere"),
                    Contains("nowhere: the folder cannot be read"));
}
