// What a view asks of the program beyond switching something on and off.
#pragma once

#include <functional>
#include <string>

namespace fer {

struct ViewHooks {
  std::function<std::string()> next_camera;  // goes on with another; what to tell the user
  std::function<std::string()> source;       // "camera 0", "clip.mp4"
  std::function<std::string()> notice;       // "" or what is wrong with the source
};

// The same keys everywhere.
inline constexpr const char* kKeys = "q quit  p pause  b blur  f figures  n next camera";

}  // namespace fer
