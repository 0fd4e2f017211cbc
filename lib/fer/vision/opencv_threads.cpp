#include "fer/vision/opencv_threads.h"

#include <list>
#include <mutex>
#include <opencv2/core.hpp>

namespace fer {
namespace {

struct Users {
  std::mutex mutex;
  std::list<const OpencvThreads*> alive;  // the newest last
  int before = 0;
};

Users& users() {
  static auto* instance = new Users;  // never destroyed: a user may be a static object
  return *instance;
}

}  // namespace

OpencvThreads::OpencvThreads(int threads) : threads_(threads) {
  const std::lock_guard lock(users().mutex);
  if (users().alive.empty()) users().before = cv::getNumThreads();
  users().alive.push_back(this);
  cv::setNumThreads(threads_);
}

OpencvThreads::~OpencvThreads() {
  const std::lock_guard lock(users().mutex);
  users().alive.remove(this);
  cv::setNumThreads(users().alive.empty() ? users().before : users().alive.back()->threads_);
}

}  // namespace fer
