// Many pictures on one, to look at.
#pragma once

#include "fer/core/image.h"
#include "fer/data/dataset.h"

namespace fer {

// One row a label of the first head, in label order, with the first `columns` samples of it, each
// reduced or enlarged to cell x cell. Colour when any of the pictures has some, else gray.
Image contact_sheet(const Dataset& dataset, int columns, int cell = 48);

}  // namespace fer
