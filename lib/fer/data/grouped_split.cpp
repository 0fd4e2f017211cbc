#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "fer/core/random.h"
#include "fer/data/dataset.h"

namespace fer {
namespace {

// Shares are counted in millionths and compared as integers: the same split on every machine.
constexpr std::int64_t kWhole = 1'000'000;
constexpr std::uint64_t kAttempts = 8;
constexpr int kMostMoves = 10'000;  // of one search, which may look for what there is not

// All groups begin in the first part. In a seeded order, over and over, each one moves to the other
// part where this brings the classes' shares of the second part nearer to the wanted one (the least
// sum of squares) and takes no class from a part. Classes that still lack the second part, those of
// the fewest groups first, get it by a search (depth first, the nearest shares first), and the
// groups move once more. Of several orders the one that ends nearest counts.
class GroupedSplit {
 public:
  GroupedSplit(const std::vector<std::string>& classes, const std::vector<std::int64_t>& groups,
               double fraction)
      : wanted_(std::llround((1 - fraction) * static_cast<double>(kWhole))) {
    std::map<std::string, std::size_t> numbers;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const std::size_t c = numbers.try_emplace(classes[i], numbers.size()).first->second;
      const auto g = static_cast<std::size_t>(groups[i]);
      if (c == classes_.size()) classes_.emplace_back();
      if (g >= groups_.size()) groups_.resize(g + 1);
      ++classes_[c].size;
      ++groups_[g].counts[c];
    }
  }

  // How far a split is from the one that is wanted: classes without the second part, then shares.
  using Distance = std::pair<std::int64_t, std::int64_t>;

  Distance draw(Rng rng) {
    begin(permutation(static_cast<std::int64_t>(groups_.size()), rng));
    improve();
    std::vector<std::size_t> scarce(classes_.size());
    for (std::size_t c = 0; c < scarce.size(); ++c) scarce[c] = c;
    std::ranges::stable_sort(scarce, {}, [&](std::size_t c) { return classes_[c].groups.size(); });
    for (const std::size_t c : scarce) {
      if (classes_[c].groups.size() == 1) continue;
      int moves = kMostMoves;
      classes_[c].needed = true;
      classes_[c].needed = settle(scarce, moves);
    }
    improve();
    Distance sum;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      if (classes_[c].second == 0) ++sum.first;
      sum.second += distance(c, classes_[c].second);
    }
    return sum;
  }

  std::vector<bool> in_second() const {
    std::vector<bool> parts;
    for (const Group& group : groups_) parts.push_back(group.second);
    return parts;
  }

 private:
  struct Class {
    std::int64_t size = 0, second = 0;  // samples, and those of them in the second part
    std::vector<std::size_t> groups;    // that hold it, in the order drawn
    bool needed = false;                // in the second part, too
  };
  struct Group {
    std::map<std::size_t, std::int64_t> counts;  // of its classes
    bool second = false, fixed = false;
  };

  void begin(const std::vector<std::int64_t>& order) {
    for (Class& c : classes_) c = {c.size, 0, {}, false};
    for (Group& group : groups_) group.second = false;
    order_.clear();
    for (const std::int64_t g : order) {
      order_.push_back(static_cast<std::size_t>(g));
      for (const auto& [c, n] : groups_[order_.back()].counts)
        classes_[c].groups.push_back(order_.back());
    }
  }

  std::int64_t distance(std::size_t c, std::int64_t second) const {
    const std::int64_t size = classes_[c].size;
    const std::int64_t off = (kWhole * second + size / 2) / size - wanted_;
    return off * off;
  }
  // Of the distance, by moving a group to the other part.
  std::int64_t change(std::size_t g) const {
    std::int64_t sum = 0;
    for (const auto& [c, n] : groups_[g].counts) {
      const std::int64_t now = classes_[c].second;
      sum += distance(c, groups_[g].second ? now - n : now + n) - distance(c, now);
    }
    return sum;
  }
  // Whether moving it takes a class from its part.
  bool is_last(std::size_t g) const {
    return std::ranges::any_of(groups_[g].counts, [&](const auto& held) {
      const Class& c = classes_[held.first];
      return held.second == (groups_[g].second ? c.second : c.size - c.second);
    });
  }
  void move(std::size_t g) {
    for (const auto& [c, n] : groups_[g].counts) classes_[c].second += groups_[g].second ? -n : n;
    groups_[g].second = !groups_[g].second;
  }

  void improve() {
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::size_t g : order_) {
        if (change(g) >= 0 || is_last(g)) continue;
        move(g);
        moved = true;
      }
    }
  }

  // Moves groups, each at most once, until every class stands in the first part and every needed
  // one in the second; leaves them as they were where that cannot be, or `moves` are used up.
  bool settle(const std::vector<std::size_t>& scarce, int& moves) {
    const auto lacking = std::ranges::find_if(scarce, [&](std::size_t c) {
      const Class& it = classes_[c];
      return it.second == it.size || (it.needed && it.second == 0);
    });
    if (lacking == scarce.end()) return true;
    std::vector<std::size_t> movable;
    for (const std::size_t g : classes_[*lacking].groups) {
      if (!groups_[g].fixed) movable.push_back(g);
    }
    std::ranges::stable_sort(movable, {}, [&](std::size_t g) { return change(g); });
    for (const std::size_t g : movable) {
      if (moves == 0) return false;
      --moves;
      move(g);
      groups_[g].fixed = true;
      const bool settled = settle(scarce, moves);
      groups_[g].fixed = false;
      if (settled) return true;
      move(g);
    }
    return false;
  }

  std::int64_t wanted_;  // share of the second part
  std::vector<Class> classes_;
  std::vector<Group> groups_;
  std::vector<std::size_t> order_;
};

}  // namespace

std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> grouped_split(
    const std::vector<std::string>& classes, const std::vector<std::int64_t>& groups,
    double fraction, std::uint64_t seed) {
  GroupedSplit split(classes, groups, fraction);
  GroupedSplit::Distance least;
  std::vector<bool> in_second;
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    const GroupedSplit::Distance distance = split.draw(Rng{seed, 0x67726f757073ull, attempt});
    if (attempt > 0 && distance >= least) continue;
    least = distance;
    in_second = split.in_second();
  }
  std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> parts;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    auto& part = in_second[static_cast<std::size_t>(groups[i])] ? parts.second : parts.first;
    part.push_back(static_cast<std::int64_t>(i));
  }
  return parts;
}

}  // namespace fer
