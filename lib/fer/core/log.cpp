#include "fer/core/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fer/core/text.h"
#if FER_HAVE_SPDLOG
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#endif

namespace fer {

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};

// What stands before a message: nothing but a cleared line for plain information.
const char* prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug: ";
    case LogLevel::kWarning:
      return "warning: ";
    case LogLevel::kError:
      return "error: ";
    default:
      return "";
  }
}

// A progress bar that stands on the terminal's last line gives way.
const char* line_start() { return stderr_is_terminal() ? "\r\x1b[K" : ""; }

#if FER_HAVE_SPDLOG

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

class Prefix : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (const LogLevel level : {LogLevel::kDebug, LogLevel::kWarning, LogLevel::kError}) {
      if (message.level == to_spdlog(level)) {
        const std::string_view text = prefix(level);
        out.append(text.data(), text.data() + text.size());
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Prefix>();
  }
};

spdlog::logger& logger() {
  static spdlog::logger& instance = []() -> spdlog::logger& {
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(
        std::getenv("NO_COLOR") != nullptr ? spdlog::color_mode::never
                                           : spdlog::color_mode::automatic);
    sink->set_color(spdlog::level::info, "");
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<Prefix>('*').set_pattern(std::string(line_start()) + "%^%*%$%v");
    sink->set_formatter(std::move(formatter));
    // Never destroyed: the last message may come from a static object's destructor.
    auto* created = new spdlog::logger("fer", std::move(sink));
    created->flush_on(spdlog::level::trace);
    return *created;
  }();
  return instance;
}

void write_stderr(LogLevel level, const std::string& message) {
  logger().log(to_spdlog(level), message);
}

#else

void write_stderr(LogLevel level, const std::string& message) {
  const bool colour = stderr_is_terminal() && std::getenv("NO_COLOR") == nullptr;
  const char* start = !colour || level == LogLevel::kInfo ? ""
                      : level == LogLevel::kError         ? "\x1b[1;31m"
                                                          : "\x1b[33m";
  std::fprintf(stderr, "%s%s%s%s%s\n", line_start(), start, prefix(level), *start ? "\x1b[0m" : "",
               message.c_str());
}

#endif

struct SinkSlot {
  std::mutex mutex;
  std::shared_ptr<const LogSink> sink;  // null: stderr
};

SinkSlot& sink_slot() {
  static auto* slot = new SinkSlot;  // never destroyed, as the logger
  return *slot;
}

void write(LogLevel level, const std::string& message) {
  if (level < least_level.load()) return;
  std::shared_ptr<const LogSink> sink;
  {
    const std::scoped_lock lock(sink_slot().mutex);
    sink = sink_slot().sink;
  }
  if (sink) {
    (*sink)(level, message);
  } else {
    // A name may hold what a terminal obeys.
    std::vector<std::string> lines = split(message, '\n');
    for (std::string& line : lines) line = printable(std::move(line));
    write_stderr(level, join(lines, "\n"));
  }
}

}  // namespace

void set_log_level(LogLevel level) {
  least_level = level;
#if FER_HAVE_SPDLOG
  logger().set_level(to_spdlog(level));
#endif
}

LogLevel log_level() { return least_level; }

bool log_has_sink() {
  const std::scoped_lock lock(sink_slot().mutex);
  return sink_slot().sink != nullptr;
}

bool log_is_on_terminal() {
  return !log_has_sink() && log_level() <= LogLevel::kInfo && stderr_is_terminal();
}

void set_log_sink(LogSink sink) {
  auto next = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::scoped_lock lock(sink_slot().mutex);
  sink_slot().sink.swap(next);
}

void log_debug(const std::string& message) { write(LogLevel::kDebug, message); }
void log_info(const std::string& message) { write(LogLevel::kInfo, message); }
void log_warning(const std::string& message) { write(LogLevel::kWarning, message); }
void log_error(const std::string& message) { write(LogLevel::kError, message); }

}  // namespace fer
