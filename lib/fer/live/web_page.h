// The files of lib/fer/live/web, built into the program.
#pragma once

#include <string_view>

namespace fer {

struct WebFile {
  std::string_view path;  // "/app.js"
  std::string_view type;
  std::string_view content;
};
// Null for a path that is none.
const WebFile* find_web_file(std::string_view path);

}  // namespace fer
