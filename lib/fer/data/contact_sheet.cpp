#include "fer/data/contact_sheet.h"

#include <algorithm>

#include "fer/core/error.h"

namespace fer {

Image contact_sheet(const Dataset& dataset, int columns, int cell) {
  if (dataset.size() == 0) fail_input("contact sheet: there are no images");
  const std::size_t labels = dataset.heads().at(0).labels.size();
  std::vector<std::vector<Image>> rows(labels);
  bool colour = false;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const int label = dataset.target(i, 0).label;
    if (label < 0) continue;
    auto& row = rows[static_cast<std::size_t>(label)];
    if (row.size() == static_cast<std::size_t>(columns)) continue;
    row.push_back(resize(dataset.image(i), cell, cell));
    colour = colour || row.back().channels > 1;
  }
  Image sheet(columns * cell, static_cast<int>(labels) * cell, colour ? 3 : 1, 255);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const Image picture = colour ? to_rgb(rows[r][c]) : rows[r][c];
      for (int y = 0; y < cell; ++y) {
        const auto from =
            picture.pixels.begin() + static_cast<std::ptrdiff_t>(picture.index(0, y, 0));
        const auto to = sheet.index(static_cast<int>(c) * cell, static_cast<int>(r) * cell + y, 0);
        std::copy_n(from, cell * sheet.channels,
                    sheet.pixels.begin() + static_cast<std::ptrdiff_t>(to));
      }
    }
  }
  return sheet;
}

}  // namespace fer
