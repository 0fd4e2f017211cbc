#include "fer/live/doctor.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <opencv2/core/version.hpp>
#include <opencv2/highgui.hpp>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/model/checkpoint.h"
#include "fer/vision/frame_source.h"

namespace fer {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Finding cameras() {
  std::vector<std::string> names;
  for (const Camera& camera : list_cameras()) {
    names.push_back(format("%d %s (%s%s)", camera.index, camera.name.c_str(), camera.device.c_str(),
                           ::access(camera.device.c_str(), R_OK | W_OK) == 0
                               ? ""
                               : ", not readable by this user: group video"));
  }
  if (names.empty()) return {"cameras", "none; a video file, folder or address works", false};
  return {"cameras", join(names, "; "), true};
}

Finding terminal() {
  winsize size{};
  const int fd = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);  // as the view does
  const bool there = fd >= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!there) return {"terminal", "none: the program was not started in one", false};
  return {"terminal", format("%s, %d x %d, colours: %s", environment("TERM").c_str(), size.ws_col,
                             size.ws_row, environment("COLORTERM").c_str())};
}

Finding detector_named(const std::string& kind, FaceDetectorOptions options) {
  if ((options.model.extension() == ".xml") != (kind == "haar")) options.model.clear();
  options.kind = kind;
  try {
    return {"detector", create_face_detector(options)->name()};
  } catch (const Error& error) {
    return {"detector", error.what(), false};
  }
}

Finding model_finding(const std::filesystem::path& path) {
  if (path.empty()) return {"model", "none was found; name one, or set FER_MODEL", false};
  try {
    const Checkpoint checkpoint = load_checkpoint(path);
    return {"model", format("%s: %s, sha256 %s", path.c_str(), checkpoint.spec.architecture.c_str(),
                            sha256_of_file(path).c_str())};
  } catch (const Error& error) {
    return {"model", error.what(), false};
  }
}

}  // namespace

bool display_works() {
  if (environment("DISPLAY").empty() && environment("WAYLAND_DISPLAY").empty()) return false;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    ::alarm(10);
    try {
      cv::namedWindow("fer", cv::WINDOW_AUTOSIZE);
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = read_binary_file(path);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += format("%02x", digest[i]);
  return hex;
}

std::vector<Finding> examine(const std::filesystem::path& model,
                             const FaceDetectorOptions& detector) {
  std::vector<Finding> findings;
  findings.push_back({"fer", format("%s (%s)", version(), commit())});
  findings.push_back(cameras());
  const bool display = display_works();
  findings.push_back(
      {"display", display ? "a window can be opened" : "none: the views terminal and web need none",
       display});
  findings.push_back(terminal());
  findings.push_back(detector_named("yunet", detector));
  findings.push_back(detector_named("haar", detector));
  findings.push_back(model_finding(model));
  findings.push_back({"OpenCV", CV_VERSION});
  findings.push_back({"OpenSSL", OPENSSL_VERSION_TEXT});
  return findings;
}

}  // namespace fer
