// The view in a window of its own, through OpenCV's highgui.
#pragma once

#include <chrono>
#include <string>

#include "fer/live/live_frame.h"
#include "fer/live/newest_slot.h"
#include "fer/live/view_hooks.h"

namespace fer {

class WindowView : public Sink {
 public:
  // Call it only where display_works() (doctor.h): Qt ends the program otherwise.
  WindowView(Controls& controls, ViewHooks hooks);
  ~WindowView() override;
  bool wants_overlay() const override { return true; }
  void put(const LiveFramePtr& frame) override { slot_.put(frame); }

  // Shows what is new and answers keys, for about 20 ms; called again and again by the thread that
  // made the view. A closed window sets controls.quit.
  void step();

 private:
  void press(int key);
  void say(const std::string& text);
  void draw();

  Controls& controls_;
  ViewHooks hooks_;
  NewestSlot<LiveFramePtr> slot_;
  LiveFramePtr frame_;
  bool help_ = false;
  bool shown_ = false;
  std::string message_;  // for two seconds
  std::chrono::steady_clock::time_point message_until_{};
};

}  // namespace fer
