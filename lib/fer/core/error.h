// One exception type for everything that can go wrong, carrying who can mend it.
//
// A message names the value and the place ("fer2013.csv row 812: 2303 pixels, expected 2304") in
// one line without a full stop or a line break. Programs print it on stderr and return exit_code().
#pragma once

#include <stdexcept>
#include <string>

namespace fer {

enum class Fault {
  kInput,    // usage, configuration or data are wrong: the caller mends the input (exit code 2)
  kRuntime,  // the machine failed: disk full, read-only folder, device lost (exit code 1)
};

class Error : public std::runtime_error {
 public:
  Error(Fault fault, const std::string& message) : std::runtime_error(message), fault_(fault) {}
  Fault fault() const { return fault_; }
  int exit_code() const { return fault_ == Fault::kInput ? 2 : 1; }

 private:
  Fault fault_;
};

[[noreturn]] void fail_input(const std::string& message);
[[noreturn]] void fail_runtime(const std::string& message);

}  // namespace fer
