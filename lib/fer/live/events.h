// Frames as JSON lines, for programs that listen. The layout is pinned in docs/live.md.
#pragma once

#include <string>

#include "fer/live/live_frame.h"

namespace fer {

inline constexpr const char* kLiveSchema = "fer.live/1";

nlohmann::ordered_json event_json(const LiveFrame& frame, const Recognizer& recognizer);
// One line, without a line break; bytes that are no UTF-8 are replaced.
std::string event_line(const nlohmann::ordered_json& event);

// To the end of a file or to standard output ("-"), each line at once. A reader that does not read
// is waited for until controls.quit; one that went away sets it where the program ignores SIGPIPE.
// A disk that is full throws kRuntime.
class EventWriter : public Sink {
 public:
  // Throws kRuntime when the file cannot be written.
  EventWriter(const std::string& path, const Recognizer& recognizer, Controls& controls);
  ~EventWriter() override;
  void put(const LiveFramePtr& frame) override;

 private:
  std::string path_;
  const Recognizer& recognizer_;
  Controls& controls_;
  int file_;
  bool ended_ = false;  // the reader is gone, or a line was cut at the end
};

}  // namespace fer
