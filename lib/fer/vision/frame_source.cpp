#include "fer/vision/frame_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <system_error>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/data/image_files.h"
#include "fer/vision/image_io.h"
#include "fer/vision/mat.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

// Why a camera cannot be opened, as far as the system says.
std::string trouble_with(const std::string& device) {
  const int file = ::open(device.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (file >= 0) {
    ::close(file);
    return "cannot be opened: perhaps another program uses it, or it is no camera";
  }
  if (errno == ENOENT) return "there is no " + device;
  if (errno == EACCES) {
    return "this user may not open " + device +
           " (usually: sudo usermod -aG video $USER, and log in again)";
  }
  return "cannot be opened: " + std::generic_category().message(errno);
}

// OpenCV 4.6 turns what a phone filmed upright the wrong way, by -90 for 90 degrees
// (opencv/opencv#22088): there the pictures come as they lie in the file, and this is how they have
// to be turned. -1: not at all.
int turn_of(cv::VideoCapture& capture) {
  if (cv::getVersionMajor() != 4 || cv::getVersionMinor() != 6) return -1;
  if (!capture.set(cv::CAP_PROP_ORIENTATION_AUTO, 0)) return -1;
  switch (std::lround(capture.get(cv::CAP_PROP_ORIENTATION_META))) {
    case 90:
      return cv::ROTATE_90_COUNTERCLOCKWISE;
    case 180:
      return cv::ROTATE_180;
    case 270:
      return cv::ROTATE_90_CLOCKWISE;
    default:
      return -1;
  }
}

// As DVD, HDV and AVCHD have others than 1; what is out of all reason is none.
double pixel_aspect_of(const cv::VideoCapture& capture) {
  const double width = capture.get(cv::CAP_PROP_SAR_NUM),
               height = capture.get(cv::CAP_PROP_SAR_DEN);
  const double aspect = width > 0 && height > 0 ? width / height : 1;
  return aspect > 0.25 && aspect < 4 ? aspect : 1;
}

class CaptureSource : public FrameSource {
 public:
  explicit CaptureSource(const FrameSourceOptions& options) {
    const std::string& source = options.source;
    long long index = 0;
    const bool numbered = !options.file && parse_int(source, index);
    const bool camera = numbered || (!options.file && source.starts_with("/dev/"));
    const bool address = !options.file && source.find("://") != std::string::npos;
    live_ = camera || address;
    name_ = numbered ? "camera " + source : address ? without_secrets(source) : source;
    if (numbered && (index < 0 || index > 255)) fail_input("no camera is numbered " + source);

    quiet_opencv();
    ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);  // AV_LOG_QUIET, unless the user wants to see it
    const int milliseconds = static_cast<int>(options.timeout * 1000);
    if (camera) {
      // OpenCV's V4L2 has no property for it, and reads this when it waits for the first time.
      const int seconds = std::max(1, static_cast<int>(std::ceil(options.timeout)));
      ::setenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", std::to_string(seconds).c_str(), 0);
    }
    try {
      if (numbered) {
        capture_.open(static_cast<int>(index), cv::CAP_V4L2);
      } else if (camera) {
        capture_.open(source, cv::CAP_V4L2);
      } else {
        std::vector<int> limits;
        if (address)
          limits = {cv::CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv::CAP_PROP_READ_TIMEOUT_MSEC,
                    milliseconds};
        // What stands before a colon would be taken for a protocol.
        const bool relative = !address && !source.starts_with("/");
        capture_.open((relative ? "./" : "") + source, cv::CAP_FFMPEG, limits);
      }
      if (!capture_.isOpened()) {
        fail_input(name_ + ": " +
                   (camera  ? trouble_with(numbered ? "/dev/video" + source : source)
                    : live_ ? "cannot be opened"
                            : "not a video that can be read"));
      }
      if (camera) {
        // OpenCV asks V4L2 once it has both.
        const double width = capture_.get(cv::CAP_PROP_FRAME_WIDTH),
                     height = capture_.get(cv::CAP_PROP_FRAME_HEIGHT);
        if (options.width > 0 || options.height > 0) {
          capture_.set(cv::CAP_PROP_FRAME_WIDTH, options.width > 0 ? options.width : width);
          capture_.set(cv::CAP_PROP_FRAME_HEIGHT, options.height > 0 ? options.height : height);
        }
        if (options.fps > 0) capture_.set(cv::CAP_PROP_FPS, options.fps);
      }
      if (!camera) turn_ = turn_of(capture_);
      if (!camera) pixel_aspect_ = pixel_aspect_of(capture_);
      const double fps = capture_.get(cv::CAP_PROP_FPS),
                   count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
      if (fps > 0 && fps < 1000) fps_ = fps;
      const bool finite = count > 0 && count < 1e12;
      if (address && finite) live_ = false;  // a file that comes over the network
    } catch (const cv::Exception& error) {
      fail_input(name_ + ": cannot be opened: " + trim(error.err));
    }
  }

  std::string name() const override { return name_; }
  bool live() const override { return live_; }
  double fps() const override { return fps_; }

  std::optional<Frame> next() override {
    if (!grab()) return std::nullopt;
    Frame frame;
    frame.index = index_++;
    frame.time = time_;
    cv::Mat mat;
    try {
      if (!capture_.retrieve(mat))
        fail_runtime(name_ +
                     format(": frame %lld cannot be decoded", static_cast<long long>(frame.index)));
      if (pixel_aspect_ != 1) {
        const int width = static_cast<int>(std::lround(mat.cols * pixel_aspect_));
        cv::resize(mat, mat, cv::Size(std::max(1, width), mat.rows), 0, 0, cv::INTER_LINEAR);
      }
      if (turn_ >= 0) cv::rotate(mat, mat, turn_);
    } catch (const cv::Exception& error) {
      fail_runtime(name_ + ": " + trim(error.err));
    }
    frame.image = from_bgr(mat);
    return frame;
  }

  bool skip() override {
    if (!grab()) return false;
    ++index_;
    return true;
  }

 private:
  bool grab() {
    bool grabbed = false;
    // OpenCV stops at a damaged place and within a long pause as at the end; the next tries go on
    // behind it, and at the end all fail at once.
    constexpr int kTries = 256;
    for (int tries = 0; !grabbed && tries < (live_ ? 1 : kTries); ++tries) {
      try {
        grabbed = capture_.grab();
      } catch (const cv::Exception&) {
      }
    }
    if (!grabbed && live_) fail_runtime(name_ + ": no more frames; the connection is lost");
    if (!grabbed) return false;
    if (live_) {
      time_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - opened_).count();
    } else {
      // Where the container has no times the frames are counted.
      const double stamp = capture_.get(cv::CAP_PROP_POS_MSEC) / 1000;
      const double counted = fps_ > 0 ? static_cast<double>(index_) / fps_ : 0;
      timed_ |= stamp > 0;
      if (index_ == 0 || stamp > time_) {
        time_ = std::max(stamp, 0.0);
      } else if (!timed_) {
        time_ = std::max(time_, counted);
      } else if (stamp < time_ && fps_ > 0) {
        time_ += 1 / fps_;
      }
    }
    return true;
  }

  cv::VideoCapture capture_;
  std::string name_;
  bool live_ = false;
  int turn_ = -1;            // cv::RotateFlags
  double pixel_aspect_ = 1;  // a stored pixel's width over its height
  bool timed_ = false;       // the container has times
  double fps_ = 0;
  std::int64_t index_ = 0;
  double time_ = 0;
  std::chrono::steady_clock::time_point opened_ = std::chrono::steady_clock::now();
};

