// The terminal as the view leaves it: each case runs in a child process on a pseudo-terminal.
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include "fer/core/text.h"
#include "fer/live/terminal_screen.h"
#include "fer/live/terminal_view.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

constexpr const char* kBack = "\x1b[?25h\x1b[?1049l";  // cursor and the user's own screen

struct Session {
  std::string output;
  int status = 0;
  bool restored = false;  // echo and line mode are as they were
};

// keys: typed as soon as the screen was taken.
Session on_terminal(const std::function<void()>& body, const std::string& keys = "",
                    int columns = 100, int rows = 30) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    ::setenv("TERM", "xterm-256color", 1);
    ::setenv("COLORTERM", "truecolor", 1);
    ::setenv("LC_ALL", "C.UTF-8", 1);
    ::unsetenv("NO_COLOR");
    for (const int number : {SIGSEGV, SIGABRT, SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
    body();
    ::_exit(0);
  }
  Session session;
  char buffer[65536];
  bool typed = false;
  for (ssize_t got; (got = ::read(terminal, buffer, sizeof(buffer))) > 0;) {
    session.output.append(buffer, static_cast<std::size_t>(got));
    if (!typed && session.output.find("\x1b[?1049h") != std::string::npos) {
      typed = ::write(terminal, keys.data(), keys.size()) >= 0;
    }
  }
  termios after{};
  ::tcgetattr(terminal, &after);
  session.restored = (after.c_lflag & ICANON) != 0 && (after.c_lflag & ECHO) != 0;
  ::waitpid(child, &session.status, 0);
  ::close(terminal);
  return session;
}

LiveFrame frame_with_face() {
  LiveFrame frame;
  frame.image = corners(320, 240);
  LiveFace face;
  face.id = 7;
  face.shown.face.box = {100, 60, 80, 100};
  face.shown.probabilities["tone"] = {0.125f, 0.125f, 0.75f};
  face.shown.label = "bright";
  face.shown.confidence = 0.75f;
  face.shown.uncertain = false;
  frame.faces.push_back(face);
  return frame;
}

}  // namespace

TEST_CASE("the terminal is given back at the end, on Ctrl-C, on a kill and on a crash") {
  const std::function<void()> endings[] = {[] {},
                                           [] { ::raise(SIGINT); },
                                           [] { ::raise(SIGTERM); },
                                           [] { ::raise(SIGSEGV); },
                                           [] { std::abort(); },
                                           [] { ::raise(SIGHUP); }};
  for (const auto& ending : endings) {
    const Session session = on_terminal([&] {
      TerminalScreen screen;
      screen.write("picture");
      ending();
    });
    CHECK_THAT(session.output, Catch::Contains("picture"));
    CHECK(session.output.rfind(kBack) != std::string::npos);
    CHECK(session.output.rfind(kBack) > session.output.find("picture"));
    CHECK(session.restored);
  }
}

TEST_CASE("a crash reporter that was there before gets the crash, with what it needs to know") {
  const Session session = on_terminal([] {
    struct sigaction reporter {};
    reporter.sa_flags = SA_SIGINFO;
    reporter.sa_sigaction = [](int number, siginfo_t* information, void* context) {
      ::_exit(number == SIGSEGV && information->si_signo == SIGSEGV && context != nullptr ? 42
                                                                                          : 43);
    };
    ::sigaction(SIGSEGV, &reporter, nullptr);
    TerminalScreen screen;
    screen.write("picture");
    ::raise(SIGSEGV);
  });
  CHECK(WEXITSTATUS(session.status) == 42);
  CHECK(session.output.rfind(kBack) != std::string::npos);
  CHECK(session.restored);
}

TEST_CASE("a terminal that cannot move its cursor gets lines, and no sequences") {
  const Session session = on_terminal([] {
    ::setenv("TERM", "dumb", 1);
    const Recognizer recognizer = tone_recognizer();
    Controls controls;
    controls.recording = true;
    ViewHooks hooks;
    hooks.notice = [] { return "camera 0 is lost"; };
    TerminalView view(recognizer, controls, hooks);
    view.put(std::make_shared<LiveFrame>(frame_with_face()));
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  });
  for (const char* once :
       {"#7 bright 75 %\r\n", "not feelings; being recorded\r\n", "\ncamera 0 is lost\r\n"}) {
    INFO(once);
    const std::size_t at = session.output.find(once);
    CHECK(at != std::string::npos);
    CHECK(session.output.find(once, at + 1) == std::string::npos);
  }
  CHECK(session.output.find('\x1b') == std::string::npos);
  CHECK(session.restored);
}

