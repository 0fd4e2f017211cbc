#include "fer/live/window_view.h"

#include <array>
#include <ctime>
#include <opencv2/core.hpp>
#include <opencv2/highgui.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/core/error.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/vision/image_io.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

constexpr const char* kTitle = "fer-live - facial expressions, not feelings";
constexpr int kEscape = 27;

struct Key {
  const char* name;
  const char* does;
};
constexpr std::array<Key, 7> kHelp = {{{"q", "quit"},
                                       {"p", "pause"},
                                       {"s", "screenshot"},
                                       {"b", "blur faces"},
                                       {"f", "figures"},
                                       {"n", "next camera"},
                                       {"h", "this help"}}};

void put_text(cv::Mat& mat, const std::string& text, cv::Point at, double scale) {
  cv::putText(mat, text, at, cv::FONT_HERSHEY_SIMPLEX, scale, {0, 0, 0},
              static_cast<int>(5 * scale) + 2, cv::LINE_AA);
  cv::putText(mat, text, at, cv::FONT_HERSHEY_SIMPLEX, scale, {255, 255, 255},
              static_cast<int>(1.5 * scale) + 1, cv::LINE_AA);
}

std::string screenshot_name() {
  const std::time_t now = std::time(nullptr);
  std::array<char, 64> name{};
  std::strftime(name.data(), name.size(), "fer-live-%Y%m%d-%H%M%S.png", std::localtime(&now));
  return name.data();
}

}  // namespace

WindowView::WindowView(Controls& controls, ViewHooks hooks)
    : controls_(controls), hooks_(std::move(hooks)) {
  cv::namedWindow(kTitle, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO | cv::WINDOW_GUI_NORMAL);
}

WindowView::~WindowView() {
  try {
    cv::destroyWindow(kTitle);
    cv::pollKey();                  // or GTK keeps it on the screen until something else asks
  } catch (const cv::Exception&) {  // its user closed it
  }
}

void WindowView::step() {
  if (auto newer = slot_.take_within(std::chrono::milliseconds(15))) frame_ = *newer;
  if (frame_) draw();
  const int key = cv::pollKey();
  if (key > 0) press(key & 0xFF);
  if (shown_ && cv::getWindowProperty(kTitle, cv::WND_PROP_VISIBLE) < 1) controls_.quit = true;
}

void WindowView::draw() {
  const ProfileScope scope("show");
  cv::Mat picture;
  const bool hidden = !may_be_shown(*frame_, controls_);
  if (hidden) {
    picture = cv::Mat(frame_->overlay.height, frame_->overlay.width, CV_8UC3, {90, 90, 90});
  } else {
    cv::cvtColor(as_mat(frame_->overlay), picture, cv::COLOR_RGB2BGR);
  }
  const double scale = std::max(0.5, picture.cols / 1400.0);
  const int line = static_cast<int>(34 * scale);
  std::string text = hooks_.notice();
  if (text.empty() && std::chrono::steady_clock::now() < message_until_) text = message_;
  if (text.empty() && controls_.paused) text = "paused";
  if (hidden)
    text += text.empty() ? "blurred with the next frame" : "; blurred with the next frame";
  if (text.empty()) text = "h: help";
  put_text(picture, text, {line / 3, picture.rows - line / 3}, scale);
  for (std::size_t i = 0; help_ && i < kHelp.size(); ++i) {
    const int y = picture.rows / 2 + (static_cast<int>(i) - 3) * line;
    put_text(picture, kHelp[i].name, {picture.cols / 2 - 4 * line, y}, scale);
    put_text(picture, kHelp[i].does, {picture.cols / 2 - 3 * line, y}, scale);
  }
  if (!shown_) cv::resizeWindow(kTitle, picture.cols, picture.rows);
  shown_ = true;
  cv::imshow(kTitle, picture);
}

void WindowView::say(const std::string& text) {
  message_ = text;
  message_until_ = std::chrono::steady_clock::now() + std::chrono::seconds(2);
}

void WindowView::press(int key) {
  switch (key) {
    case 'q':
    case kEscape:
      controls_.quit = true;
      break;
    case 'p':
    case ' ':
      controls_.paused = !controls_.paused;
      break;
    case 's':
      if (!frame_ || !may_be_shown(*frame_, controls_)) break;
      try {
        const std::string name = screenshot_name();
        write_image(name, frame_->overlay);
        say(name);
      } catch (const Error& error) {
        say(error.what());
      }
      break;
    case 'b':
      controls_.blur = !controls_.blur;
      say(controls_.blur ? "faces are blurred" : "faces are shown");
      break;
    case 'f':
      controls_.figures = !controls_.figures;
      break;
    case 'n':
      say(hooks_.next_camera());
      break;
    case 'h':
    case '?':
      help_ = !help_;
      break;
    default:
      break;
  }
}

}  // namespace fer
