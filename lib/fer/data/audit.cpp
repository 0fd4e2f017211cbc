#include "fer/data/audit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <unordered_map>

#include "fer/core/error.h"
#include "fer/core/hash.h"
#include "fer/core/parallel.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"

namespace fer {
namespace {

constexpr std::array kSplits = {Split::kTrain, Split::kVal, Split::kTest};
constexpr int kThumbnail = 24;
constexpr int kBands = 8;  // bytes of a hash: hashes within 7 bits agree in at least one

std::uint64_t content_hash(const Image& image) {
  Fingerprint hash;
  hash.add(std::to_string(image.width) + "x" + std::to_string(image.channels) + ":");
  hash.add(image.pixels);
  return hash.value();
}

struct Entry {
  SampleRef ref;
  int label = -1;
  std::uint64_t content = 0;
  double deviation = 0;
  bool shows_face = true;
};

// One of the pictures that differ, and who shows it.
struct Picture {
  std::vector<std::size_t> samples;
  std::uint64_t hash = 0;
  std::vector<std::uint8_t> thumbnail;
};

double tone_deviation(const Image& image) {
  double sum = 0, squares = 0;
  for (const std::uint8_t p : image.pixels) {
    sum += p;
    squares += static_cast<double>(p) * p;
  }
  const auto n = static_cast<double>(image.pixels.size());
  return std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

std::uint64_t difference_hash(const Image& gray) {
  const Image small = resize(gray, 9, 8);
  std::uint64_t hash = 0;
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) hash = hash << 1 | (small.at(x, y) < small.at(x + 1, y) ? 1u : 0u);
  }
  return hash;
}

double correlation(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    sa += x, sb += y, saa += x * x, sbb += y * y, sab += x * y;
  }
  const auto n = static_cast<double>(a.size());
  const double spread = (saa - sa * sa / n) * (sbb - sb * sb / n);
  return spread > 0 ? (sab - sa * sb / n) / std::sqrt(spread) : 0;
}

std::vector<Entry> describe_samples(const OpenedDataset& data, const AuditOptions& options) {
  std::vector<Entry> samples;
  for (const Split split : kSplits) {
    for (std::int64_t i = 0; i < data.split(split).size(); ++i) {
      samples.push_back({{split, i}, data.split(split).target(i, 0).label});
    }
  }
  const auto total = static_cast<std::int64_t>(samples.size());
  std::mutex mutex;
  std::int64_t done = 0;
  Progress progress("Looking", total, "images");
  parallel_for(total, [&](std::int64_t i) {
    Entry& sample = samples[static_cast<std::size_t>(i)];
    const Image image = data.split(sample.ref.split).image(sample.ref.index);
    sample.content = content_hash(image);
    sample.deviation = tone_deviation(image);
    if (options.shows_face) sample.shows_face = options.shows_face(image);
    const std::lock_guard lock(mutex);
    progress.update(++done);
  });
  return samples;
}

// Pictures in the order of their first sample.
std::vector<Picture> distinct_pictures(const std::vector<Entry>& samples,
                                       const OpenedDataset& data) {
  std::vector<Picture> pictures;
  std::unordered_map<std::uint64_t, std::size_t> known;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const auto [found, is_new] = known.emplace(samples[s].content, pictures.size());
    if (is_new) pictures.emplace_back();
    pictures[found->second].samples.push_back(s);
  }
  parallel_for(static_cast<std::int64_t>(pictures.size()), [&](std::int64_t i) {
    Picture& picture = pictures[static_cast<std::size_t>(i)];
    const SampleRef ref = samples[picture.samples.front()].ref;
    const Image gray = to_gray(data.split(ref.split).image(ref.index));
    picture.hash = difference_hash(gray);
    picture.thumbnail = resize(gray, kThumbnail, kThumbnail).pixels;
  });
  return pictures;
}

std::set<int> train_labels(const Picture& picture, const std::vector<Entry>& samples) {
  std::set<int> labels;
  for (const std::size_t s : picture.samples) {
    if (samples[s].ref.split == Split::kTrain) labels.insert(samples[s].label);
  }
  return labels;
}

// What the pairs of near pictures amount to. The pairs themselves are not kept: the frames of a
// film are all alike, and of a few thousand there are millions.
class NearTwins {
 public:
  NearTwins(const std::vector<Picture>& pictures, const std::vector<Entry>& samples)
      : parent_(pictures.size()), train_twins_(pictures.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Picture& picture : pictures) own_.push_back(train_labels(picture, samples));
  }

  // Of one group already, and nothing to learn of leaks.
  bool settled(std::size_t a, std::size_t b) {
    return group(a) == group(b) && !leaks(a, b) && !leaks(b, a);
  }
  void add(std::size_t a, std::size_t b) {
    const std::size_t first = std::min(group(a), group(b));
    parent_[std::max(group(a), group(b))] = first;
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      if (leaks(from, to)) train_twins_[to].insert(own_[from].begin(), own_[from].end());
    }
  }

  std::size_t group(std::size_t i) {  // its first picture
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  // Labels of the near twins in training; none for a picture that is in training itself.
  const std::set<int>& train_twins(std::size_t i) const { return train_twins_[i]; }

 private:
  // Whether `to` is held out and `from` in training under a label that is not known yet.
  bool leaks(std::size_t from, std::size_t to) const {
    return own_[to].empty() && !std::ranges::includes(train_twins_[to], own_[from]);
  }

  std::vector<std::size_t> parent_;
  std::vector<std::set<int>> own_, train_twins_;
};

