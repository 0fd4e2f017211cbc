#include "fer/nn/runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <malloc.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <cstdlib>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"

#define FER_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) ||      \
   (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace fer {
namespace {

bool cpu_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

struct AutocastState {
  bool enabled;
  at::ScalarType dtype;
};

AutocastState autocast_state(bool cuda) {
#if FER_TORCH_AT_LEAST(2, 4)
  const auto device = cuda ? at::kCUDA : at::kCPU;
  return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
#else
  if (cuda) return {at::autocast::is_enabled(), at::autocast::get_autocast_gpu_dtype()};
  return {at::autocast::is_cpu_enabled(), at::autocast::get_autocast_cpu_dtype()};
#endif
}

void set_autocast(bool cuda, const AutocastState& state) {
#if FER_TORCH_AT_LEAST(2, 4)
  const auto device = cuda ? at::kCUDA : at::kCPU;
  at::autocast::set_autocast_dtype(device, state.dtype);
  at::autocast::set_autocast_enabled(device, state.enabled);
#else
  if (cuda) {
    at::autocast::set_autocast_gpu_dtype(state.dtype);
    at::autocast::set_enabled(state.enabled);
  } else {
    at::autocast::set_autocast_cpu_dtype(state.dtype);
    at::autocast::set_cpu_enabled(state.enabled);
  }
#endif
}

}  // namespace

void prepare_torch_process() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
    setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
  }
#endif
  at::globalContext().setAllowTF32CuDNN(false);
}

std::string resolve_device(const std::string& name) {
  const bool cuda = at::hasCUDA();
  if (name == "cpu" || (name == "auto" && !cuda)) return "cpu";
  const std::string device = name == "auto" ? "cuda" : name;
  if (device != "cuda" && !device.starts_with("cuda:"))
    fail_input("device " + name + ": expected auto, cpu, cuda or cuda:N");
  if (!cuda) fail_input("device " + name + ": this libtorch finds no CUDA device");
  const auto devices = static_cast<long long>(at::getNumGPUs());
  long long index = 0;
  if (device != "cuda" && (!parse_int(device.substr(5), index) || index < 0 || index >= devices)) {
    fail_input(
        format("device %s: CUDA devices here are cuda:0 to cuda:%lld", name.c_str(), devices - 1));
  }
  return device;
}

c10::Device torch_device(const std::string& resolved) { return c10::Device(resolved); }

void set_torch_threads(int threads) {
  at::set_num_threads(threads > 0 ? threads : hardware_threads());
}

int torch_threads() { return at::get_num_threads(); }

bool resolve_bf16(const std::string& amp, const std::string& device) {
  if (amp == "off") return false;
  if (amp == "bf16") return true;
  if (amp != "auto") fail_input("amp " + amp + ": expected auto, bf16 or off");
  return device == "cpu" ? cpu_has_bf16() : true;
}

struct Autocast::Before {
  bool cuda;
  AutocastState state;
};

Autocast::Autocast(bool enabled, const std::string& device) {
  const bool cuda = device != "cpu";
  before_ = std::make_unique<Before>(Before{cuda, autocast_state(cuda)});
  set_autocast(cuda, {enabled, enabled ? at::kBFloat16 : before_->state.dtype});
}

Autocast::~Autocast() {
  at::autocast::clear_cache();
  set_autocast(before_->cuda, before_->state);
}

void lerp_all(const std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from,
              double weight) {
  const at::NoGradGuard no_grad;
#if FER_TORCH_AT_LEAST(2, 1)
  at::_foreach_lerp_(to, from, weight);
#else
  for (std::size_t i = 0; i < to.size(); ++i) to[i].lerp_(from[i], weight);
#endif
}

void synchronise(const std::string& device) {
  if (device != "cpu") torch::cuda::synchronize(torch_device(device).index());
}

at::Generator make_generator(const std::string& device, std::uint64_t seed) {
  auto generator = at::globalContext().defaultGenerator(torch_device(device)).clone();
  generator.set_current_seed(seed);
  return generator;
}

}  // namespace fer
