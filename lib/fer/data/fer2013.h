// FER2013 (Goodfellow et al. 2013) as its csv: 48 x 48 gray pixels as text, one face a row.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fer/data/table.h"

namespace fer {

// Columns emotion (0..6), pixels (2304 numbers) and optionally Usage (Training, PublicTest or
// PrivateTest), in any order.
bool is_fer2013_header(const std::vector<std::string>& header);

// The whole file: 301 MB of text become 83 MB. Read in pieces on up to eight cores, so that no more
// than a few MB beside the result are ever held. Rows count from 1 after the header. Throws kInput
// naming file, row and value for anything that is not as above.
FaceTable read_fer2013(const std::filesystem::path& path);

}  // namespace fer
