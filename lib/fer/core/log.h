// One line a message on stderr, so that data on stdout stays clean. Colour only on a terminal and
// without NO_COLOR. spdlog does the writing where it is installed and stays in the .cpp.
#pragma once

#include <functional>
#include <string>

namespace fer {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
void set_log_level(LogLevel level);
LogLevel log_level();

// Takes the messages of that level and above instead of stderr, without a prefix: for a program
// with a log of its own. Called from any thread, several at a time, perhaps once more just after it
// was replaced; must not throw. Empty: stderr.
using LogSink = std::function<void(LogLevel, const std::string& message)>;
void set_log_sink(LogSink sink);
bool log_has_sink();

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

bool stderr_is_terminal();
// Whether information is written where a progress bar may stand: to a terminal, not to a sink.
bool log_is_on_terminal();

}  // namespace fer
