#include "stoppable_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "program.h"

namespace fer::tools {

StoppableInput::int_type StoppableInput::underflow() {
  for (;;) {
    if (stopped_ || stop_requested()) return traits_type::eof();
    constexpr int kMilliseconds = 100;
    pollfd state{STDIN_FILENO, POLLIN, 0};
    if (::poll(&state, 1, kMilliseconds) <= 0) continue;
    const ssize_t got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return traits_type::eof();
    setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
    return traits_type::to_int_type(buffer_[0]);
  }
}

std::streamsize StoppableInput::showmanyc() {
  pollfd state{STDIN_FILENO, POLLIN, 0};
  return ::poll(&state, 1, 0) > 0 ? 1 : 0;
}

}  // namespace fer::tools
