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

using Pair = std::pair<std::size_t, std::size_t>;

std::vector<Pair> near_pairs(const std::vector<Picture>& pictures, const AuditOptions& options) {
  std::vector<Pair> candidates;
  for (int band = 0; band < kBands; ++band) {
    std::array<std::vector<std::size_t>, 256> buckets;
    const auto byte = [](std::uint64_t hash, int b) { return (hash >> (8 * b)) & 255; };
    for (std::size_t i = 0; i < pictures.size(); ++i)
      buckets[byte(pictures[i].hash, band)].push_back(i);
    for (const auto& bucket : buckets) {
      for (std::size_t a = 0; a < bucket.size(); ++a) {
        for (std::size_t b = a + 1; b < bucket.size(); ++b) {
          const std::uint64_t differing = pictures[bucket[a]].hash ^ pictures[bucket[b]].hash;
          if (std::popcount(differing) > options.hash_distance) continue;
          bool seen = false;  // in the bucket of an earlier byte
          for (int earlier = 0; earlier < band; ++earlier) seen |= byte(differing, earlier) == 0;
          if (!seen) candidates.emplace_back(bucket[a], bucket[b]);
        }
      }
    }
  }
  std::erase_if(candidates, [&](const Pair& pair) {
    return correlation(pictures[pair.first].thumbnail, pictures[pair.second].thumbnail) <
           options.min_correlation;
  });
  return candidates;
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

std::vector<DuplicateGroup> near_groups(const std::vector<Picture>& pictures,
                                        const std::vector<Pair>& pairs,
                                        const std::vector<Entry>& samples) {
  std::vector<std::size_t> parent(pictures.size());
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&parent](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (const auto& [a, b] : pairs) parent[std::max(root(a), root(b))] = std::min(root(a), root(b));
  std::map<std::size_t, std::vector<std::size_t>> members;
  std::map<std::size_t, int> sizes;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    auto& list = members[root(i)];
    list.insert(list.end(), pictures[i].samples.begin(), pictures[i].samples.end());
    ++sizes[root(i)];
  }
  std::vector<DuplicateGroup> groups;
  for (auto& [first, list] : members) {
    if (sizes[first] > 1) groups.push_back(make_group(std::move(list), samples));
  }
  return groups;
}

void count_leak(const Picture& held_out, const std::vector<const Picture*>& twins,
                const std::vector<Entry>& samples, std::array<Leak, 3>& leaks) {
  std::vector<int> train_labels;
  for (const Picture* twin : twins) {
    for (const std::size_t s : twin->samples) {
      if (samples[s].ref.split == Split::kTrain) train_labels.push_back(samples[s].label);
    }
  }
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

Audit audit(const OpenedDataset& data, const AuditOptions& options) {
  if (options.hash_distance < 0 || options.hash_distance >= kBands) {
    fail_input(format("hash_distance is %d, expected 0 to %d", options.hash_distance, kBands - 1));
  }
  const std::vector<Entry> samples = describe_samples(data, options);
  const std::vector<Picture> pictures = distinct_pictures(samples, data);
  const std::vector<Pair> pairs = near_pairs(pictures, options);

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
  result.near = near_groups(pictures, pairs, samples);
  result.repeated = static_cast<std::int64_t>(samples.size() - pictures.size());

  std::vector<std::vector<const Picture*>> near_twins(pictures.size());
  for (const auto& [a, b] : pairs) {
    near_twins[a].push_back(&pictures[b]);
    near_twins[b].push_back(&pictures[a]);
  }
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const bool in_training = samples[pictures[i].samples.front()].ref.split == Split::kTrain;
    if (in_training) {
      count_leak(pictures[i], {&pictures[i]}, samples, result.exact_leaks);
    } else {
      count_leak(pictures[i], near_twins[i], samples, result.near_leaks);
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
