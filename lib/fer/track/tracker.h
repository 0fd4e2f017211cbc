// Which face of this frame is which of the last: each keeps its number, also when it hides for a
// moment.
#pragma once

#include <span>
#include <vector>

#include "fer/core/image.h"

namespace fer {

struct TrackerOptions {
  float min_iou = 0.3f;  // boxes that overlap less are not taken for the same face at once
  // Seconds that a face may be out of sight and come back with its number. Must be longer than from
  // one frame to the next.
  double remember = 2.0;
};

class Tracker {
 public:
  explicit Tracker(const TrackerOptions& options = {}) : options_(options) {}

  // The number of each box: 1, 2, 3 ... in the order of appearance, none given twice. Pairs are
  // matched greedily by overlap (intersection over union), best first; what is left over, by
  // nearness: a centre within one face's size of where the face was last, of about the same size.
  // `time`: seconds, not falling. at_least: how long a face is remembered this time, where frames
  // lie further apart than TrackerOptions::remember.
  std::vector<int> update(std::span<const Box> boxes, double time, double at_least = 0);

  // Whether the face is in sight or may still come back.
  bool remembers(int id) const;
  // Of all these faces, each where it was seen last.
  std::vector<Box> boxes() const;

 private:
  struct Track {
    int id;
    Box box;
    double seen;
  };
  TrackerOptions options_;
  std::vector<Track> tracks_;
  int last_id_ = 0;
};

}  // namespace fer
