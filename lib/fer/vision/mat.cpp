#include "fer/vision/mat.h"

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/core/error.h"
#include "fer/core/text.h"

namespace fer {

cv::Mat as_mat(Image& image) {
  check_image(image);
  return cv::Mat(image.height, image.width, CV_8UC(image.channels), image.pixels.data());
}

cv::Mat as_mat(const Image& image) { return as_mat(const_cast<Image&>(image)); }

Image from_bgr(const cv::Mat& mat) {
  if (mat.empty() || mat.depth() != CV_8U || mat.channels() == 2 || mat.channels() > 4) {
    fail_runtime(format("a picture of %d channels of type %d came from OpenCV", mat.channels(),
                        mat.depth()));
  }
  Image image(mat.cols, mat.rows, mat.channels() == 1 ? 1 : 3);
  cv::Mat target = as_mat(image);
  if (mat.channels() == 1) {
    mat.copyTo(target);
  } else {
    cv::cvtColor(mat, target, mat.channels() == 3 ? cv::COLOR_BGR2RGB : cv::COLOR_BGRA2RGB);
  }
  return image;
}

void quiet_opencv() {
  static const auto once = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  static_cast<void>(once);
}

}  // namespace fer