TEST_CASE("without a terminal the view says so") {
  // A session of its own has no terminal.
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    const std::string message = message_of([] { TerminalScreen screen; });
    [[maybe_unused]] const ssize_t done = ::write(ends[1], message.data(), message.size());
    ::_exit(terminal_exists() ? 1 : 0);
  }
  ::close(ends[1]);
  char buffer[256];
  const ssize_t got = ::read(ends[0], buffer, sizeof(buffer));
  ::close(ends[0]);
  int status = 1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK_THAT(std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(0, got))),
             Catch::Contains("window, web or none"));
}

TEST_CASE("the view draws half blocks in true colour, the panel and the keys, and q ends it") {
  const Session session = on_terminal(
      [] {
        const Recognizer recognizer = tone_recognizer();
        Controls controls;
        TerminalView view(recognizer, controls,
                          {[] { return ""; }, [] { return "camera 0"; }, [] { return ""; }});
        const auto frame = std::make_shared<LiveFrame>(frame_with_face());
        for (int i = 0; i < 200 && !controls.quit; ++i) {
          view.put(frame);
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        if (!controls.quit) ::abort();
      },
      "fq");
  CHECK(session.status == 0);
  CHECK_THAT(session.output, Catch::Contains("\x1b[38;2;"));
  CHECK((session.output.find("▄") != std::string::npos ||
         session.output.find("▀") != std::string::npos));
  CHECK_THAT(session.output, Catch::Contains("#7 bright 75 %") && Catch::Contains("camera 0") &&
                                 Catch::Contains(kBack));
}

TEST_CASE("a picture that may no longer be seen leaves the terminal, in kitty, too") {
  for (const char* term : {"xterm-kitty", "xterm-256color"}) {
    const Session session = on_terminal([term] {
      ::setenv("TERM", term, 1);
      const Recognizer recognizer = tone_recognizer();
      Controls controls;
      TerminalView view(recognizer, controls, {});
      view.put(std::make_shared<LiveFrame>(frame_with_face()));
      std::this_thread::sleep_for(std::chrono::milliseconds(1200));
      controls.blur = true;  // while no frame comes
      std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    });
    INFO(term);
    const std::string kitty = std::string(term) == "xterm-kitty" ? "\x1b_Ga=d,d=A,q=2\x1b\\" : "";
    CHECK_THAT(session.output, Catch::Contains(kitty + "\x1b[2J\x1b[1;1H"));
    CHECK(session.output.rfind("\x1b[2J") > session.output.find("#7 bright"));
  }
}

TEST_CASE("nothing of a picture stays beside one of another shape") {
  const Session session = on_terminal([] {
    const Recognizer recognizer = tone_recognizer();
    Controls controls;
    TerminalView view(recognizer, controls, {});
    for (const auto& [width, height] :
         {std::pair(320, 240), std::pair(320, 240), std::pair(240, 320)}) {
      LiveFrame frame = frame_with_face();
      frame.image = corners(width, height);
      frame.faces[0].id = width;
      view.put(std::make_shared<LiveFrame>(frame));
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
    }
  });
  const std::size_t wide = session.output.find("#320 bright"),
                    tall = session.output.find("#240 bright");
  REQUIRE(tall != std::string::npos);
  const std::size_t cleared = session.output.rfind("\x1b[2J", tall);
  CHECK(cleared > wide);
  CHECK(cleared > session.output.rfind("#320 bright"));
}

TEST_CASE("where browsers are awaited the terminal shows the address, until one has come") {
  const std::string address = "http://127.0.0.1:8080/#token=" + std::string(31, 'a') + "z";
  for (const int columns : {80, 40}) {
    const Session session = on_terminal(
        [&] {
          const Recognizer recognizer = tone_recognizer();
          Controls controls;
          ViewHooks hooks;
          hooks.address = [&] { return controls.visited ? std::string() : address; };
          TerminalView view(recognizer, controls, hooks);
          view.put(std::make_shared<LiveFrame>(frame_with_face()));
          std::this_thread::sleep_for(std::chrono::milliseconds(700));
          controls.visited = true;
          controls.figures = true;
          std::this_thread::sleep_for(std::chrono::milliseconds(700));
        },
        "", columns);
    INFO(columns);
    const std::string last = address.substr(address.size() / static_cast<std::size_t>(columns) *
                                            static_cast<std::size_t>(columns));
    const std::size_t shown = session.output.find(last);
    REQUIRE(shown != std::string::npos);
    CHECK(shown > session.output.find("\x1b[?1049h"));
    CHECK(session.output.rfind("frames/s") > session.output.rfind(last));
    CHECK(session.output.rfind("q quit") < session.output.rfind("frames/s"));
    CHECK(session.output.rfind("\x1b[2J") > session.output.rfind(last));  // it is gone
  }
}

TEST_CASE("that it is recorded is said first, and a name of the source obeys no terminal") {
  const Session session = on_terminal(
      [] {
        const Recognizer recognizer = tone_recognizer();
        Controls controls;
        controls.recording = true;
        ViewHooks hooks;
        hooks.source = [] { return "a\x1b]0;mine\a" + std::string(200, 'x'); };
        TerminalView view(recognizer, controls, hooks);
        view.put(std::make_shared<LiveFrame>(frame_with_face()));
        std::this_thread::sleep_for(std::chrono::milliseconds(1200));
      },
      "", 80);
  CHECK_THAT(session.output, Catch::Contains("\x1b[1;31m [REC]\x1b[0m a?]0;mine?xxx") &&
                                 Catch::Contains("...  -  being recorded"));
  CHECK(session.output.find("\x1b]0;") == std::string::npos);
}

TEST_CASE("the panel is written in colours that the terminal has") {
  const Recognizer recognizer = tone_recognizer();
  const LiveFrame frame = frame_with_face();
  const auto first = [&](TerminalColours colours) {
    return terminal_panel(frame, recognizer, 34, 20, colours, false).at(0);
  };
  CHECK_THAT(first(TerminalColours::kDirect), Catch::StartsWith("\x1b[38;2;"));
  CHECK_THAT(first(TerminalColours::k256), Catch::StartsWith("\x1b[38;5;"));
  const std::string basic = first(TerminalColours::k16);
  CHECK((basic.starts_with("\x1b[3") || basic.starts_with("\x1b[9")));
  CHECK(basic.find(';') == std::string::npos);
  CHECK_THAT(first(TerminalColours::kNone), Catch::StartsWith("#7 bright"));
}

TEST_CASE("the panel's bars are as long as the probabilities, and it keeps to its rows") {
  const Recognizer recognizer = tone_recognizer();
  const LiveFrame frame = frame_with_face();
  const auto lines = terminal_panel(frame, recognizer, 34, 20, TerminalColours::kNone, false);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "#7 bright 75 %                    ");
  CHECK(lines[1] == " dark       ##..............  12 %");
  CHECK(lines[3] == " bright     ############....  75 %");
  CHECK(terminal_panel(frame, recognizer, 34, 2, TerminalColours::kNone, false).size() == 2);
  CHECK(
      trim(terminal_panel(LiveFrame{}, recognizer, 34, 20, TerminalColours::kNone, false).at(0)) ==
      "no face");
}

TEST_CASE(
    "in a narrow terminal the panel gives up the bars, then the labels, and keeps its width") {
  const Recognizer recognizer = tone_recognizer();
  const LiveFrame frame = frame_with_face();
  for (const bool unicode : {false, true}) {
    CHECK(terminal_panel(frame, recognizer, 16, 20, TerminalColours::kNone, unicode).at(3) ==
          " bright     75 %");
    CHECK(terminal_panel(frame, recognizer, 6, 20, TerminalColours::kNone, unicode).at(3) ==
          "  75 %");
    for (std::size_t columns = 0; columns < 18; ++columns) {
      const auto lines = terminal_panel(frame, recognizer, static_cast<int>(columns), 20,
                                        TerminalColours::kNone, unicode);
      REQUIRE(lines.size() == 5);
      for (const std::string& line : lines) CHECK(line.size() == columns);
    }
  }
}
