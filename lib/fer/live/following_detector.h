// A face detector that looks only now and then and follows the faces in between by their picture,
// so that a slow detector holds the frame rate.
#pragma once

#include <atomic>
#include <memory>

#include "fer/vision/face_detector.h"

namespace fer {

struct FollowOptions {
  int every = 0;                 // detect in each n-th picture; 0: as often as half the time allows
  double frame_time = 1 / 30.0;  // seconds between pictures, what 0 goes by
  // While it is true the detector looks at each picture. Null: never; else it outlives the
  // detector.
  const std::atomic<bool>* always = nullptr;
};

// detect() is called with the pictures of one camera, in order. Between two looks a face is found
// again by template matching (normalised cross-correlation) around its last place in a picture
// scaled so that faces are small; a face that cannot be found again makes the detector look at
// once. Sizes stay those of the last look.
std::unique_ptr<FaceDetector> make_following_detector(std::unique_ptr<FaceDetector> detector,
                                                      const FollowOptions& options);

}  // namespace fer
