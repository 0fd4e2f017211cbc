// What a program was asked to work on, one path at a time: files, folders, globs, lists, standard
// input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace fer {

struct Input {
  std::string path;
  std::string error;  // why a folder or list cannot be read; empty for anything else
};

bool has_video_extension(const std::filesystem::path& path);
// Of an image, or of a photo that cannot be read, so that this is said of it.
bool has_photo_extension(const std::filesystem::path& path);

// An argument is, in this order of trial, "-" (a path a line on standard input), a folder (its
// image and video files by extension, in natural order, photos that cannot be read among them), a
// list (a .txt file with a path a line; one that leads nowhere from here is taken from the list's
// folder), a file or an address, or a glob pattern. An address comes from an argument alone: what a
// list names opens no connection. Folders and lists are read when their turn
// comes, so that a million files cost no memory. A list that names itself, also by way of others,
// is an error in that place.
class InputList {
 public:
  // input: what "-" reads.
  InputList(std::vector<std::string> arguments, bool recursive, std::istream& input);

  // These, which are neither folders nor lists nor patterns, whatever they look like.
  static InputList as_they_are(std::vector<Input> inputs);

  // The next path; nothing at the end. One that leads nowhere comes back as it is: opening it gives
  // the error, in its place.
  std::optional<Input> next();

  // How many next() gives in all, by going through all of it; -1 with standard input among them.
  std::int64_t count() const;

 private:
  InputList() = default;
  struct Source {
    std::function<std::optional<std::string>()> next;
    std::filesystem::path list;  // the canonical path of a list, else empty
  };
  // A source behind the argument, or one without next when it is a path itself.
  Source open(const std::string& argument) const;
  Source folder(const std::filesystem::path& path) const;

  std::vector<std::string> arguments_;
  bool recursive_ = false;
  std::istream* input_ = nullptr;
  std::vector<Input> as_they_are_;
  std::size_t given_ = 0;  // of these
  std::vector<Source> open_;  // the innermost last
};

}  // namespace fer
