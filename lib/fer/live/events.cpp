#include "fer/live/events.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fer/core/error.h"
#include "fer/vision/prediction.h"

namespace fer {

using Json = nlohmann::ordered_json;

namespace {

double thousandth(double value) { return std::round(value * 1e3) / 1e3; }

}  // namespace

Json event_json(const LiveFrame& frame, const Recognizer& recognizer) {
  Json line;
  line["schema"] = kLiveSchema;
  line["source"] = frame.source;
  line["frame"] = frame.index;
  line["time"] = thousandth(frame.time);
  line["width"] = frame.image.width;
  line["height"] = frame.image.height;
  line["faces"] = Json::array();
  for (const LiveFace& face : frame.faces) {
    Json entry;
    entry["id"] = face.id;
    entry.update(face_json(face.seen, recognizer.head(), recognizer.labels()));
    const Json shown = face_json(face.shown, recognizer.head(), recognizer.labels());
    for (const char* key : {"label", "confidence", "probabilities", "uncertain"}) {
      entry[std::string("smoothed_") + key] = shown[key];
    }
    line["faces"].push_back(std::move(entry));
  }
  line["latency_ms"] = thousandth(frame.latency_ms);
  line["dropped"] = frame.dropped;
  return line;
}

std::string event_line(const Json& event) {
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

EventWriter::EventWriter(const std::string& path, const Recognizer& recognizer, Controls& controls)
    : path_(path),
      recognizer_(recognizer),
      controls_(controls),
      file_(path == "-" ? STDOUT_FILENO
                        : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_ < 0) fail_runtime(path + ": cannot be written: " + std::strerror(errno));
  controls_.storing_answers = file_ != STDOUT_FILENO;
}

std::string what_is_stored(const Controls& controls) {
  if (controls.recording) {
    return controls.storing_answers ? "pictures and answers are being recorded" : "being recorded";
  }
  return controls.storing_answers ? "answers are stored" : "nothing is stored";
}

EventWriter::~EventWriter() {
  controls_.storing_answers = false;
  if (file_ != STDOUT_FILENO) ::close(file_);
}

void EventWriter::put(const LiveFramePtr& frame) {
  if (ended_) return;
  const std::string line = event_line(event_json(*frame, recognizer_)) + '\n';
  for (std::size_t done = 0; done < line.size();) {
    // What a pipe with room takes at once, so that write() never waits for the reader.
    pollfd room{file_, POLLOUT, 0};
    if (::poll(&room, 1, 100) <= 0) {
      ended_ = controls_.quit;
      if (ended_) return;
      continue;
    }
    const std::size_t piece = std::min<std::size_t>(line.size() - done, PIPE_BUF);
    const ssize_t written = ::write(file_, line.data() + done, piece);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0 && errno != EPIPE)
      fail_runtime(path_ + ": cannot be written: " + std::strerror(errno));
    if (written < 0) {
      ended_ = controls_.quit = true;
      return;
    }
    done += static_cast<std::size_t>(written);
  }
}

}  // namespace fer
