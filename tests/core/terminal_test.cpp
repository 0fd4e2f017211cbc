// Log and progress as they reach a file and a terminal: each case runs in a child process of its
// own, with stderr on a pipe or a pseudo-terminal.
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "fer/core/log.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"

using namespace fer;

namespace {

std::string drain(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) text.append(buffer, got);
  ::close(fd);
  return text;
}

std::string stderr_of(const std::function<void()>& body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  const std::string text = drain(ends[0]);
  ::waitpid(child, nullptr, 0);
  return text;
}

std::string on_terminal(int columns, const std::function<void()>& body) {
  int controller = -1;
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  const pid_t child = ::forkpty(&controller, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    ::setenv("TERM", "xterm-256color", 1);
    body();
    ::_exit(0);
  }
  const std::string text = replace_all(drain(controller), "\r\n", "\n");
  ::waitpid(child, nullptr, 0);
  return text;
}

// One at once, one each interval, the last one, and what follows the last line break. Counted by
// the time that passed, as a busy machine sleeps longer than it is told to.
std::size_t most_lines(std::chrono::steady_clock::time_point begin, double interval) {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  return 3 + static_cast<std::size_t>(passed.count() / interval);
}

void log_one_of_each() {
  log_debug("hidden");
  log_info("loaded {} 100%s");
  log_warning("odd");
  log_error("bad");
}

// What a reader sees of each line when all is written: "\r" goes back, "\x1b[K" clears.
std::vector<std::string> screen(const std::string& text) {
  std::vector<std::string> lines;
  for (std::string line : split(text, '\n')) {
    const std::size_t clear = line.rfind("\r\x1b[K");
    if (clear != std::string::npos) line = line.substr(clear + 4);
    lines.push_back(replace_all(line.substr(line.rfind('\r') + 1), "\x1b[K", ""));
  }
  return lines;
}

}  // namespace

TEST_CASE("log lines are plain in a file, one a message, with the level of what is wrong") {
  CHECK(stderr_of(log_one_of_each) == "loaded {} 100%s\nwarning: odd\nerror: bad\n");
  CHECK(stderr_of([] {
          set_log_level(LogLevel::kError);
          log_one_of_each();
        }) == "error: bad\n");
  CHECK(stderr_of([] {
          set_log_level(LogLevel::kOff);
          log_one_of_each();
        }).empty());
  CHECK(stderr_of([] {
          set_log_level(LogLevel::kDebug);
          log_debug("seen");
        }) == "debug: seen\n");
}

TEST_CASE("a program's own log takes the messages instead of stderr until it gives them back") {
  std::vector<std::pair<LogLevel, std::string>> seen;
  const auto as_text = [&seen] {
    std::string text;
    for (const auto& [level, message] : seen) {
      text += std::to_string(static_cast<int>(level)) + message + "\n";
    }
    return text;
  };
  CHECK(stderr_of([&] {
          set_log_sink([&](LogLevel level, const std::string& message) {
            seen.emplace_back(level, message);
          });
          log_one_of_each();
          set_log_level(LogLevel::kError);
          log_one_of_each();
          set_log_sink({});
          log_error(as_text());
        }) == "error: 1loaded {} 100%s\n2odd\n3bad\n3bad\n\n");
}

TEST_CASE("how far a job is goes where the messages go, and is silent where they are") {
  const auto work = [] {
    Progress progress("Reading", 2, "images", 0.001);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    progress.update(1);
  };
  CHECK(stderr_of([&] {
          std::string seen;
          set_log_sink([&](LogLevel, const std::string& message) { seen += message + '\n'; });
          work();
          set_log_sink({});
          log_info(format("%td %d", std::count(seen.begin(), seen.end(), '\n'),
                          seen.starts_with("Reading: 1/2 images")));
        }) == "2 1\n");
  CHECK(stderr_of([&] {
          set_log_level(LogLevel::kWarning);
          work();
        }).empty());
}

TEST_CASE("on a terminal the levels are coloured unless NO_COLOR is set") {
  const auto coloured = [](bool no_color) {
    return on_terminal(80, [=] {
      ::unsetenv("NO_COLOR");
      if (no_color) ::setenv("NO_COLOR", "1", 1);
      log_one_of_each();
    });
  };
  CHECK_THAT(coloured(false), Catch::Contains("\x1b[3") && Catch::Contains("loaded {} 100%s"));
  CHECK_THAT(coloured(true), !Catch::Contains("\x1b[3") && !Catch::Contains("\x1b[1"));
}

TEST_CASE("a progress bar in a file is a plain line now and then and a last one") {
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = stderr_of([] {
    Progress progress("Reading", 50, "images", 0.05);
    for (int i = 1; i <= 50; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(4));
      progress.update(i, "ok");
    }
    progress.finish("all good");
  });
  const auto lines = split(text, '\n');
  CHECK(lines.size() >= 3);
  CHECK(lines.size() <= most_lines(begin, 0.05));
  CHECK(text.find_first_of("\r\x1b") == std::string::npos);
  CHECK_THAT(lines.front(), Catch::StartsWith("Reading: ") && Catch::Contains("/50 images, ") &&
                                Catch::EndsWith(" left, ok"));
  CHECK_THAT(lines[lines.size() - 2],
             Catch::StartsWith("Reading: 50/50 images, ") && Catch::EndsWith(" in 0s, all good"));
  CHECK(stderr_of([] { Progress("Reading", 0, "rows", 0).update(7); }).find("Reading: 7 rows") ==
        0);
}

TEST_CASE(
    "a progress bar fits its terminal, is drawn at most ten times a second, and leaves one line") {
  for (const int columns : {20, 40, 80, 200}) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string text = on_terminal(columns, [] {
      Progress progress("Training", 1000, "images");
      for (int i = 1; i <= 1000; ++i) {
        if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(15));
        progress.update(i, "loss 1.2345");
      }
    });
    const auto drawn = split(text, '\r');
    CHECK(drawn.size() >= 3);
    CHECK(drawn.size() <= most_lines(begin, 0.1) + 2);
    for (std::size_t i = 1; i + 1 < drawn.size(); ++i) {
      INFO(drawn[i]);
      CHECK(replace_all(drawn[i], "\x1b[K", "").size() < static_cast<std::size_t>(columns));
    }
    if (columns >= 80) CHECK_THAT(text, Catch::Contains("% [===="));
    const auto lines = screen(text);
    REQUIRE(lines.size() == 2);
    CHECK_THAT(lines[0], Catch::StartsWith("Training: 1000/1000 images"));
  }
}

TEST_CASE("a log line does not tear the progress bar") {
  const std::string text = on_terminal(80, [] {
    Progress progress("Training", 100, "images");
    progress.update(40);
    log_info("saved");
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.update(60);
    progress.finish();
  });
  const auto lines = screen(text);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "saved");
  CHECK_THAT(lines[1], Catch::StartsWith("Training: 60/100 images"));
}
