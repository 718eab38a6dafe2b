#pragma once

#include <functional>

#include <c10/core/Stream.h>

namespace onemask::test {

/// The device guard of `count` devices, with streams and events.
void install_pretend_streams(int count);

/// Who waits for late work: the stream's own operators, which see what is on the device, or the host, which also sees what is
/// delivered to it.
enum class LateFor { device, host };

void do_later(c10::Stream stream, LateFor whom, std::function<void()> work);
/// Does the late work of a stream that `whom` waits for.
void catch_up(c10::Stream stream, LateFor whom);

c10::Stream current_pretend_stream(c10::DeviceIndex device);
c10::DeviceIndex current_pretend_device();

}  // namespace onemask::test
