#include "fer/live/terminal_screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "fer/core/error.h"

namespace fer {

namespace {

// Another screen, no cursor, no wrapping; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?2026l\x1b[?7h\x1b[?25h\x1b[?1049l";

// Signal handlers know no objects: there is one terminal.
std::atomic<int> terminal{-1};
std::atomic<bool> taken{false}, whole_screen{false};
termios original;

constexpr std::array kSignals = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                                 SIGABRT, SIGBUS,  SIGFPE, SIGILL};
std::array<struct sigaction, kSignals.size()> previous;

// Async-signal-safe.
void give_back() {
  if (!taken.exchange(false)) return;
  const int saved = errno;
  const int fd = terminal;
  if (whole_screen) {
    [[maybe_unused]] const ssize_t written = ::write(fd, kLeave.data(), kLeave.size());
  }
  ::tcsetattr(fd, TCSANOW, &original);
  errno = saved;
}

void on_signal(int number, siginfo_t* information, void* context) {
  give_back();
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] != number) continue;
    const struct sigaction& before = previous[i];
    if (before.sa_handler == SIG_IGN) return;
    if (before.sa_handler == SIG_DFL) break;
    if ((before.sa_flags & SA_SIGINFO) == 0) return before.sa_handler(number);
    return before.sa_sigaction(number, information, context);
  }
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

bool terminal_exists() {
  const int fd = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

TerminalScreen::TerminalScreen(bool whole) {
  whole_screen = whole;
  terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || ::tcgetattr(terminal, &original) != 0) {
    if (terminal >= 0) ::close(terminal.exchange(-1));
    fail_input("there is no terminal; take another view: window, web or none");
  }
  taken = true;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(kSignals[i], &action, &previous[i]);
  }
  termios raw = original;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // a stopped program would leave its picture behind
  ::tcsetattr(terminal, TCSANOW, &raw);
  if (whole) write(std::string(kEnter));
}

TerminalScreen::~TerminalScreen() {
  give_back();
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &previous[i], nullptr);
  ::close(terminal.exchange(-1));
}

TerminalScreen::Size TerminalScreen::size() const {
  Size size;
  winsize window{};
  if (::ioctl(terminal, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return size;
  size.columns = window.ws_col;
  size.rows = window.ws_row;
  if (window.ws_xpixel > 0 && window.ws_ypixel > 0) {
    size.cell_width = std::max(1, window.ws_xpixel / window.ws_col);
    size.cell_height = std::max(1, window.ws_ypixel / window.ws_row);
  }
  return size;
}

bool TerminalScreen::write(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    if (!taken) return false;
    const ssize_t written = ::write(terminal, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

char TerminalScreen::key(int milliseconds) {
  pollfd ready{terminal, POLLIN, 0};
  char key = 0;
  if (::poll(&ready, 1, milliseconds) <= 0 || ::read(terminal, &key, 1) != 1) return 0;
  return key;
}

}  // namespace fer
