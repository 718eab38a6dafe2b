#pragma once

#include <onemask/settings/field.hpp>

#include <filesystem>
#include <string>

namespace onemask {

/// The model that is edited, and how it runs. All of it decides bits.
struct ModelOptions {
  std::filesystem::path checkpoint;
  std::string device = "auto";       ///< cpu, cuda, cuda:N or auto (cuda where there is one)
  std::string dtype = "float32";     ///< of weights and activations
  std::string products = "float32";  ///< of matrix products on CPUs: float32, or bfloat16 inputs with float32 sums
  int threads = 1;                   ///< per rank
};

template <>
Fields<ModelOptions> const& fields_of<ModelOptions>();

}  // namespace onemask
