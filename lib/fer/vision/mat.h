// The seam between fer::Image and OpenCV, for the .cpp files of this room and of live, and of
// programs that have pictures as cv::Mat.
#pragma once

#include "fer/core/image.h"

namespace cv {
class Mat;
}

namespace fer {

// A cv::Mat over the image's own bytes (R, G, B): no copy, valid as long as the image stands still.
// That of a const image is for reading. Throws as check_image() does.
cv::Mat as_mat(Image& image);
cv::Mat as_mat(const Image& image);

// A copy, from 8-bit gray, BGR or BGRA (whose alpha is dropped).
Image from_bgr(const cv::Mat& mat);

// Silences OpenCV's own log, once a process: what goes wrong comes back as one fer::Error.
void quiet_opencv();

}  // namespace fer
