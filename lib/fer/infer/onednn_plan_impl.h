// A compiled network for one batch size: what runs in which order, in which memory. Internal to
// fer_infer; built by OnednnProgram.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace fer::onednn {

constexpr int kInputBuffer = 0;  // the caller's

// A result: where, and in which layout. In int8 a value is its whole number times `scale`.
struct Tensor {
  int buffer = -1;
  dnnl::memory::desc md;
  float scale = 1.0f;
};

struct Argument {
  int id = 0;
  std::variant<Tensor, dnnl::memory> value;
};

struct Step {
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
  int cleared = -1;  // a buffer that is filled with zeros before
};

// A piece of the block of memory, in use from step `first` to step `last`.
struct Buffer {
  std::size_t size = 0;
  int first = INT_MAX, last = -1;
  std::size_t offset = 0;

  void use(int step) {
    first = std::min(first, step);
    last = std::max(last, step);
  }
};

// Steps bound to one block of memory, which all results share by their lifetimes.
class Plan {
 public:
  Plan(const dnnl::engine& engine, const std::vector<Step>& steps, std::vector<Buffer> buffers,
       const std::map<std::string, Tensor>& heads);

  void run(const float* input);
  std::span<const float> logits(const std::string& head) const { return heads_.at(head); }

 private:
  struct Ready {
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
    std::span<std::uint8_t> cleared;
  };

  dnnl::stream stream_;
  dnnl::memory block_;
  std::vector<dnnl::memory> inputs_;  // bound to the caller's batch at each run
  std::vector<Ready> steps_;
  std::map<std::string, std::span<const float>> heads_;
};

}  // namespace fer::onednn
