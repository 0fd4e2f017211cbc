// A folder of pictures: <class>/* or <split>/<class>/*, the splits called train, val (valid,
// validation) and test, or as in FER2013.
#pragma once

#include <filesystem>

#include "fer/data/table.h"

namespace fer {

// Pictures may lie at any depth below their class; hidden files are not looked at. Throws kInput
// for an empty folder, an empty class and a mixture of splits and classes.
FaceTable read_image_folder(const std::filesystem::path& folder, const DatasetOptions& options);

}  // namespace fer
