#include "pretrain/gelu.hpp"

#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

// The same arithmetic, compiled for wider registers as well; the processor decides when the program starts, before sanitizers are
// ready for it.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ONEMASK_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ONEMASK_WIDE
#endif

namespace onemask {
namespace {

constexpr float sqrt_8_over_pi = 1.5957691216F;
constexpr float cubic = 0.044715F;

inline float load(float value) {
  return value;
}

inline float load(c10::BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.x) << 16);
}

inline void store(float value, float& to) {
  to = value;
}

/// Rounds to nearest, ties to even.
inline void store(float value, c10::BFloat16& to) {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  to.x = static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// 1 / (1 + exp(-z)); exp by 2^n times a polynomial of the rest, good to 2e-7.
inline float sigmoid(float z) {
  constexpr float shift = 0x1.8p23F;  // rounds to a whole number
  float const a = std::min(std::max(-z, -80.0F), 80.0F);
  float const n = (a * 1.44269504F + shift) - shift;
  float const r = (a - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  auto const scale = std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
  return 1.0F / (1.0F + p * scale);
}

template <typename T>
inline void forward_all(T const* x, T* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    float const v = load(x[i]);
    store(v * sigmoid(sqrt_8_over_pi * (v + cubic * v * v * v)), y[i]);
  }
}

/// σ + x σ (1 - σ) (2u)'
template <typename T>
inline void backward_all(T const* x, T const* gradient, T* result, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    float const v = load(x[i]);
    float const s = sigmoid(sqrt_8_over_pi * (v + cubic * v * v * v));
    float const inner = sqrt_8_over_pi * (1.0F + 3.0F * cubic * v * v);
    store(load(gradient[i]) * (s + v * s * (1.0F - s) * inner), result[i]);
  }
}

ONEMASK_WIDE void forward_float(float const* x, float* y, std::int64_t count) {
  forward_all(x, y, count);
}
ONEMASK_WIDE void forward_bfloat16(c10::BFloat16 const* x, c10::BFloat16* y, std::int64_t count) {
  forward_all(x, y, count);
}
ONEMASK_WIDE void backward_float(float const* x, float const* gradient, float* result, std::int64_t count) {
  backward_all(x, gradient, result, count);
}
ONEMASK_WIDE void backward_bfloat16(c10::BFloat16 const* x, c10::BFloat16 const* gradient, c10::BFloat16* result,
                                    std::int64_t count) {
  backward_all(x, gradient, result, count);
}

bool is_float(at::Tensor const& x) {
  invariant(x.is_contiguous() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16),
            "GELU is taken of numbers that it is not made for");
  return x.scalar_type() == at::kFloat;
}

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& x) {
    context->save_for_backward({x});
    auto const y = at::empty_like(x);
    if (is_float(x)) {
      forward_float(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), x.numel());
    } else {
      forward_bfloat16(x.const_data_ptr<at::BFloat16>(), y.mutable_data_ptr<at::BFloat16>(), x.numel());
    }
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list const& gradients) {
    auto const x = context->get_saved_variables()[0];
    auto const gradient = gradients[0].contiguous();
    auto const result = at::empty_like(x);
    if (is_float(x)) {
      backward_float(x.const_data_ptr<float>(), gradient.const_data_ptr<float>(), result.mutable_data_ptr<float>(), x.numel());
    } else {
      backward_bfloat16(x.const_data_ptr<at::BFloat16>(), gradient.const_data_ptr<at::BFloat16>(),
                        result.mutable_data_ptr<at::BFloat16>(), x.numel());
    }
    return {result};
  }
};

}  // namespace

at::Tensor fast_gelu(at::Tensor const& x) {
  return Gelu::apply(x);
}

}  // namespace onemask
