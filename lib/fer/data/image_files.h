// Files of pictures: which a folder holds, in what order, and decoded into a table.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fer/data/table.h"

namespace fer {

bool has_image_extension(const std::filesystem::path& path);

// "img2" before "img10", else by bytes.
bool natural_less(const std::string& a, const std::string& b);
// What a folder holds and `keep` wants, in natural order. Throws kInput, without its name,
// when it cannot be read.
std::vector<std::filesystem::path> folder_entries(
    const std::filesystem::path& folder,
    const std::function<bool(const std::filesystem::directory_entry&)>& keep);
std::vector<std::filesystem::path> image_files(
    const std::filesystem::path& folder);  // by extension

struct ImageFile {
  std::filesystem::path path;
  std::string label;
  std::string place;  // where the path was read, for messages: "faces.csv row 3"; may be empty
};

// Fills images, labels, vocabulary (the labels, sorted) and origin; files that cannot be read are
// an error or, with options.skip_broken, reported and counted as dropped. Decodes on all cores, and
// reduces at once to gray squares (the middle of the picture) of options.image_size. Returns the
// positions in `files` of the rows that stand in the table.
std::vector<std::size_t> decode_files(const std::vector<ImageFile>& files,
                                      const DatasetOptions& options, FaceTable& table);

}  // namespace fer
