// A csv that names pictures: path,label[,split][,...]. Paths are relative to the csv; further
// columns are kept, so that metrics can be told apart by them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fer/data/table.h"

namespace fer {

bool is_manifest_header(const std::vector<std::string>& header);

FaceTable read_manifest(const std::filesystem::path& path, const DatasetOptions& options);

}  // namespace fer
