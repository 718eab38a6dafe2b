#include "support/pretend_fixture.hpp"

#include <csignal>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using PretendDevice = PretendDeviceTest;

bool all_poison(at::Tensor const& tensor) {
  return tensor.isnan().all().item<bool>();
}

TEST_F(PretendDevice, HasAName) {
  EXPECT_EQ(second.str(), "pretend:1");
  EXPECT_EQ(c10::Device("pretend:1"), second);
  EXPECT_EQ(c10::impl::VirtualGuardImpl(c10::kPrivateUse1).deviceCount(), 2);
}

TEST_F(PretendDevice, NewMemoryIsPoisoned) {
  EXPECT_TRUE(all_poison(at::empty({100}, at::device(first).dtype(at::kFloat))));
  EXPECT_TRUE(all_poison(at::empty_like(at::ones({4, 4}, at::device(first).dtype(at::kBFloat16)))));
  EXPECT_TRUE((at::empty_strided({3}, {2}, at::device(first).dtype(at::kLong)) == -1).all().item<bool>());
}

TEST_F(PretendDevice, CopiesBetweenDevices) {
  auto const a = at::arange(3, at::device(first)), b = a.to(second);
  EXPECT_EQ(b.device(), second);
  expect_same_bits(a, b);
}

TEST_F(PretendDevice, CountsSynchronisations) {
  auto const a = at::arange(6, at::device(first).dtype(at::kFloat));
  EXPECT_EQ(pretend_counts(first).synchronisations(), 0);
  auto const b = ((a + 1) * 2).sum();
  EXPECT_EQ(pretend_counts(first).synchronisations(), 0);
  EXPECT_EQ(pretend_counts(first).operators, 4);
  for (int i = 0; i < 3; ++i) b.item<float>();
  a.cpu();
  a.copy_(at::ones({6}));
  a.nonzero();
  a.index({a > 0});
  a.equal(a);
  c10::impl::VirtualGuardImpl(c10::kPrivateUse1).synchronizeDevice(0);
  auto const counts = pretend_counts(first);
  EXPECT_EQ(counts.scalars, 3);
  EXPECT_EQ(counts.copies_to_host, 1);
  EXPECT_EQ(counts.copies_to_device, 1);
  EXPECT_EQ(counts.sizes, 3);
  EXPECT_EQ(counts.waits, 1);
  EXPECT_EQ(counts.synchronisations(), 9);
  EXPECT_EQ(pretend_counts(second).synchronisations(), 0);
  reset_pretend_counts();
  EXPECT_EQ(pretend_counts(first).synchronisations(), 0);
}

TEST_F(PretendDevice, RunsOutOfMemory) {
  auto const before = pretend_memory_in_use(first);
  {
    auto const kept = at::ones({1000}, at::device(first).dtype(at::kFloat));
    EXPECT_EQ(pretend_memory_in_use(first), before + 4000);
    limit_pretend_memory(first, before + 10000);
    auto const second_one = kept + 1;
    EXPECT_THROW(kept + 1, c10::OutOfMemoryError);
    EXPECT_THROW(at::empty({1000}, kept.options()), c10::OutOfMemoryError);
    EXPECT_THROW(at::index_select(kept, 0, at::zeros({1000}, at::device(first).dtype(at::kLong))), c10::OutOfMemoryError);
    at::ones({1000}, at::device(second).dtype(at::kFloat));
    EXPECT_EQ(pretend_memory_in_use(first), before + 8000);
    EXPECT_EQ(kept.sum().item<float>(), 1000);
  }
  EXPECT_EQ(pretend_memory_in_use(first), before);
}

TEST_F(PretendDevice, AddressesAreGivenAgainLate) {
  auto const options = at::device(first).dtype(at::kByte);
  auto const large = [&] { return at::empty({1}, options).resize_({1 << 24}).data_ptr(); };  // of memory that is never touched
  auto const kept = at::ones({1 << 20}, options);
  void const* const address = large();
  int again = 0;
  for (int i = 0; i < (1 << 10) + 100; ++i) again += large() == address;  // more than all addresses
  EXPECT_LE(again, 2);
  EXPECT_EQ(kept.sum().item<std::int64_t>(), 1 << 20);
}

TEST_F(PretendDevice, LateCopiesToTheHost) {
  auto const guard = c10::impl::VirtualGuardImpl(c10::kPrivateUse1);
  auto a = at::ones({4}, at::device(first));
  auto const host = at::zeros({4});
  host.copy_(a, /*non_blocking=*/true);
  EXPECT_TRUE(all_poison(host));
  a.add_(1);  // behind the copy
  EXPECT_TRUE(all_poison(host)) << "an operator delivers nothing to the host";
  guard.synchronizeStream(guard.getStream(first));
  EXPECT_TRUE(host.equal(at::ones({4})));
  auto const again = a.to(at::kCPU, /*non_blocking=*/true);
  EXPECT_TRUE(all_poison(again));
  a.sum().item();
  EXPECT_TRUE(again.equal(at::full({4}, 2.f)));
}

