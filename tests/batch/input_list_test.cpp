#include "fer/batch/input_list.h"

#include <sstream>

#include "fer/core/file.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

void touch(const std::filesystem::path& path) {
  make_directories(path.parent_path());
  write_file_atomically(path, std::string_view("x"));
}

struct Listed {
  std::vector<std::string> paths;
  std::vector<std::string> errors;
};

Listed list(std::vector<std::string> arguments, bool recursive = false,
            const std::string& standard_input = "") {
  std::istringstream input(standard_input);
  InputList inputs(std::move(arguments), recursive, input);
  const std::int64_t count = inputs.count();
  Listed listed;
  while (const auto next = inputs.next()) {
    listed.paths.push_back(next->path);
    if (!next->error.empty()) listed.errors.push_back(next->error);
  }
  if (count >= 0) CHECK(count == static_cast<std::int64_t>(listed.paths.size()));
  return listed;
}

}  // namespace

TEST_CASE("a folder gives its images and videos in natural order, subfolders only when asked") {
  const TempFolder folder;
  for (const char* name : {"img10.png", "img2.JPG", "img1.webp", "notes.md", "clip.mp4",
                           "sub/deep.png", "sub/.hidden", "sub/IMG_1.HEIC"}) {
    touch(folder / name);
  }
  const std::string root = folder.path().string();
  CHECK(list({root}).paths == std::vector<std::string>{root + "/clip.mp4", root + "/img1.webp",
                                                       root + "/img2.JPG", root + "/img10.png"});
  CHECK(list({root}, true).paths.back() == root + "/sub/deep.png");
  CHECK(list({root}, true).paths.size() == 6);  // also the photo that cannot be read
  std::filesystem::create_directory_symlink(folder.path(), folder / "sub/loop");
  CHECK(list({root}, true).paths.size() == 6);
}

TEST_CASE("a glob, a list, standard input and plain paths keep the order of the command line") {
  const TempFolder folder;
  for (const char* name : {"a1.png", "a2.png", "b.png"}) touch(folder / name);
  const std::string root = folder.path().string();
  write_file_atomically(folder / "list.txt", std::string_view("\xEF\xBB\xBF"
                                                              "b.png\n\n/nowhere/c.png\r\n"));
  const Listed listed =
      list({root + "/b.png", root + "/a*.png", root + "/list.txt", "-", "missing.png"}, false,
           "x.png\ny z.png\n");
  CHECK(listed.paths == std::vector<std::string>{
                            root + "/b.png", root + "/a1.png", root + "/a2.png", root + "/b.png",
                            "/nowhere/c.png", "x.png", "y z.png", "missing.png"});
}

TEST_CASE("a list that names itself, also by way of another or a link, is an error in its place") {
  const TempFolder folder;
  touch(folder / "a.png");
  const std::string root = folder.path().string();
  write_file_atomically(folder / "self.txt", std::string_view("a.png\nself.txt\na.png\n"));
  const Listed self = list({root + "/self.txt"});
  CHECK(self.paths == std::vector{root + "/a.png", root + "/self.txt", root + "/a.png"});
  CHECK(self.errors == std::vector<std::string>{"the list names itself"});

  write_file_atomically(folder / "one.txt", std::string_view("two.txt\na.png"));
  write_file_atomically(folder / "two.txt", std::string_view("link.txt"));
  std::filesystem::create_symlink("one.txt", folder / "link.txt");
  const Listed two = list({root + "/one.txt"});
  CHECK(two.paths == std::vector{root + "/link.txt", root + "/a.png"});
  CHECK(two.errors.size() == 1);

  write_file_atomically(folder / "plain.txt", std::string_view("a.png"));
  const Listed twice = list({root + "/plain.txt", root + "/plain.txt"});
  CHECK(twice.paths == std::vector{root + "/a.png", root + "/a.png"});
  CHECK(twice.errors.empty());
}

TEST_CASE("a file whose name looks like a glob is itself, and a glob without a match comes back") {
  const TempFolder folder;
  touch(folder / "photo[1].png");
  const std::string name = (folder / "photo[1].png").string();
  CHECK(list({name}).paths == std::vector{name});
  CHECK(list({"/nowhere/*.png"}).paths == std::vector<std::string>{"/nowhere/*.png"});
  CHECK(list({"rtsp://host/a?b=1"}).paths == std::vector<std::string>{"rtsp://host/a?b=1"});
}

TEST_CASE("an address is an argument, and no line of a list or of standard input") {
  const TempFolder folder;
  touch(folder / "a.png");
  const std::string root = folder.path().string();
  write_file_atomically(folder / "list.txt", std::string_view("http://127.0.0.1:1/x\na.png"));
  const Listed listed = list({root + "/list.txt", "rtsp://host/a", "-"}, false, "http://host/b\n");
  CHECK(listed.paths == std::vector<std::string>{"http://127.0.0.1:1/x", root + "/a.png",
                                                 "rtsp://host/a", "http://host/b"});
  const std::string refused = "an address is taken as an argument alone, not from a list";
  CHECK(listed.errors == std::vector{refused, refused});
}
