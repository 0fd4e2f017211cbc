#include "fer/track/tracker.h"

#include <algorithm>
#include <cmath>

namespace fer {

namespace {

// 1 at the same place and 0 a face's size away; below 0 where it cannot be the same face.
float nearness(const Box& a, const Box& b) {
  const float size_a = std::sqrt(a.width * a.height), size_b = std::sqrt(b.width * b.height);
  if (std::max(size_a, size_b) > 1.6f * std::min(size_a, size_b)) return -1;
  const float dx = (a.x + a.width / 2) - (b.x + b.width / 2);
  const float dy = (a.y + a.height / 2) - (b.y + b.height / 2);
  return 1 - std::hypot(dx, dy) / std::max(size_a, size_b);
}

}  // namespace

std::vector<int> Tracker::update(std::span<const Box> boxes, double time, double at_least) {
  const double longest = std::max(options_.remember, at_least);
  std::erase_if(tracks_, [&](const Track& t) { return time - t.seen > longest; });

  std::vector<int> ids(boxes.size(), 0);
  std::vector<bool> taken(tracks_.size(), false);
  const auto match = [&](auto likeness, float least) {
    struct Pair {
      float likeness;
      std::size_t track, box;
    };
    std::vector<Pair> pairs;
    for (std::size_t t = 0; t < tracks_.size(); ++t) {
      for (std::size_t b = 0; b < boxes.size(); ++b) {
        const float value = likeness(tracks_[t].box, boxes[b]);
        if (value >= least) pairs.push_back({value, t, b});
      }
    }
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.likeness > b.likeness; });
    for (const Pair& pair : pairs) {
      if (taken[pair.track] || ids[pair.box] != 0) continue;
      taken[pair.track] = true;
      ids[pair.box] = tracks_[pair.track].id;
      tracks_[pair.track].box = boxes[pair.box];
      tracks_[pair.track].seen = time;
    }
  };
  match(intersection_over_union, options_.min_iou);
  match(nearness, 0.0f);

  for (std::size_t b = 0; b < boxes.size(); ++b) {
    if (ids[b] != 0) continue;
    ids[b] = ++last_id_;
    tracks_.push_back({ids[b], boxes[b], time});
  }
  return ids;
}

bool Tracker::remembers(int id) const {
  return std::any_of(tracks_.begin(), tracks_.end(), [&](const Track& t) { return t.id == id; });
}

std::vector<Box> Tracker::boxes() const {
  std::vector<Box> boxes;
  for (const Track& track : tracks_) boxes.push_back(track.box);
  return boxes;
}

}  // namespace fer
