#include "fer/live/recorder.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

// What stands before a colon in a relative name would be taken for a protocol.
std::string name_for_ffmpeg(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).string();
}

// As large as fits, in the middle of black.
cv::Mat fitted(const cv::Mat& picture, const cv::Size& size) {
  const double factor = std::min(static_cast<double>(size.width) / picture.cols,
                                 static_cast<double>(size.height) / picture.rows);
  const cv::Size inner(std::clamp(cvRound(factor * picture.cols), 1, size.width),
                       std::clamp(cvRound(factor * picture.rows), 1, size.height));
  cv::Mat result(size, picture.type(), cv::Scalar::all(0));
  cv::Mat middle = result(cv::Rect((size.width - inner.width) / 2, (size.height - inner.height) / 2,
                                   inner.width, inner.height));
  cv::resize(picture, middle, inner, 0, 0, cv::INTER_AREA);
  return result;
}

}  // namespace

struct Recorder::Writer {
  cv::VideoWriter video;
  cv::Size size;
  double fps;
  double begin = 0;          // time of the first frame
  std::int64_t reached = 0;  // frames since then, had none been left out
  std::int64_t written = 0;  // frames in the file
  cv::Mat shown;             // the last picture: it lasts until the next one

  void write(const cv::Mat& picture) {
    video.write(picture);
    ++reached;
    ++written;
  }
};

Recorder::Recorder(std::filesystem::path path, Controls& controls)
    : path_(std::move(path)), controls_(controls) {
  if (to_lower(path_.extension().string()) != ".mp4") {
    fail_input(path_.string() + ": a recording is an .mp4 file");
  }
  part_ = path_;
  part_.replace_extension(".part.mp4");
  for (const auto& taken : {path_, part_}) {
    if (std::filesystem::exists(taken)) fail_input(taken.string() + ": exists already");
  }
  controls_.recording = true;
}

Recorder::~Recorder() {
  try {
    finish();
  } catch (const std::exception& error) {
    log_warning(error.what());
  }
}

void Recorder::put(const LiveFramePtr& frame) {
  const ProfileScope scope("encode");
  if (!writer_) {
    writer_ = std::make_unique<Writer>();
    writer_->size = {frame->overlay.width, frame->overlay.height};
    writer_->fps = frame->source_fps >= 1 ? std::min(frame->source_fps, 60.0) : 25;
    writer_->begin = frame->time;
    if (!writer_->video.open(name_for_ffmpeg(part_), cv::CAP_FFMPEG,
                             cv::VideoWriter::fourcc('m', 'p', '4', 'v'), writer_->fps,
                             writer_->size)) {
      fail_runtime(path_.string() + ": cannot be written as a video");
    }
  }
  cv::Mat picture;
  cv::cvtColor(as_mat(frame->overlay), picture, cv::COLOR_RGB2BGR);
  if (picture.size() != writer_->size) picture = fitted(picture, writer_->size);
  const auto due = std::llround((frame->time - writer_->begin) * writer_->fps) + 1;
  // A source that was away for long does not fill the disk with its last picture.
  writer_->reached = std::max<std::int64_t>(writer_->reached, due - std::llround(5 * writer_->fps));
  while (writer_->reached < due - 1) writer_->write(writer_->shown);
  if (writer_->reached < due) writer_->write(picture);
  writer_->shown = picture;
}

// OpenCV says nothing of what it could not write: the file itself is asked.
void Recorder::finish() {
  controls_.recording = false;
  if (!writer_) return;
  const std::int64_t written = writer_->written;
  writer_.reset();
  const cv::VideoCapture video(name_for_ffmpeg(part_), cv::CAP_FFMPEG);
  if (!video.isOpened() ||
      video.get(cv::CAP_PROP_FRAME_COUNT) < static_cast<double>(written) - 0.5) {
    fail_runtime(path_.string() + ": could not be written to its end (is the disk full?); " +
                 part_.string() + " is what there is of it");
  }
  std::filesystem::rename(part_, path_);
}

}  // namespace fer
