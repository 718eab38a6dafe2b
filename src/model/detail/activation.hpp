#pragma once

#include <string>

#include <ATen/ATen.h>

namespace onemask::detail {

/// The activation of an MLP: "gelu_new" (tanh approximation), "gelu", "relu" or "silu".
inline at::Tensor activate(std::string const& name, at::Tensor const& x) {
  if (name == "silu") return at::silu(x);
  if (name == "relu") return at::relu(x);
  return at::gelu(x, name == "gelu" ? "none" : "tanh");
}

}  // namespace onemask::detail
