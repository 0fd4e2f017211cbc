// The user's terminal as a screen to draw on, given back as it was on every way out: at the end, on
// signals and on crashes.
#pragma once

#include <string>

namespace fer {

class TerminalScreen {
 public:
  // /dev/tty, so that standard output stays free for data. Throws kInput where there is none.
  // whole: takes the whole screen; else what is written stands below the user's lines.
  explicit TerminalScreen(bool whole = true);
  ~TerminalScreen();
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;

  struct Size {
    int columns = 80, rows = 24;
    int cell_width = 8, cell_height = 16;  // pixels; 1:2 where the terminal does not say
    bool operator==(const Size&) const = default;
  };
  Size size() const;
  // Waits until all is written; false when the terminal is gone.
  bool write(const std::string& text);
  // A key that was pressed within that time, else 0.
  char key(int milliseconds);
};

// Whether /dev/tty can be opened.
bool terminal_exists();

}  // namespace fer
