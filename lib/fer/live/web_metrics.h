// The live server's figures for monitoring, in Prometheus' text format (version 0.0.4).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "fer/live/latency.h"
#include "fer/live/pipeline.h"

namespace fer {

// What the server counts, in its own thread.
struct WebCounts {
  int clients = 0;                      // connections now
  int websockets = 0;                   // among them
  std::atomic<int> viewers{0};          // readers of /stream.mjpg; read by other threads
  std::map<int, std::int64_t> answers;  // by HTTP status
  std::int64_t frames_answered = 0;     // of WebSocket clients
  std::int64_t frames_dropped = 0;      // superseded by a newer one of the same client
  std::int64_t frames_refused = 0;      // no picture, or too many a second
  Latencies frame_latency;              // from a frame's arrival to its answer
};

// pipeline: the camera's, or null without one.
std::string metrics_text(const WebCounts& web, const SharedRecognizer::Counts& batches,
                         const Pipeline* pipeline);

}  // namespace fer
