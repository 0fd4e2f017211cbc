// The view for a terminal, over ssh and in tmux, too: the picture by libchafa (sixel or kitty where
// the terminal has them, else coloured half blocks), boxes, and a panel of bars beside it.
#pragma once

#include <memory>

#include "fer/live/live_frame.h"
#include "fer/live/view_hooks.h"

namespace fer {

class TerminalView : public Sink {
 public:
  // Takes the terminal until it is destroyed; the log is silent meanwhile where it would write over
  // the picture. Throws kInput without a terminal.
  TerminalView(const Recognizer& recognizer, Controls& controls, ViewHooks hooks);
  ~TerminalView() override;
  void put(const LiveFramePtr& frame) override;
  void finish() override;  // throws what ended the view, of which controls.quit told

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

enum class TerminalColours { kNone, k16, k256, kDirect };

// The panel: a line of text for each row, each `columns` wide, colours as escape sequences that the
// terminal has. Public for its test.
std::vector<std::string> terminal_panel(const LiveFrame& frame, const Recognizer& recognizer,
                                        int columns, int rows, TerminalColours colours,
                                        bool unicode);

}  // namespace fer
