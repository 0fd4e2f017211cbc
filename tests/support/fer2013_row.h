// A line of a FER2013 csv, for programs that are given one.
#pragma once

#include <string>

namespace fer::test {

// Its 2304 pixels count up from `pixel`.
inline std::string fer2013_row(const std::string& label, const std::string& usage, int pixel = 7) {
  std::string pixels;
  for (int i = 0; i < 48 * 48; ++i) pixels += (i ? " " : "") + std::to_string((pixel + i) % 256);
  return label + "," + pixels + "," + usage + "\n";
}

}  // namespace fer::test
