// Draws what was recognised into a picture: boxes, labels and bars, readable from 320 pixels to 4K.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fer/core/image.h"

namespace fer {

using Colour = std::array<std::uint8_t, 3>;  // R, G, B

struct Bar {
  std::string label;
  float value = 0;  // 0 .. 1
  Colour colour = {128, 128, 128};
};

struct Annotation {
  Box box;
  Colour colour = {128, 128, 128};
  std::string title;      // one line; letters beyond ASCII are drawn as '?'
  std::vector<Bar> bars;  // below the title, where the picture has room for them
};

// The image becomes RGB. All text is inside the picture, and no two labels overlap: a label stands
// beside its box where there is room, else at the nearest free place with a line to its box; bars
// are left out where they would cover a face; a label that fits nowhere is left out.
void draw_annotations(Image& image, std::span<const Annotation> annotations);

// One line in the top left corner (frame rate, notices); cut to the width of the picture.
void draw_status(Image& image, const std::string& text);

// Makes what is in the box unrecognisable: blocks of an eighth of it.
void pixelate(Image& image, const Box& box);

struct LabelSize {
  int width = 0;
  int height = 0;
};
// The layout of draw_annotations: a place for each label, in the order of `faces`; a width of 0
// where there is none. `taken`: places that other labels have already. beside_only: next to its own
// face and over no other, or not at all.
std::vector<Box> place_labels(int image_width, int image_height, std::span<const Box> faces,
                              std::span<const LabelSize> labels, std::span<const Box> taken = {},
                              bool beside_only = false);

}  // namespace fer
