// Many pictures on one, to look at.
#pragma once

#include <span>

#include "fer/core/image.h"
#include "fer/data/dataset.h"

namespace fer {

// Pictures of one size in rows of `columns`, each pixel `enlarge` wide, white between them (`gap`)
// and where a picture is empty. Colour when any of them has some, else gray.
Image tile_images(std::span<const Image> images, int columns, int enlarge = 1, int gap = 0);

// One row a label of the first head, in label order, with the first `columns` samples of it, each
// reduced or enlarged to cell x cell.
Image contact_sheet(const Dataset& dataset, int columns, int cell = 48);

}  // namespace fer
