// Standard input that ends when the user asks to stop, or the program has to, also while nothing
// comes.
#pragma once

#include <array>
#include <atomic>
#include <streambuf>

namespace fer::tools {

class StoppableInput : public std::streambuf {
 public:
  void stop() { stopped_ = true; }  // from any thread

 protected:
  int_type underflow() override;
  std::streamsize showmanyc() override;  // 1 where something has come, or the end

 private:
  std::array<char, 4096> buffer_{};
  std::atomic<bool> stopped_ = false;
};

}  // namespace fer::tools
