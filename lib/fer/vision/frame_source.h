// Pictures that follow each other: a camera, a video file, a network stream or a folder of images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fer/core/image.h"

namespace fer {

struct Frame {
  Image image;             // RGB, upright as the file says
  std::int64_t index = 0;  // 0, 1, 2 ... as the source delivers them
  double time = 0;  // seconds: of the recording for files, since opening for cameras and streams
};

// rtsp://..., http://..., file://...: what FFmpeg opens by itself.
bool is_address(const std::string& source);
// What of an address may stand in a log or a result: no user, password or query, which often holds
// a token. What is no address as it is.
std::string without_secrets(const std::string& source);

struct FrameSourceOptions {
  bool file = false;  // the source is a file, also when its name is a number
  std::string source =
      "0";        // camera index, /dev/video*, rtsp:// or http:// address, video file, folder
  int width = 0;  // asked of a camera; 0: its own choice
  int height = 0;
  double fps = 0;  // asked of a camera; of a folder of images: what their times count by (0: 25)
  // Seconds without a frame after which a camera or stream counts as lost. A camera's are whole
  // ones from 1 on, and those of the first that is opened count for all of the process.
  double timeout = 5;
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // "camera 0", "clip.mp4"; of an address without password and query: it may stand in a log.
  virtual std::string name() const = 0;
  // A camera or a stream: it has no end, and what is not read in time is gone. A file at an address
  // is none.
  virtual bool live() const = 0;
  virtual double fps() const = 0;  // 0: unknown
  // The next frame; nothing at the end of a file or folder. Throws kRuntime when a camera or stream
  // is lost (open it again) or a frame of a file cannot be decoded, and kInput on an image file
  // that cannot be read (the next call goes on).
  virtual std::optional<Frame> next() = 0;
  // Passes over a frame, cheaper than next() where nothing need be decoded; false at the end.
  virtual bool skip() = 0;
};

// Throws kInput, naming the source and what is wrong, when it cannot be opened.
std::unique_ptr<FrameSource> open_frame_source(const FrameSourceOptions& options);

struct Camera {
  int index = 0;
  std::string device;  // /dev/video0
  std::string name;    // what the driver calls it
};
// Those whose driver can be asked, by index. drivers: where the kernel lists them.
std::vector<Camera> list_cameras(const std::filesystem::path& drivers = "/sys/class/video4linux");

}  // namespace fer
