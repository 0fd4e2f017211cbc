// Files that come with the programs and that they find without being told: the shipped model, a
// face detector.
#pragma once

#include <filesystem>
#include <string>

namespace fer {

// Where the file is, or "". Looked for: share/fer/models/NAME and models/NAME in the folder of the
// running program and in the four above it, so that an installed tree and a build folder inside the
// source tree both work wherever they stand; then, for programs elsewhere, in the prefix that the
// library was configured for, in /usr/local and in /usr, where packages put it.
std::filesystem::path find_data_file(const std::string& name);

// The file that an environment variable names, or "" when it is unset or empty. Throws kInput when
// there is no such file.
std::filesystem::path file_from_environment(const char* variable);

}  // namespace fer