TEST_F(PretendDevice, LateCopiesToTheDevice) {
  auto host = at::ones({4});
  auto const a = host.to(first, /*non_blocking=*/true);
  EXPECT_EQ((a + 1).sum().item<float>(), 8) << "the stream's operators come after the copy";
  auto const b = host.to(first, /*non_blocking=*/true);
  host.fill_(5);  // too early
  EXPECT_EQ(b.sum().item<float>(), 20);
  auto const guard = c10::impl::VirtualGuardImpl(c10::kPrivateUse1);
  auto const c = host.to(first, /*non_blocking=*/true);
  {
    c10::StreamGuard const other(guard.getNewStream(first));
    EXPECT_TRUE(all_poison(c)) << "another stream has to wait";
  }
  auto const d = host.to(first, /*non_blocking=*/true);
  c10::Event event(c10::kPrivateUse1);
  event.record(guard.getStream(first));
  {
    c10::StreamGuard const other(guard.getNewStream(first));
    event.block(guard.getStream(first));
    EXPECT_EQ(d.sum().item<float>(), 20);
  }
}

TEST_F(PretendDevice, EventsAreQueried) {
  auto const guard = c10::impl::VirtualGuardImpl(c10::kPrivateUse1);
  auto const a = at::ones({4}, at::device(first));
  c10::Event event(c10::kPrivateUse1);
  event.record(guard.getStream(first));
  EXPECT_TRUE(event.query());
  auto const one = a.to(at::kCPU, /*non_blocking=*/true);
  c10::Event middle(c10::kPrivateUse1);
  middle.record(guard.getStream(first));
  auto const two = a.to(at::kCPU, /*non_blocking=*/true);
  EXPECT_FALSE(middle.query());
  EXPECT_TRUE(middle.query());
  EXPECT_TRUE(one.equal(at::ones({4})));
  EXPECT_TRUE(all_poison(two));
  EXPECT_FALSE(guard.queryStream(guard.getStream(first)));
  EXPECT_TRUE(guard.queryStream(guard.getStream(first)));
  EXPECT_TRUE(two.equal(at::ones({4})));
}

TEST_F(PretendDevice, AnEventBringsWhatAnotherStreamOwes) {
  auto const guard = c10::impl::VirtualGuardImpl(c10::kPrivateUse1);
  auto const other = guard.getNewStream(first), own = guard.getStream(first);
  auto const a = at::ones({4}, at::device(first));
  auto const host = a.to(at::kCPU, /*non_blocking=*/true);
  c10::Event event(c10::kPrivateUse1);
  event.record(own);
  event.block(other);
  EXPECT_TRUE(all_poison(host));
  guard.synchronizeStream(other);
  EXPECT_TRUE(host.equal(at::ones({4})));
}

TEST_F(PretendDevice, DevicesAndStreamsBelongToThreads) {
  auto const guard = c10::impl::VirtualGuardImpl(c10::kPrivateUse1);
  c10::DeviceGuard const here(second);
  EXPECT_EQ(at::empty({1}, at::device(c10::kPrivateUse1)).device(), second);
  std::thread([&] { EXPECT_EQ(guard.getDevice(), first); }).join();
  EXPECT_THROW(guard.setDevice(pretend_device(7)), c10::Error);
  std::vector<std::thread> ranks;
  for (auto device : {first, second})
    ranks.emplace_back([device] {
      auto w = at::ones({64, 64}, at::device(device)).requires_grad_(true);
      for (int step = 0; step < 50; ++step) {
        auto const x = at::ones({64, 64}).to(device, /*non_blocking=*/true);
        auto const grad = at::empty({0}, at::device(device));
        w.matmul(x).sum().backward();
        EXPECT_EQ(w.grad().max().item<float>(), 64);
        w.mutable_grad().reset();
      }
    });
  for (auto& rank : ranks) rank.join();
}

using PretendDeviceDeathTest = PretendDevice;

TEST_F(PretendDeviceDeathTest, AHostThatReadsEnds) {
  auto const a = at::ones({4}, at::device(second));
  EXPECT_DEATH(
      {
        volatile float const* const data = a.const_data_ptr<float>();
        [[maybe_unused]] float const value = data[1];
      },
      "the host read memory of the pretend device outside of an operator: that of pretend:1");
}

TEST_F(PretendDeviceDeathTest, AHostThatWritesEnds) {
  auto const a = at::ones({4}, at::device(first));
  EXPECT_DEATH(a.data_ptr<float>()[0] = 1,
               "the host wrote memory of the pretend device outside of an operator: that of pretend:0");
}

TEST_F(PretendDeviceDeathTest, OtherFaultsAreLeftAlone) {
  EXPECT_DEATH(std::raise(SIGSEGV), testing::Not(testing::HasSubstr("memory of the pretend device")));
  void* const elsewhere = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_DEATH(*static_cast<char volatile*>(elsewhere) = 1, testing::Not(testing::HasSubstr("memory of the pretend device")));
  munmap(elsewhere, 4096);
}

}  // namespace
}  // namespace onemask::test