class FolderSource : public FrameSource {
 public:
  explicit FolderSource(const FrameSourceOptions& options)
      : folder_(options.source),
        fps_(options.fps > 0 ? options.fps : 25),
        files_(image_files(folder_)) {
    if (files_.empty()) fail_input(folder_ + ": the folder has no image in it");
  }
  std::string name() const override { return folder_; }
  bool live() const override { return false; }
  double fps() const override { return fps_; }
  std::optional<Frame> next() override {
    if (at_ >= files_.size()) return std::nullopt;
    const auto index = static_cast<std::int64_t>(at_++);
    return Frame{to_rgb(read_image(files_[static_cast<std::size_t>(index)])), index,
                 static_cast<double>(index) / fps_};
  }
  bool skip() override { return at_ < files_.size() && ++at_ > 0; }

 private:
  std::string folder_;
  double fps_;
  std::vector<fs::path> files_;
  std::size_t at_ = 0;
};

}  // namespace

bool is_address(const std::string& source) { return source.find("://") != std::string::npos; }

std::string without_secrets(const std::string& source) {
  if (!is_address(source)) return source;
  const std::size_t begin = source.find("://") + 3, colon = source.find(':', begin);
  const std::size_t path = std::min(source.find_first_of("/?#", begin), source.size());
  // User and password end at the last @ before the path, as FFmpeg has it.
  std::size_t at = source.rfind('@', path);
  // A password that holds one of these without escaping it: what looks like a port is none.
  if (at == std::string::npos && colon < path &&
      source.find_first_not_of("0123456789", colon + 1) < path) {
    at = source.rfind('@');
  }
  const std::size_t host = at == std::string::npos ? begin : at + 1;
  return source.substr(0, begin) + source.substr(host, source.find_first_of("?#", host) - host);
}

std::unique_ptr<FrameSource> open_frame_source(const FrameSourceOptions& options) {
  std::error_code unknown;
  if (!options.file && fs::is_directory(options.source, unknown))
    return std::make_unique<FolderSource>(options);
  const bool file =
      options.file || (!is_address(options.source) && !options.source.starts_with("/dev/") &&
                       options.source.find_first_not_of("0123456789") != std::string::npos);
  if (file && !fs::exists(options.source, unknown))
    fail_input(options.source + ": no such file, folder or camera");
  return std::make_unique<CaptureSource>(options);
}

std::vector<Camera> list_cameras(const fs::path& drivers) {
  // Of a camera that is pulled out meanwhile nothing can be read.
  const auto line = [](const fs::path& path) -> std::optional<std::string> {
    try {
      return trim(read_text_file(path));
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  std::vector<Camera> cameras;
  std::error_code error;
  for (fs::directory_iterator entry(drivers, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string device = entry->path().filename().string();
    long long index = 0;
    if (!device.starts_with("video") || !parse_int(device.substr(5), index)) continue;
    // A camera has further nodes, for its metadata; the first carries the picture.
    if (line(entry->path() / "index").value_or("0") != "0") continue;
    if (const auto name = line(entry->path() / "name")) {
      cameras.push_back({static_cast<int>(index), "/dev/" + device, *name});
    }
  }
  std::sort(cameras.begin(), cameras.end(),
            [](const Camera& a, const Camera& b) { return a.index < b.index; });
  return cameras;
}

}  // namespace fer