NearTwins find_near_twins(const std::vector<Picture>& pictures, const std::vector<Entry>& samples,
                          const AuditOptions& options) {
  NearTwins twins(pictures, samples);
  const auto byte = [](std::uint64_t hash, int b) { return (hash >> (8 * b)) & 255; };
  const auto look = [&](std::size_t a, std::size_t b, int band) {
    const std::uint64_t differing = pictures[a].hash ^ pictures[b].hash;
    if (std::popcount(differing) > options.hash_distance) return;
    for (int earlier = 0; earlier < band; ++earlier) {
      if (byte(differing, earlier) == 0) return;  // was in the bucket of that byte
    }
    if (twins.settled(a, b)) return;
    if (correlation(pictures[a].thumbnail, pictures[b].thumbnail) >= options.min_correlation) {
      twins.add(a, b);
    }
  };
  for (int band = 0; band < kBands; ++band) {
    std::array<std::vector<std::size_t>, 256> buckets;
    for (std::size_t i = 0; i < pictures.size(); ++i)
      buckets[byte(pictures[i].hash, band)].push_back(i);
    for (const auto& bucket : buckets) {
      for (std::size_t a = 0; a < bucket.size(); ++a) {
        for (std::size_t b = a + 1; b < bucket.size(); ++b) look(bucket[a], bucket[b], band);
      }
    }
  }
  return twins;
}

DuplicateGroup make_group(std::vector<std::size_t> members, const std::vector<Entry>& samples) {
  std::sort(members.begin(), members.end());
  DuplicateGroup group;
  std::set<int> labels;
  for (const std::size_t s : members) {
    group.members.push_back(samples[s].ref);
    if (samples[s].label >= 0) labels.insert(samples[s].label);
  }
  group.across_splits = group.members.front().split != group.members.back().split;
  group.conflicting = labels.size() > 1;
  return group;
}

std::vector<DuplicateGroup> near_groups(const std::vector<Picture>& pictures, NearTwins& twins,
                                        const std::vector<Entry>& samples) {
  std::map<std::size_t, std::vector<std::size_t>> members;
  std::map<std::size_t, int> sizes;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    auto& list = members[twins.group(i)];
    list.insert(list.end(), pictures[i].samples.begin(), pictures[i].samples.end());
    ++sizes[twins.group(i)];
  }
  std::vector<DuplicateGroup> groups;
  for (auto& [first, list] : members) {
    if (sizes[first] > 1) groups.push_back(make_group(std::move(list), samples));
  }
  return groups;
}

// train_labels: of its twins in training.
void count_leak(const Picture& held_out, const std::set<int>& train_labels,
                const std::vector<Entry>& samples, std::array<Leak, 3>& leaks) {
  if (train_labels.empty()) return;
  for (const std::size_t s : held_out.samples) {
    const Entry& sample = samples[s];
    if (sample.ref.split == Split::kTrain) continue;
    Leak& leak = leaks[static_cast<std::size_t>(sample.ref.split)];
    ++leak.images;
    leak.conflicting += std::any_of(train_labels.begin(), train_labels.end(), [&](int label) {
      return label >= 0 && sample.label >= 0 && label != sample.label;
    });
  }
}

}  // namespace

bool Audit::leaks() const {
  return std::any_of(exact_leaks.begin(), exact_leaks.end(),
                     [](const Leak& leak) { return leak.images > 0; });
}

void check(const AuditOptions& options) {
  if (options.hash_distance < 0 || options.hash_distance >= kBands) {
    fail_input(format("hash_distance is %d, expected 0 to %d", options.hash_distance, kBands - 1));
  }
  if (!(options.min_correlation >= -1 && options.min_correlation <= 1)) {
    fail_input(format("min_correlation is %g, expected -1 to 1", options.min_correlation));
  }
  if (!(options.blank_deviation >= 0 && options.blank_deviation <= 128)) {
    fail_input(format("blank_deviation is %g, expected 0 to 128", options.blank_deviation));
  }
}

Audit audit(const OpenedDataset& data, const AuditOptions& options) {
  check(options);
  const std::vector<Entry> samples = describe_samples(data, options);
  const std::vector<Picture> pictures = distinct_pictures(samples, data);
  NearTwins twins = find_near_twins(pictures, samples, options);

  Audit result;
  for (const Split split : kSplits) {
    result.class_counts[static_cast<std::size_t>(split)] = class_counts(data.split(split));
  }
  if (options.shows_face) result.faceless.emplace();
  for (const Entry& sample : samples) {
    if (sample.deviation < options.blank_deviation) {
      result.blank.push_back(sample.ref);
    } else if (!sample.shows_face) {
      result.faceless->push_back(sample.ref);
    }
  }
  for (const Picture& picture : pictures) {
    if (picture.samples.size() > 1) result.exact.push_back(make_group(picture.samples, samples));
  }
  result.near = near_groups(pictures, twins, samples);
  result.repeated = static_cast<std::int64_t>(samples.size() - pictures.size());

  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::set<int> own = train_labels(pictures[i], samples);
    if (!own.empty()) {
      count_leak(pictures[i], own, samples, result.exact_leaks);
    } else {
      count_leak(pictures[i], twins.train_twins(i), samples, result.near_leaks);
    }
  }
  return result;
}

std::vector<std::int64_t> also_in(const Dataset& part, const Dataset& train) {
  std::unordered_multimap<std::uint64_t, std::int64_t> known;
  for (std::int64_t i = 0; i < train.size(); ++i) known.emplace(content_hash(train.image(i)), i);
  std::vector<std::int64_t> found;
  for (std::int64_t i = 0; i < part.size(); ++i) {
    const Image image = part.image(i);
    const auto [begin, end] = known.equal_range(content_hash(image));
    if (std::any_of(begin, end,
                    [&](const auto& twin) { return train.image(twin.second) == image; })) {
      found.push_back(i);
    }
  }
  return found;
}

}  // namespace fer
