#pragma once

#include <string>

#include <ATen/ATen.h>

namespace onemask::detail {

/// What stands between the two projections of the MLPs of GPT-2 and GPT-J: "gelu_new" (tanh approximation), "gelu" or "relu".
inline at::Tensor activate(std::string const& name, at::Tensor const& x) {
  if (name == "relu") return at::relu(x);
  return at::gelu(x, name == "gelu" ? "none" : "tanh");
}

}  // namespace onemask::detail
