// What the views show as a video file, under x.part.mp4 until it is whole. Only where a user asks
// for it; controls.recording makes the views say so.
#pragma once

#include <filesystem>
#include <memory>

#include "fer/live/live_frame.h"

namespace fer {

class Recorder : public Sink {
 public:
  // The file has as many frames a second as the source of the first frame, at most 60 (25 where it
  // is unknown or below 1); frames are repeated or left out to keep real time. Throws kInput on another
  // extension than .mp4 and when the file exists already.
  Recorder(std::filesystem::path path, Controls& controls);
  ~Recorder() override;
  bool wants_overlay() const override { return true; }
  void put(const LiveFramePtr& frame) override;
  void finish() override;  // throws kRuntime when the file is not whole, which keeps its .part name

 private:
  struct Writer;
  std::filesystem::path path_, part_;
  Controls& controls_;
  std::unique_ptr<Writer> writer_;
};

}  // namespace fer
