#include "fer/live/recorder.h"

#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "fer/core/error.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/vision/mat.h"

namespace fer {

struct Recorder::Writer {
  cv::VideoWriter video;
  cv::Size size;
  double begin = 0;          // time of the first frame
  std::int64_t written = 0;  // frames
};

Recorder::Recorder(std::filesystem::path path, double fps, Controls& controls)
    : path_(std::move(path)), fps_(fps), controls_(controls) {
  if (to_lower(path_.extension().string()) != ".mp4") {
    fail_input(path_.string() + ": a recording is an .mp4 file");
  }
  if (std::filesystem::exists(path_)) fail_input(path_.string() + ": exists already");
  controls_.recording = true;
}

Recorder::~Recorder() { finish(); }

void Recorder::put(const LiveFramePtr& frame) {
  const ProfileScope scope("encode");
  if (!writer_) {
    writer_ = std::make_unique<Writer>();
    writer_->size = {frame->overlay.width, frame->overlay.height};
    writer_->begin = frame->time;
    if (!writer_->video.open(path_.string(), cv::CAP_FFMPEG,
                             cv::VideoWriter::fourcc('m', 'p', '4', 'v'), fps_, writer_->size)) {
      fail_runtime(path_.string() + ": cannot be written as a video");
    }
  }
  cv::Mat picture;
  cv::cvtColor(as_mat(frame->overlay), picture, cv::COLOR_RGB2BGR);
  if (picture.size() != writer_->size) cv::resize(picture, picture, writer_->size);
  const auto due = std::llround((frame->time - writer_->begin) * fps_) + 1;
  // A source that was away for long does not fill the disk with its last picture.
  writer_->written = std::max<std::int64_t>(writer_->written, due - std::llround(5 * fps_));
  for (; writer_->written < due; ++writer_->written) writer_->video.write(picture);
}

void Recorder::finish() {
  writer_.reset();
  controls_.recording = false;
}

}  // namespace fer
