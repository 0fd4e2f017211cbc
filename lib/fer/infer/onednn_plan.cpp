#include "fer/infer/onednn_plan_impl.h"

#include <functional>
#include <utility>

namespace fer::onednn {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

namespace {

// Largest first, each as low as those that live at the same time allow. Returns the size of all.
std::size_t place(std::vector<Buffer>& buffers) {
  constexpr std::size_t kAlignment = 64;
  std::vector<Buffer*> order, placed;
  for (std::size_t i = kInputBuffer + 1; i < buffers.size(); ++i) order.push_back(&buffers[i]);
  std::ranges::stable_sort(order, std::greater(), &Buffer::size);
  std::size_t total = 0;
  for (Buffer* buffer : order) {
    for (const Buffer* other : placed) {  // by offset
      const bool together = other->first <= buffer->last && buffer->first <= other->last;
      const bool overlap = other->offset < buffer->offset + buffer->size &&
                           buffer->offset < other->offset + other->size;
      if (together && overlap) {
        const std::size_t end = other->offset + other->size;
        buffer->offset = (end + kAlignment - 1) / kAlignment * kAlignment;
      }
    }
    placed.insert(std::ranges::upper_bound(placed, buffer->offset, {}, &Buffer::offset), buffer);
    total = std::max(total, buffer->offset + buffer->size);
  }
  return total;
}

}  // namespace

Plan::Plan(const dnnl::engine& engine, const std::vector<Step>& steps, std::vector<Buffer> buffers,
           const std::map<std::string, Tensor>& heads)
    : stream_(engine) {
  const auto size = static_cast<memory::dim>(std::max<std::size_t>(place(buffers), 1));
  block_ = memory(memory::desc({size}, Type::u8, Tag::a), engine);
  auto* base = static_cast<std::uint8_t*>(block_.get_data_handle());
  for (const Step& step : steps) {
    Ready ready{step.primitive, {}, {}};
    for (const auto& [id, value] : step.arguments) {
      if (const auto* constant = std::get_if<memory>(&value)) {
        ready.arguments.emplace(id, *constant);
        continue;
      }
      const auto& tensor = std::get<Tensor>(value);
      const memory bound(tensor.md, engine, base + buffers[tensor.buffer].offset);
      if (tensor.buffer == kInputBuffer) inputs_.push_back(bound);
      ready.arguments.emplace(id, bound);
    }
    if (step.cleared >= 0) {
      ready.cleared = {base + buffers[step.cleared].offset, buffers[step.cleared].size};
    }
    steps_.push_back(std::move(ready));
  }
  for (const auto& [head, tensor] : heads) {
    const auto* values = reinterpret_cast<const float*>(base + buffers[tensor.buffer].offset);
    heads_[head] = {values, tensor.md.get_size() / sizeof(float)};
  }
}

void Plan::run(const float* input) {
  for (memory& bound : inputs_) bound.set_data_handle(const_cast<float*>(input), stream_);
  for (const Ready& step : steps_) {
    std::ranges::fill(step.cleared, std::uint8_t{0});
    step.primitive.execute(stream_, step.arguments);
  }
  stream_.wait();
}

}  // namespace fer::onednn
