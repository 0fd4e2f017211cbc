// A frame with all that is known of it, as the views and writers get it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fer/core/image.h"
#include "fer/track/face_memory.h"

namespace fer {

struct LiveFrame {
  std::string source;      // "camera 0", "clip.mp4"
  Image image;             // RGB
  bool blurred = false;    // found faces are unrecognisable in it: controls.blur was set
  Image overlay;           // the same with boxes, labels and bars; empty when no sink wants it
  std::int64_t index = 0;  // as captured: gaps are frames that were dropped
  double time = 0;         // seconds of the source
  std::vector<LiveFace> faces;
  double detect_ms = 0;      // finding and cropping
  double answer_ms = 0;      // classifying, waiting for others included
  double latency_ms = 0;     // from the capture until the overlay is there
  double fps = 0;            // frames a second that come this far
  double source_fps = 0;     // that the source says of itself; 0: unknown
  std::int64_t dropped = 0;  // so far
};
using LiveFramePtr = std::shared_ptr<const LiveFrame>;

// Where frames go. put() is called from the pipeline's thread, in order.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool wants_overlay() const { return false; }
  // Views keep the frame for a thread of their own; writers write it, and the pipeline waits.
  virtual void put(const LiveFramePtr& frame) = 0;
  // Once, after the last frame, whatever ended the pipeline: the source, stop() or an error, that
  // of a put() included. One that throws keeps no other sink from it.
  virtual void finish() {}
};

// What a user changes while it runs, from any view.
struct Controls {
  std::atomic<bool> paused{false};
  // Detect in each frame, pixelate every face that was found there or in the last two seconds
  // (TrackerOptions::remember). A face that was not found stays as it is.
  std::atomic<bool> blur{false};
  std::atomic<bool> figures{false};  // rate and latency in the overlay
  std::atomic<bool> recording{false};
  std::atomic<bool> storing_answers{false};  // the events go to a file
  std::atomic<bool> quit{false};
  std::atomic<bool> visited{false};  // a browser has come to the web view
};

// Whether a view may show the picture: not one with clear faces once they are to be blurred. It
// shows none until the next frame, which a paused or lost camera does not send.
inline bool may_be_shown(const LiveFrame& frame, const Controls& controls) {
  return frame.blurred || !controls.blur;
}

// What outlasts the program: "nothing is stored", "being recorded", ...
std::string what_is_stored(const Controls& controls);

}  // namespace fer
