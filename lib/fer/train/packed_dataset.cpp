#include "fer/train/packed_dataset.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "fer/core/parallel.h"
#include "fer/core/random.h"
#include "fer/nn/runtime.h"

namespace fer {

struct PackedDataset::Impl {
  at::Tensor images;
  std::vector<at::Tensor> targets;
  std::vector<std::vector<int>> labels;
};

PackedDataset::PackedDataset(const Dataset& dataset, int side, const std::string& device)
    : impl_(std::make_unique<Impl>()) {
  const std::int64_t n = dataset.size();
  auto images = at::empty({n, 1, side, side}, at::kByte);
  auto* pixels = images.data_ptr<std::uint8_t>();
  const std::size_t stride = static_cast<std::size_t>(side) * side;
  parallel_for(n, [&](std::int64_t i) {
    const Image image = resize(to_gray(dataset.image(i)), side, side);
    std::copy(image.pixels.begin(), image.pixels.end(), pixels + i * stride);
  });
  const auto where = torch_device(device);
  impl_->images = images.to(where);
  for (std::size_t h = 0; h < dataset.heads().size(); ++h) {
    const auto classes = static_cast<std::int64_t>(dataset.heads()[h].labels.size());
    auto targets = at::zeros({n, classes}, at::kFloat);
    auto* values = targets.data_ptr<float>();
    auto& labels = impl_->labels.emplace_back();
    labels.reserve(n);
    for (std::int64_t i = 0; i < n; ++i) {
      const Target& target = dataset.target(i, h);
      std::copy(target.distribution.begin(), target.distribution.end(), values + i * classes);
      labels.push_back(target.label);
    }
    impl_->targets.push_back(targets.to(where));
  }
}

PackedDataset::~PackedDataset() = default;
PackedDataset::PackedDataset(PackedDataset&&) noexcept = default;

std::int64_t PackedDataset::size() const { return impl_->images.size(0); }
std::size_t PackedDataset::heads() const { return impl_->targets.size(); }
const std::vector<int>& PackedDataset::labels(std::size_t head) const {
  return impl_->labels[head];
}

at::Tensor PackedDataset::images(const std::vector<std::int64_t>& indices) const {
  return impl_->images.index_select(0,
                                    at::tensor(indices, impl_->images.options().dtype(at::kLong)));
}

at::Tensor PackedDataset::targets(std::size_t head,
                                  const std::vector<std::int64_t>& indices) const {
  const auto& all = impl_->targets[head];
  return all.index_select(0, at::tensor(indices, all.options().dtype(at::kLong)));
}

std::vector<std::int64_t> epoch_order(const PackedDataset& dataset, const std::string& sampler,
                                      std::uint64_t seed, std::int64_t epoch) {
  const std::int64_t n = dataset.size();
  Rng rng{seed, static_cast<std::uint64_t>(epoch), 0x6f72646572ull};  // "order"
  if (sampler != "balanced") return permutation(n, rng);
  // A soft target without a label, as votes without a majority are, counts where most of it lies;
  // samples without an answer for this head keep their share.
  std::vector<std::int64_t> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  const auto targets = dataset.targets(0, all).to(at::kCPU);
  const auto best = targets.argmax(1).contiguous(), mass = targets.sum(1).contiguous();
  const auto* most = best.data_ptr<std::int64_t>();
  const auto* known = mass.data_ptr<float>();
  std::vector<std::vector<std::int64_t>> by_class(static_cast<std::size_t>(targets.size(1)));
  std::vector<std::int64_t> unanswered;
  const auto& labels = dataset.labels(0);
  for (std::int64_t i = 0; i < n; ++i) {
    if (labels[i] < 0 && known[i] <= 0) {
      unanswered.push_back(i);
    } else {
      by_class[static_cast<std::size_t>(labels[i] >= 0 ? labels[i] : most[i])].push_back(i);
    }
  }
  std::erase_if(by_class, [](const auto& members) { return members.empty(); });
  std::vector<std::int64_t> order(n), times(n, 0);
  const auto below = [&rng](std::size_t size) {
    return rng.below(static_cast<std::uint32_t>(size));
  };
  for (std::int64_t& draw : order) {
    const bool none = by_class.empty() || (!unanswered.empty() &&
                                           below(static_cast<std::size_t>(n)) < unanswered.size());
    const auto& members = none ? unanswered : by_class[below(by_class.size())];
    const auto i = members[below(members.size())];
    draw = i + n * times[i]++;
  }
  return order;
}

}  // namespace fer
