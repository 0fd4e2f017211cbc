#include "program.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "options.h"

namespace fer::tools {

namespace {

// Whether something that was printed reached nobody; a reader that went away (| head) had enough.
bool output_lost() {
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return false;
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) < 1 || (output.revents & POLLERR) == 0;
}

}  // namespace

int run_program(const std::string& name, const std::function<int()>& body) {
  try {
    int exit_code = 0;
    try {
      exit_code = body();
    } catch (const Options::Help& help) {
      std::fputs(help.text.c_str(), stdout);
    }
    if (output_lost()) fail_runtime("standard output cannot be written");
    return exit_code;
  } catch (const Error& e) {
    log_error(name + ": " + printable(e.what()));
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    log_error(name + ": out of memory");
    return 1;
  } catch (const std::exception& e) {
    log_error(name + ": " + printable(e.what()));
    return 1;
  }
}

void outlive_reader() { std::signal(SIGPIPE, SIG_IGN); }

namespace {
// Read by every thread, written in a handler.
std::atomic<bool> stop_signal{false};
static_assert(std::atomic<bool>::is_always_lock_free);
void on_stop_signal(int signal) {
  // Both the kernel and the shell tell that a terminal is gone: that is no second wish.
  if (stop_signal.exchange(true) && signal != SIGHUP) _exit(130);
}
}  // namespace

void install_stop_handler() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // else nohup's
}

bool stop_requested() { return stop_signal; }

}  // namespace fer::tools
