#include "fer/core/data_file.h"

#include <cstdlib>

#include "fer/core/error.h"

namespace fer {

namespace fs = std::filesystem;

fs::path find_data_file(const std::string& name) {
  std::error_code unknown;
  fs::path folder = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  for (int level = 0; level < 5 && !folder.empty(); ++level) {
    for (const char* data : {"share/fer/models", "models"}) {
      if (fs::path file = folder / data / name; fs::is_regular_file(file, unknown)) return file;
    }
    if (folder == folder.root_path()) break;
    folder = folder.parent_path();
  }
  if (fs::path file = fs::path(FER_INSTALLED_MODELS) / name; fs::is_regular_file(file, unknown))
    return file;
  return {};
}

fs::path file_from_environment(const char* variable) {
  const char* named = std::getenv(variable);
  if (named == nullptr || *named == '\0') return {};
  if (!fs::is_regular_file(named))
    fail_input(std::string(variable) + " names '" + named + "', which is no file");
  return named;
}

}  // namespace fer
