#include "fer/data/contact_sheet.h"

#include <algorithm>

#include "fer/core/error.h"

namespace fer {

Image tile_images(std::span<const Image> images, int columns, int enlarge, int gap) {
  const auto first = std::ranges::find_if_not(images, &Image::empty);
  if (first == images.end()) fail_input("contact sheet: there are no images");
  const bool colour = std::ranges::any_of(images, [](const Image& i) { return i.channels > 1; });
  const int width = first->width * enlarge, height = first->height * enlarge;
  const int rows = (static_cast<int>(images.size()) + columns - 1) / columns;
  Image sheet(columns * (width + gap) - gap, rows * (height + gap) - gap, colour ? 3 : 1, 255);
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (images[i].empty()) continue;
    const Image picture = colour ? to_rgb(images[i]) : images[i];
    const int left = static_cast<int>(i) % columns * (width + gap);
    const int top = static_cast<int>(i) / columns * (height + gap);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < sheet.channels; ++c) {
          sheet.at(left + x, top + y, c) = picture.at(x / enlarge, y / enlarge, c);
        }
      }
    }
  }
  return sheet;
}

Image contact_sheet(const Dataset& dataset, int columns, int cell) {
  const auto row_length = static_cast<std::size_t>(columns);
  std::vector<Image> cells(dataset.heads().at(0).labels.size() * row_length);
  std::vector<std::size_t> filled(dataset.heads()[0].labels.size(), 0);
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const int label = dataset.target(i, 0).label;
    if (label < 0) continue;
    std::size_t& count = filled[static_cast<std::size_t>(label)];
    if (count == row_length) continue;
    cells[static_cast<std::size_t>(label) * row_length + count++] =
        resize(dataset.image(i), cell, cell);
  }
  return tile_images(cells, columns);
}

}  // namespace fer
