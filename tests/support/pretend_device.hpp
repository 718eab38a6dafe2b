#pragma once

#include <cstddef>
#include <cstdint>

#include <c10/core/Device.h>

namespace onemask::test {

/// An accelerator that every machine has: a LibTorch device "pretend" (PrivateUse1) that finds what a GPU would find.
///
/// Memory. The numbers of a tensor lie in memory of the host that only operators know. What data_ptr() gives is an address in a
/// range that is reserved and never readable, so a host that follows it dies at once, with a sentence. (Protecting the pages
/// outside of operators would open them to all threads while one operator runs, and costs two system calls an operator.) New
/// memory holds 0xff, which is NaN, -1 and no bool. Each device has a limit, beyond which c10::OutOfMemoryError is thrown, as by
/// CUDA; temporaries inside an operator are not counted.
///
/// Operators run on the CPU, on tensors that share the memory, and give the CPU's bits. Tensors of two devices are refused where
/// CUDA refuses them: a CPU tensor is welcome as a 0-dimensional number of a pointwise operator and as an index in brackets.
/// Backward passes run in LibTorch's thread of the device, as with CUDA.
///
/// Lateness. Operators are done when they return; only copies with non_blocking=true are late.
/// - To the host: the copy is taken in the order of the stream, but the host's tensor holds 0xff until the host has waited for
///   the stream, the device or an event behind the copy, or made a blocking copy or .item() on this stream.
/// - To the device: the tensor holds 0xff until the stream's next operator or wait. Operators on other streams read 0xff unless
///   they wait for an event. The host's tensor is read late, whether it is pinned or not: changed too early, the change arrives.
/// - The first query of a stream or event that has late work says no, and does the work.
///
/// Not for a process that uses CUDA: LibTorch knows one accelerator.

/// Makes `count` devices, or as many as ONEMASK_PRETEND_DEVICES says (2). Only the first call has an effect, and has to come
/// before the first backward pass.
void install_pretend_devices();
void install_pretend_devices(int count);

c10::Device pretend_device(int index);

/// For what is allocated from now on; 0 lifts the limit. At first ONEMASK_PRETEND_MEMORY, in bytes, or none.
void limit_pretend_memory(c10::Device device, std::size_t bytes);
/// The limit, or what there are addresses for.
std::size_t pretend_memory_of(c10::Device device);
/// Bytes that tensors hold.
std::size_t pretend_memory_in_use(c10::Device device);
std::size_t pretend_memory_peak(c10::Device device);  ///< since the last reset_pretend_counts()

/// What a device was asked for.
struct PretendCounts {
  std::int64_t operators = 0;         ///< other than views and empty tensors: what a GPU would launch
  std::int64_t scalars = 0;           ///< .item() and what calls it
  std::int64_t copies_to_host = 0;    ///< blocking ones
  std::int64_t copies_to_device = 0;  ///< blocking ones, also of indices that lie on the CPU
  std::int64_t waits = 0;             ///< for streams, events and the device
  std::int64_t sizes = 0;             ///< results whose size depends on data, as nonzero, and decompositions that check

  /// How often the host waits for the device.
  std::int64_t synchronisations() const { return scalars + copies_to_host + copies_to_device + waits + sizes; }
};

PretendCounts pretend_counts(c10::Device device);
void reset_pretend_counts();

}  // namespace onemask::test
