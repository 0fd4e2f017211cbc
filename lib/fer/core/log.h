// One line a message on stderr, so that data on stdout stays clean. Colour only on a terminal and
// without NO_COLOR. spdlog does the writing where it is installed and stays in the .cpp.
#pragma once

#include <string>

namespace fer {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
void set_log_level(LogLevel level);
LogLevel log_level();

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

bool stderr_is_terminal();

}  // namespace fer
