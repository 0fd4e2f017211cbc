// What the readers of file headers share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

namespace fer {

using Bytes = std::span<const std::uint8_t>;

inline bool has_text(Bytes bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

}  // namespace fer
