// 64-bit FNV-1a: a fingerprint that says "the same data", not a defence against forgery.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace fer {

class Fingerprint {
 public:
  void add(std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t b : bytes) value_ = (value_ ^ b) * 0x100000001b3ull;
  }
  void add(const std::string& text) {
    add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  std::uint64_t value() const { return value_; }
  std::string hex() const;  // 16 lower-case digits

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ull;
};

}  // namespace fer
