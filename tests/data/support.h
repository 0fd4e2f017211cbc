// Small made-up data for the tests of this room.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/data/dataset.h"
#include "support/temp_folder.h"

namespace fer::test {

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// 2304 numbers that depend on `key` alone.
inline std::string pixels_text(unsigned key) {
  std::string text;
  for (unsigned i = 0; i < 2304; ++i) {
    if (i > 0) text += ' ';
    text += std::to_string((key * 7919 + i * i * 31 + i / 48) % 256);
  }
  return text;
}

struct FaceRow {
  int emotion;
  std::string usage;
};

// A well-formed FER2013 csv; the pixels of row i are pixels_text(i).
inline std::string fer2013_text(const std::vector<FaceRow>& rows) {
  std::string text = "emotion,pixels,Usage\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    text += std::to_string(rows[i].emotion) + "," + pixels_text(static_cast<unsigned>(i)) + "," +
            rows[i].usage + "\n";
  }
  return text;
}

inline std::vector<FaceRow> some_rows() {
  return {{0, "Training"}, {3, "Training"},   {3, "Training"},   {6, "Training"},
          {1, "Training"}, {3, "PublicTest"}, {0, "PublicTest"}, {6, "PrivateTest"}};
}

// What open_dataset() says about the options, or "" when it opens them. Checks that it blames the
// input.
inline std::string open_error(const DatasetOptions& options) {
  try {
    open_dataset(options);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "";
}

inline DatasetOptions options_for(const std::filesystem::path& path,
                                  const std::string& labels = "six",
                                  TargetKind targets = TargetKind::kLabel) {
  DatasetOptions options;
  options.path = path.string();
  options.heads = {{"", labels, targets}};
  return options;
}

}  // namespace fer::test
