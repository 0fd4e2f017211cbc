#include "fer/core/data_file.h"

#include <cstdlib>

#include "fer/core/error.h"

namespace fer {

namespace fs = std::filesystem;

fs::path find_data_file(const std::string& name) {
  std::error_code unknown;
  fs::path above = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  for (int level = 0; level < 5 && !above.empty(); ++level) {
    for (const char* data : {"share/fer/models", "models"}) {
      if (fs::path file = above / data / name; fs::is_regular_file(file, unknown)) return file;
    }
    if (above == above.root_path()) break;
    above = above.parent_path();
  }
  for (const char* folder :
       {FER_INSTALLED_MODELS, "/usr/local/share/fer/models", "/usr/share/fer/models"}) {
    if (fs::path file = fs::path(folder) / name; fs::is_regular_file(file, unknown)) return file;
  }
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
