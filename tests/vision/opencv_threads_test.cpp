#include "fer/vision/opencv_threads.h"

#include <catch2/catch.hpp>
#include <memory>
#include <opencv2/core/utility.hpp>

using namespace fer;

TEST_CASE("OpenCV has the threads of its newest user, and at the end those of before") {
  cv::setNumThreads(2);
  auto first = std::make_unique<OpencvThreads>(1);
  CHECK(cv::getNumThreads() == 1);
  auto second = std::make_unique<OpencvThreads>(3);
  CHECK(cv::getNumThreads() == 3);
  first.reset();  // not the newest
  CHECK(cv::getNumThreads() == 3);
  first = std::make_unique<OpencvThreads>(1);
  CHECK(cv::getNumThreads() == 1);
  first.reset();
  CHECK(cv::getNumThreads() == 3);
  second.reset();
  CHECK(cv::getNumThreads() == 2);
}
