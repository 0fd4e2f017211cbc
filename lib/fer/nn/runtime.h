// What differs between libtorch versions, devices and processors, in one place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace at {
class Tensor;
class Generator;
}  // namespace at
namespace c10 {
struct Device;
}

namespace fer {

// First line of a main that trains: larger malloc thresholds (+13 to +33 % measured), libtorch's
// AVX-512 kernels where the CPU has them, and fp32 that is fp32 on a GPU, too (no TF32 in cuDNN).
// An environment the user set is left alone.
void prepare_torch_process();

// "auto" (cuda when there is one, else cpu), "cpu", "cuda" or "cuda:N". Throws kInput when the
// device is not there or the name is unknown.
std::string resolve_device(const std::string& name);
c10::Device torch_device(const std::string& resolved);
// Of the whole process. 0: all cores that this process may use.
void set_torch_threads(int threads);
int torch_threads();

// Mixed precision: "auto" is bf16 on a GPU and where the CPU multiplies it natively, else off.
bool resolve_bf16(const std::string& amp,
                  const std::string& device);  // auto, bf16, off; throws kInput

// While it lives, this thread's convolutions and matrix products run in bf16, or (enabled = false)
// in what their tensors are; then again as its user had them.
class Autocast {
 public:
  Autocast(bool enabled, const std::string& device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  struct Before;
  std::unique_ptr<Before> before_;
};

// to += weight * (from - to), tensor by tensor; on a GPU with one launch for all of them, where
// this libtorch can.
void lerp_all(const std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from,
              double weight);

// Waits until the device has done what was asked of it; a clock is read after that.
void synchronise(const std::string& device);

// A generator of its own, so that nothing depends on the global one.
at::Generator make_generator(const std::string& device, std::uint64_t seed);

}  // namespace fer
