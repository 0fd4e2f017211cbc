#include "fer/core/file.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <fstream>

#include "fer/core/error.h"
#include "support/skip.h"
#include "support/temp_folder.h"

using namespace fer;
namespace fs = std::filesystem;

namespace {

Fault fault_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.fault();
  }
  throw std::logic_error("nothing was thrown");
}

int files_in(const fs::path& folder) {
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) ++files;
  return files;
}

}  // namespace

TEST_CASE("what is written atomically reads back, in one part or several") {
  const test::TempFolder folder;
  const fs::path path = folder / "a file";
  write_file_atomically(path, "hello\n");
  CHECK(read_text_file(path) == "hello\n");
  const std::vector<std::uint8_t> a = {0, 1, 2}, b(100'000, 7);
  const std::array<std::span<const std::uint8_t>, 3> parts = {a, std::span<const std::uint8_t>(),
                                                              b};
  write_file_atomically(path, parts);
  std::vector<std::uint8_t> both(3 + 100'000, 7);
  std::copy(a.begin(), a.end(), both.begin());
  CHECK(read_binary_file(path) == both);
  write_file_atomically(path, "");
  CHECK(read_text_file(path).empty());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a file that cannot be read is the caller's fault, and the message says which and why") {
  const test::TempFolder folder;
  CHECK(fault_of([&] { read_text_file(folder / "none"); }) == Fault::kInput);
  CHECK_THROWS_WITH(read_text_file(folder / "none"),
                    "cannot read " + (folder / "none").string() + ": No such file or directory");
  CHECK_THROWS_WITH(read_binary_file(folder.path()), Catch::Contains("Is a directory"));
  CHECK(read_text_file("/proc/self/stat").size() > 10);  // says that its size is 0
}

TEST_CASE("a place that cannot be written throws kRuntime, and the message says which and why") {
  const test::TempFolder folder;
  write_file_atomically(folder / "file", "x");
  const fs::path inside = folder / "file/inside";  // a file is no folder, not even for root
  CHECK(fault_of([&] { write_file_atomically(inside, "y"); }) == Fault::kRuntime);
  CHECK_THROWS_WITH(write_file_atomically(inside, "y"),
                    "cannot write " + inside.string() + ": Not a directory");
  CHECK(fault_of([&] { make_directories(inside); }) == Fault::kRuntime);
  CHECK_THROWS_WITH(make_directories(inside), Catch::Contains(inside.string()));
  CHECK_THROWS_WITH(make_directories(folder / "file"), Catch::Contains("Not a directory"));
  CHECK_THROWS_WITH(write_file_atomically(folder.path(), "y"), Catch::Contains("Is a directory"));
  CHECK_THROWS_WITH(write_file_atomically(folder / "none/x", "y"), Catch::Contains("No such file"));
  CHECK(read_text_file(folder / "file") == "x");
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c");
  CHECK(fs::is_directory(folder / "a/b/c"));
}

TEST_CASE("a device is written to, not replaced, and a link keeps pointing") {
  CHECK_THROWS_WITH(write_file_atomically("/dev/full", "y"),
                    "cannot write /dev/full: No space left on device");
  write_file_atomically("/dev/null", "y");
  CHECK(fs::is_character_file("/dev/null"));
  const test::TempFolder folder;
  write_file_atomically(folder / "target", "old");
  fs::create_symlink("target", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_text_file(folder / "target") == "new");
}

TEST_CASE("what a killed process of the same number left does not stand in the way") {
  const test::TempFolder folder;
  const std::string left = (folder / "b").string() + "." + std::to_string(::getpid()) + "-";
  for (int i = 0; i < 2000; ++i) std::ofstream(left + std::to_string(i) + ".tmp") << "left";
  write_file_atomically(folder / "b", "whole");
  CHECK(read_text_file(folder / "b") == "whole");
  CHECK(read_text_file(left + "1999.tmp") == "left");
}

TEST_CASE("a new file has the permissions of the umask, not those of a private temporary") {
  const test::TempFolder folder;
  const mode_t old = ::umask(022);
  write_file_atomically(folder / "a", "x");
  ::umask(old);
  CHECK((fs::status(folder / "a").permissions() & fs::perms::all) == static_cast<fs::perms>(0644));
}

TEST_CASE("a full disk and a read-only one leave the old file and nothing else") {
  const test::TempFolder folder;
  if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    test::skip("mounting a small file system needs root");
    return;
  }
  const fs::path path = folder / "weights";
  write_file_atomically(path, "good");
  const std::vector<std::uint8_t> large(1 << 20, 1);
  std::string full, read_only;
  try {
    write_file_atomically(path, large);
  } catch (const Error& error) {
    full = error.what();
  }
  const std::string kept = read_text_file(path);
  const int files = files_in(folder.path());
  const int remounted =
      ::mount("tmpfs", folder.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "");
  try {
    write_file_atomically(path, "new");
  } catch (const Error& error) {
    read_only = error.what();
  }
  const std::string kept_again = read_text_file(path);
  ::umount(folder.path().c_str());
  CHECK(full == "cannot write " + path.string() + ": No space left on device");
  CHECK(kept == "good");
  CHECK(files == 1);
  REQUIRE(remounted == 0);
  CHECK(read_only == "cannot write " + path.string() + ": Read-only file system");
  CHECK(kept_again == "good");
}

TEST_CASE("a long name is cut between two characters, also one that is no UTF-8") {
  CHECK(short_stem("a/photo.jpg") == "photo");
  const std::string plain(200, 'x');
  CHECK(short_stem(plain + "y.jpg") == plain);
  CHECK(short_stem(plain.substr(1) + "\xC3\xA9\xC3\xA9.jpg") == plain.substr(1));
  CHECK(short_stem(std::string(240, '\x80')).size() >= 196);
}
