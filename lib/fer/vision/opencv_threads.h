// How many threads OpenCV uses is one number of the whole process, which belongs to the program
// around this library. Who needs another one for a while says so here.
#pragma once

namespace fer {

// OpenCV uses so many threads while this lives: as many as the newest of those alive asks for. When
// the last one is gone it is again as it was before the first. From any thread.
class OpencvThreads {
 public:
  explicit OpencvThreads(int threads);
  ~OpencvThreads();
  OpencvThreads(const OpencvThreads&) = delete;
  OpencvThreads& operator=(const OpencvThreads&) = delete;

 private:
  int threads_;
};

}  // namespace fer
