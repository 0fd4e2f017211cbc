#include "fer/batch/input_list.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <istream>
#include <memory>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/data/image_files.h"
#include "fer/vision/frame_source.h"

namespace fer {

namespace fs = std::filesystem;

bool has_video_extension(const fs::path& path) {
  static constexpr std::array kExtensions = {".mp4", ".m4v",  ".mov",  ".mkv", ".webm",
                                             ".avi", ".mpg",  ".mpeg", ".ogv", ".flv",
                                             ".3gp", ".m2ts", ".mts",  ".wmv"};
  const std::string extension = to_lower(path.extension().string());
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

bool has_photo_extension(const fs::path& path) {
  const std::string extension = to_lower(path.extension().string());
  return has_image_extension(path) || extension == ".heic" || extension == ".heif" ||
         extension == ".avif";
}

namespace {

std::function<std::optional<std::string>()> each(std::vector<std::string> values) {
  return [values = std::move(values), at = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (at >= values.size()) return std::nullopt;
    return values[at++];
  };
}

std::optional<std::string> next_line(std::istream& stream) {
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    if (!line.empty()) return line;
  }
  return std::nullopt;
}

std::vector<std::string> matches(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t result{};
  if (::glob(pattern.c_str(), GLOB_TILDE | GLOB_BRACE, nullptr, &result) == 0) {
    found.assign(result.gl_pathv, result.gl_pathv + result.gl_pathc);
    std::sort(found.begin(), found.end(), natural_less);
  }
  ::globfree(&result);
  return found;
}

}  // namespace

InputList::InputList(std::vector<std::string> arguments, bool recursive, std::istream& input)
    : arguments_(std::move(arguments)), recursive_(recursive), input_(&input) {
  open_.push_back({each(arguments_), {}});
}

InputList InputList::as_they_are(std::vector<Input> inputs) {
  InputList list;
  list.as_they_are_ = std::move(inputs);
  return list;
}

InputList::Source InputList::folder(const fs::path& path) const {
  const auto paths = folder_entries(path, [this](const fs::directory_entry& entry) {
    std::error_code broken;
    // A link to a folder may lead back up.
    if (entry.is_directory(broken)) return recursive_ && !entry.is_symlink(broken);
    return has_photo_extension(entry.path()) || has_video_extension(entry.path());
  });
  std::vector<std::string> names(paths.size());
  std::transform(paths.begin(), paths.end(), names.begin(),
                 [](const fs::path& p) { return p.string(); });
  return {each(std::move(names)), {}};
}

InputList::Source InputList::open(const std::string& argument) const {
  std::error_code none;
  if (argument == "-") return {[input = input_] { return next_line(*input); }, {}};
  if (fs::is_directory(argument, none)) return folder(argument);
  if (fs::exists(argument, none)) {
    if (to_lower(fs::path(argument).extension().string()) != ".txt") return {};
    auto list = std::make_shared<std::ifstream>(argument);
    const fs::path place = fs::canonical(argument, none);
    if (!*list || none) fail_input("the list cannot be read");
    if (std::ranges::find(open_, place, &Source::list) != open_.end())
      fail_input("the list names itself");
    const auto next = [list,
                       folder = fs::path(argument).parent_path()]() -> std::optional<std::string> {
      const auto line = next_line(*list);
      std::error_code missing;
      if (!line || fs::exists(*line, missing) || !fs::exists(folder / *line, missing)) return line;
      return (folder / *line).string();
    };
    return {next, place};
  }
  if (argument.find_first_of("*?[{") == std::string::npos || is_address(argument)) return {};
  auto found = matches(argument);
  if (found.empty()) return {};
  return {each(std::move(found)), {}};
}

std::optional<Input> InputList::next() {
  if (given_ < as_they_are_.size()) return as_they_are_[given_++];
  while (!open_.empty()) {
    const auto path = open_.back().next();
    if (!path) {
      open_.pop_back();
      continue;
    }
    std::error_code none;
    if (open_.size() > 1 && is_address(*path) && !fs::exists(*path, none))
      return Input{*path, "an address is taken as an argument alone, not from a list"};
    try {
      Source source = open(*path);
      if (!source.next) return Input{*path, ""};
      open_.push_back(std::move(source));
    } catch (const Error& error) {
      return Input{*path, error.what()};
    }
  }
  return std::nullopt;
}

std::int64_t InputList::count() const {
  if (std::find(arguments_.begin(), arguments_.end(), "-") != arguments_.end()) return -1;
  if (!input_) return static_cast<std::int64_t>(as_they_are_.size());
  InputList copy(arguments_, recursive_, *input_);
  std::int64_t n = 0;
  while (copy.next()) ++n;
  return n;
}

}  // namespace fer
