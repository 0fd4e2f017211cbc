#include "fer/model/find_model.h"

#include "fer/core/data_file.h"
#include "fer/core/error.h"

namespace fer {

std::filesystem::path find_model(const std::filesystem::path& named) {
  if (!named.empty()) return named;
  if (auto file = file_from_environment("FER_MODEL"); !file.empty()) return file;
  auto file = find_data_file(kShippedModel);
  if (file.empty())
    fail_input(std::string("no model: name one by --model or FER_MODEL (models/") + kShippedModel +
               ", the one that is shipped, was not found)");
  return file;
}

}  // namespace fer
