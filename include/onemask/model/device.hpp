#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace onemask {

/// Where a model runs and in which type.
struct Placement {
  c10::Device device;
  c10::ScalarType dtype;
};

/// `device`: "cpu"; "cuda", the visible GPU number local_rank modulo their count; "cuda:1", that one; "auto", "cuda" where there
/// is a GPU and "cpu" elsewhere. `dtype`: "float32", "bfloat16" or "float16" (GPUs only). `local_rank` counts the ranks of this
/// node from 0. Throws UserError for other names, a GPU that is not there, and float16 on a CPU.
Placement parse_placement(std::string const& device, std::string const& dtype, int local_rank);

/// For a process that only plans or gathers, on a login node perhaps: where GPUs are asked for and none is visible, the model is
/// held on the CPU.
Placement parse_placement_without_work(std::string const& device, std::string const& dtype, int local_rank);

/// Threads of this process for tensor operations, at least 1 (UserError otherwise). Their number can change the last bits of
/// results.
void set_threads(int threads);

/// How products of float32 matrices are computed: "float32", exactly so, or "bfloat16", which permits less: inputs rounded to
/// bfloat16 on CPUs with matrix units for it, to TF32 on GPUs. CPUs without such units (AMX) then use other float32 kernels,
/// which are still faster at times. What TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says counts no longer. Throws UserError for another
/// name.
void set_product_precision(std::string const& precision);

/// What the bits of results depend on beside model and tokenizer, for Fingerprints::execution.
std::string execution_of(c10::DeviceType device, std::string const& dtype, std::string const& products, int threads);

}  // namespace onemask
