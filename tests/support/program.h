// Runs one of our programs as a user would and keeps what it said.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "fer/core/file.h"

namespace fer::test {

struct ProgramResult {
  int exit_code = -1;
  std::string out, err;
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// `command` goes through the shell, in `folder`; a program killed by a signal has exit code 128 +
// signal.
inline ProgramResult run_shell(const std::string& command, const std::filesystem::path& folder) {
  const TemporaryFolder output;
  const std::string full = "cd '" + folder.string() + "' && ( " + command + " ) >'" +
                           (output.path() / "out").string() + "' 2>'" +
                           (output.path() / "err").string() + "' </dev/null";
  const int status = std::system(full.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          slurp(output.path() / "out"), slurp(output.path() / "err")};
}

}  // namespace fer::test
