// Files that are either whole or absent: what a run leaves behind survives kill -9 and a full disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fer {

std::string read_text_file(
    const std::filesystem::path& path);  // throws kInput naming the path and errno
std::vector<std::uint8_t> read_binary_file(const std::filesystem::path& path);

// Writes to a temporary name beside the target, flushes to disk, renames. On any failure (full
// disk, read-only folder) the temporary file is removed, the old file stays, and kRuntime is thrown
// naming the path and the reason.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
// The same for several parts, written one after the other, without joining them in memory first.
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::uint8_t>> parts);

// The name without folder and extension, cut to 200 bytes between two UTF-8 characters, so that a
// number, an extension and the suffix of a temporary file still fit into the 255 of a file system.
std::string short_stem(const std::filesystem::path& path);

// mkdir -p; throws kRuntime naming the folder and the reason.
void make_directories(const std::filesystem::path& path);

// Throws kInput when `name` is no folder name.
void check_run_name(const std::string& name);

// The folder of a run: project/name, or project/name2, name3, ... where that is taken; with
// exist_ok project/name itself, whatever is there. Throws kInput when `name` is no folder name.
std::filesystem::path make_run_folder(const std::filesystem::path& project, const std::string& name,
                                      bool exist_ok);

// A new folder below TMPDIR (default /tmp), removed with all it holds; throws kRuntime.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace fer
