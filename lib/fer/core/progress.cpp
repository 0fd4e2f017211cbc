#include "fer/core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "fer/core/log.h"
#include "fer/core/text.h"

namespace fer {

namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 6;

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// The first `columns` characters of UTF-8 text.
std::string cut(const std::string& text, int columns) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool starts_character = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (starts_character && columns-- == 0) break;
  }
  return text.substr(0, end);
}

}  // namespace

Progress::Progress(std::string title, std::int64_t total, std::string unit, double plain_every)
    : title_(std::move(title)),
      total_(total),
      unit_(std::move(unit)),
      plain_every_(plain_every),
      last_drawn_(start_),
      terminal_(log_is_on_terminal()) {}

Progress::~Progress() { finish(); }

std::string Progress::line(const std::string& note, bool with_bar) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string before = title_;
  std::string after = format("%lld", static_cast<long long>(done_));
  if (total_ > 0) after += format("/%lld", static_cast<long long>(total_));
  after += " " + unit_;
  if (rate > 0) after += ", " + human_count(rate) + "/s";
  if (finished_) {
    after += " in " + human_duration(seconds);
  } else if (total_ > 0 && rate > 0) {
    after += ", " + human_duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note.empty()) after += ", " + note;
  if (!with_bar) return before + ": " + after;

  // The terminal's last column stays free: writing there wraps on some.
  const int width = terminal_width() - 1;
  if (total_ > 0) {
    const double part =
        std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    before += format(" %3d%%", static_cast<int>(100 * part));
    const int room = width - static_cast<int>(before.size() + after.size()) - 4;
    if (room >= kNarrowestBar) {
      const int bar = std::min(room, kWidestBar);
      const int filled = static_cast<int>(part * bar);
      before += " [" + std::string(filled, '=') + std::string(bar - filled, ' ') + "]";
    }
  }
  return cut(before + " " + after, width);
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  const Clock::time_point now = Clock::now();
  if (terminal_) {
    if (drawn_ && now - last_drawn_ < kRedraw) return;
    std::fprintf(stderr, "\r%s\x1b[K", line(note, true).c_str());
    drawn_ = true;
  } else {
    if (plain_every_ <= 0 ||
        std::chrono::duration<double>(now - last_drawn_).count() < plain_every_)
      return;
    log_info(line(note, false));
  }
  last_drawn_ = now;
}

void Progress::finish(const std::string& note) {
  if (std::exchange(finished_, true)) return;
  clear();
  log_info(line(note, false));
}

void Progress::clear() {
  if (!std::exchange(drawn_, false)) return;
  std::fprintf(stderr, "\r\x1b[K");
}

}  // namespace fer
