// What a view asks of the program beyond switching something on and off.
#pragma once

#include <functional>
#include <string>

namespace fer {

// Called in the view's own thread, so they may not throw; what is not set says nothing.
struct ViewHooks {
  static std::string nothing() { return ""; }
  std::function<std::string()> next_camera = nothing;  // goes on with another; what to tell
  std::function<std::string()> source = nothing;       // "camera 0", "clip.mp4"
  std::function<std::string()> notice = nothing;       // "" or what is wrong with the source
  std::function<std::string()> address = nothing;      // where a browser is awaited
};

// The same keys everywhere.
inline constexpr const char* kKeys = "q quit  p pause  b blur  f figures  n next camera";

}  // namespace fer
