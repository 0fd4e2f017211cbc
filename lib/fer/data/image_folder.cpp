#include "fer/data/image_folder.h"

#include <algorithm>
#include <set>

#include "fer/core/error.h"
#include "fer/data/image_files.h"

namespace fer {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !is_hidden(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

// What a folder leaves out.
struct LeftOut {
  std::int64_t others = 0;  // no pictures by their names
  std::int64_t beside = 0;  // pictures that lie in no class folder
};

std::int64_t pictures_right_in(const fs::path& folder) {
  std::int64_t count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    count +=
        entry.is_regular_file() && !is_hidden(entry.path()) && has_image_extension(entry.path());
  }
  return count;
}

// Adds the pictures of <parent>/<class>/*.
void list_classes(const fs::path& parent, std::vector<ImageFile>& files, LeftOut& left_out) {
  left_out.beside += pictures_right_in(parent);
  const std::vector<fs::path> classes = folders_in(parent);
  if (classes.empty()) {
    fail_input(parent.string() +
               ": no class folders in it (expected <class>/* or <split>/<class>/*)");
  }
  for (const fs::path& folder : classes) {
    std::vector<fs::path> paths;
    const fs::path root = fs::canonical(folder);
    std::set<fs::path> seen;  // a link may lead back
    constexpr auto kLinks = fs::directory_options::follow_directory_symlink;
    for (auto it = fs::recursive_directory_iterator(folder, kLinks); it != fs::end(it); ++it) {
      const fs::directory_entry& entry = *it;
      std::error_code broken;
      const bool directory = entry.is_directory(broken);
      if (is_hidden(entry.path())) {
        if (directory) it.disable_recursion_pending();  // editors' copies, thumbnails
        continue;
      }
      if (directory) {
        const fs::path target = fs::canonical(entry.path());
        if (lies_in(root, target) || !seen.insert(target).second) it.disable_recursion_pending();
        continue;
      }
      const bool leads_nowhere = entry.is_symlink(broken) && !entry.exists(broken);
      if (!entry.is_regular_file(broken) && !leads_nowhere) continue;
      if (has_image_extension(entry.path())) {
        paths.push_back(entry.path());
      } else {
        ++left_out.others;
      }
    }
    if (paths.empty()) fail_input(folder.string() + ": no images in this class folder");
    std::sort(paths.begin(), paths.end());
    for (fs::path& path : paths) files.push_back({std::move(path), folder.filename().string(), ""});
  }
}

FaceTable read(const fs::path& folder, const DatasetOptions& options) {
  const std::vector<fs::path> top = folders_in(folder);
  const auto is_split = [](const fs::path& path) {
    return find_split(path.filename().string()).has_value();
  };
  const auto splits = std::count_if(top.begin(), top.end(), is_split);

  FaceTable table;
  std::vector<ImageFile> files;
  std::vector<Split> file_splits;
  LeftOut left_out;
  if (splits == 0) {
    list_classes(folder, files, left_out);
  } else {
    left_out.beside += pictures_right_in(folder);
    for (const fs::path& path : top) {
      if (!is_split(path)) {
        fail_input(path.string() + ": stands beside train, val or test but is none of them");
      }
      list_classes(path, files, left_out);
      file_splits.resize(files.size(), *find_split(path.filename().string()));
    }
  }
  const std::vector<std::size_t> kept = decode_files(files, options, table);
  if (splits > 0) {
    for (const std::size_t i : kept) table.splits.push_back(file_splits[i]);
  }
  if (left_out.others > 0) table.dropped.push_back({"no image by its file name", left_out.others});
  if (left_out.beside > 0) table.dropped.push_back({"image in no class folder", left_out.beside});
  table.description = "folder " + folder.generic_string();
  return table;
}

}  // namespace

FaceTable read_image_folder(const fs::path& folder, const DatasetOptions& options) {
  try {
    return read(folder, options);
  } catch (const fs::filesystem_error& error) {
    fail_input(error.path1().string() + ": " + error.code().message());
  }
}

}  // namespace fer
