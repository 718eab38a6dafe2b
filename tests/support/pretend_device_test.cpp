#include "support/pretend_device.hpp"

#include <csignal>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

class PretendDevice : public testing::Test {
 protected:
  static void SetUpTestSuite() { install_pretend_devices(2); }
  void SetUp() override {
    at::manual_seed(1);
    reset_pretend_counts();
  }
  void TearDown() override { limit_pretend_memory(first, 0); }

  c10::Device const first = pretend_device(0), second = pretend_device(1);
};

at::Tensor on(c10::Device device, at::Tensor const& tensor) {
  return tensor.to(device);
}

/// Bit by bit, NaN too.
void expect_same(at::Tensor const& a, at::Tensor const& b) {
  auto const x = a.cpu().contiguous(), y = b.cpu().contiguous();
  ASSERT_EQ(x.scalar_type(), y.scalar_type());
  ASSERT_EQ(x.sizes(), y.sizes());
  EXPECT_EQ(std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()), 0) << x << "\nis not\n" << y;
}

/// The same function on both, and that the device's result stays there.
void expect_as_on_cpu(std::vector<at::Tensor> const& inputs, std::function<at::Tensor(std::vector<at::Tensor> const&)> const& f) {
  std::vector<at::Tensor> there;
  for (auto const& input : inputs) there.push_back(on(pretend_device(0), input.clone()));
  auto const result = f(there);
  EXPECT_EQ(result.device(), pretend_device(0));
  std::vector<at::Tensor> here;
  for (auto const& input : inputs) here.push_back(input.clone());
  expect_same(result, f(here));
}

/// What an operator that refuses its devices says.
std::string refusal(std::function<void()> const& call) {
  try {
    call();
  } catch (c10::Error const& error) {
    return error.what_without_backtrace();
  }
  return "";
}

bool all_poison(at::Tensor const& tensor) {
  return tensor.isnan().all().item<bool>();
}

using Tensors = std::vector<at::Tensor> const&;

TEST_F(PretendDevice, HasAName) {
  EXPECT_EQ(second.str(), "pretend:1");
  EXPECT_EQ(c10::Device("pretend:1"), second);
  EXPECT_EQ(c10::impl::VirtualGuardImpl(c10::kPrivateUse1).deviceCount(), 2);
}

TEST_F(PretendDevice, HoldsTensorsOfEveryType) {
  for (auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf, at::kLong, at::kInt, at::kByte, at::kBool}) {
    auto const numbers = at::randint(0, 2, {3, 5}).to(type);
    auto const there = on(second, numbers);
    EXPECT_EQ(there.device(), second);
    expect_same(there, numbers);
    expect_same(there.t().contiguous(), numbers.t());
    expect_same(at::zeros({2, 3}, there.options()), at::zeros({2, 3}, numbers.options()));
    expect_same(there.to(at::kDouble), numbers.to(at::kDouble));
  }
}

TEST_F(PretendDevice, NewMemoryIsPoisoned) {
  EXPECT_TRUE(all_poison(at::empty({100}, at::device(first).dtype(at::kFloat))));
  EXPECT_TRUE(all_poison(at::empty_like(at::ones({4, 4}, at::device(first).dtype(at::kBFloat16)))));
  EXPECT_TRUE((at::empty_strided({3}, {2}, at::device(first).dtype(at::kLong)) == -1).all().item<bool>());
}

TEST_F(PretendDevice, Views) {
  auto const base = at::arange(24, at::device(first).dtype(at::kFloat));
  auto const view = base.view({4, 6}).t().slice(0, 1, 4).select(1, 2);
  EXPECT_TRUE(view.is_alias_of(base));
  view.fill_(7);
  auto expected = at::arange(24, at::kFloat);
  expected.view({4, 6}).t().slice(0, 1, 4).select(1, 2).fill_(7);
  expect_same(base, expected);
  base.unfold(0, 3, 2).select(1, 0).zero_();
  expected.unfold(0, 3, 2).select(1, 0).zero_();
  expect_same(base, expected);
  base.as_strided({2, 2}, {6, 1}, 3).add_(1);
  expected.as_strided({2, 2}, {6, 1}, 3).add_(1);
  expect_same(base, expected);
  expect_same(base.view(at::kInt), expected.view(at::kInt));
  for (auto const& part : base.split(5)) EXPECT_TRUE(part.is_alias_of(base));
}

TEST_F(PretendDevice, ResizesAndSets) {
  auto tensor = at::empty({0}, at::device(first).dtype(at::kFloat));
  auto const before = pretend_memory_in_use(first);
  tensor.resize_({10}).fill_(3);
  EXPECT_EQ(pretend_memory_in_use(first), before + 40);
  EXPECT_EQ(tensor.sum().item<float>(), 30);
  auto out = at::empty({0}, at::device(first).dtype(at::kFloat));
  at::add_out(out, tensor, tensor);
  EXPECT_EQ(out.sum().item<float>(), 60);
  auto other = at::empty({0}, at::device(first).dtype(at::kFloat));
  other.set_(out.storage(), 2, {2, 3}, {3, 1});
  EXPECT_TRUE(other.is_alias_of(out));
  EXPECT_EQ(other.sum().item<float>(), 36);
  other.set_(tensor);
  EXPECT_TRUE(other.is_alias_of(tensor));
  EXPECT_THAT(refusal([&] { other.set_(at::zeros({4}).storage()); }), HasSubstr("memory of cpu"));
}

TEST_F(PretendDevice, Arithmetic) {
  auto const x = at::randn({5, 7}), y = at::randn({5, 7}), one = at::randn({});
  expect_as_on_cpu({x, y}, [](Tensors t) { return (t[0] * 2 + t[1] / 3).exp().log1p(); });
  expect_as_on_cpu({x, y, one}, [](Tensors t) { return t[0] - t[2] * t[1]; });
  expect_as_on_cpu({x, y}, [](Tensors t) { return t[0].add_(t[1]).mul_(t[0]).clamp_(-1, 1); });
  expect_as_on_cpu({x, y}, [](Tensors t) { return at::where(t[0] > t[1], t[0], t[1]); });
  expect_as_on_cpu({x, y}, [](Tensors t) { return at::cat({t[0], t[1].narrow(0, 0, 2)}); });
  expect_as_on_cpu({x, y}, [](Tensors t) { return at::stack({t[0], t[1]}, 1).permute({2, 0, 1}).contiguous(); });
  expect_as_on_cpu({x}, [](Tensors t) { return t[0].sum(1, true, at::kDouble) + t[0].norm() + t[0].mean(); });
  expect_as_on_cpu({x}, [](Tensors t) { return t[0].masked_fill(t[0] < 0, -1).cumsum(1); });
  expect_as_on_cpu({x}, [](Tensors t) { return t[0].nan_to_num(0).isfinite().logical_not().any(); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::gelu(t[0], "tanh") + at::silu(t[0]) + at::sigmoid(t[0]); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::eye(7, t[0].options()).triu_() + t[0].new_full({7}, 2); });
  std::vector<at::Tensor> list{on(first, x), on(first, y)};
  at::_foreach_mul_(list, 2);
  expect_same(list[1], y * 2);
}

TEST_F(PretendDevice, Products) {
  for (auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    auto const a = at::randn({4, 6}).to(type), b = at::randn({6, 3}).to(type), c = at::randn({2, 3, 5}).to(type);
    expect_as_on_cpu({a, b}, [](Tensors t) { return t[0].matmul(t[1]); });
    expect_as_on_cpu({a, b}, [](Tensors t) { return t[1].t().mm(t[0].t()); });
    expect_as_on_cpu({c}, [](Tensors t) { return t[0].bmm(t[0].transpose(1, 2)); });
    expect_as_on_cpu({a, b}, [](Tensors t) { return t[0].mv(t[1].select(1, 1)) + t[0].select(1, 0).dot(t[0].select(1, 1)); });
    expect_as_on_cpu({a, b}, [](Tensors t) { return at::addmm(t[0].narrow(1, 0, 3), t[0], t[1], 2, 0.5); });
    expect_as_on_cpu({c}, [](Tensors t) { return at::einsum("bij,bkj->ik", {t[0], t[0]}); });
  }
}

TEST_F(PretendDevice, IndicesAndOrders) {
  auto const x = at::randn({6, 4}), ids = at::tensor({4, 0, 4}, at::kLong);
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].index_select(0, t[1]); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].index({t[1]}); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].index_put_({t[1]}, at::ones({3, 4}, t[0].options()), true); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].index_add(0, t[1], t[0].narrow(0, 0, 3)); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].gather(0, t[1].unsqueeze(1).expand({3, 4})); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return t[0].scatter_add(0, t[1].unsqueeze(1), t[0]); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return at::embedding(t[0], t[1]); });
  expect_as_on_cpu({x}, [](Tensors t) { return std::get<0>(t[0].topk(2)) + std::get<1>(t[0].topk(2)); });
  expect_as_on_cpu({x}, [](Tensors t) { return std::get<1>(t[0].sort(0, true)); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::argsort(t[0].view({-1}), true, 0, true); });
  expect_as_on_cpu({x}, [](Tensors t) { return std::get<0>(t[0].max(1)) + t[0].argmax(1); });
  expect_as_on_cpu({x}, [](Tensors t) { return t[0].nonzero(); });
  expect_as_on_cpu({x}, [](Tensors t) { return t[0].index({t[0] > 0}); });
}

TEST_F(PretendDevice, Losses) {
  auto const x = at::randn({6, 9}), ids = at::randint(9, {6}, at::kLong), weight = at::rand({9}), bias = at::randn({9});
  expect_as_on_cpu({x}, [](Tensors t) { return at::softmax(t[0], -1); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::log_softmax(t[0].to(at::kBFloat16), -1, at::kFloat); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return at::nll_loss(at::log_softmax(t[0], 1), t[1]); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return at::cross_entropy_loss(t[0], t[1], {}, at::Reduction::None); });
  expect_as_on_cpu({x, weight, bias}, [](Tensors t) { return at::layer_norm(t[0], {9}, t[1], t[2]); });
}

TEST_F(PretendDevice, Attention) {
  auto const q = at::randn({2, 3, 5, 8}), k = at::randn({2, 3, 5, 8}), v = at::randn({2, 3, 5, 8});
  auto const there = at::scaled_dot_product_attention(on(first, q), on(first, k), on(first, v), {}, 0, true);
  EXPECT_EQ(there.device(), first);
  EXPECT_TRUE(at::allclose(there.cpu(), at::scaled_dot_product_attention(q, k, v, {}, 0, true), 1e-5, 1e-6));
}

TEST_F(PretendDevice, LinearAlgebra) {
  auto const x = at::randn({6, 6}, at::kDouble), rhs = at::randn({6, 2}, at::kDouble),
             positive = x.matmul(x.t()) + at::eye(6, at::kDouble);
  expect_as_on_cpu({positive}, [](Tensors t) { return at::linalg_cholesky(t[0]); });
  expect_as_on_cpu({positive}, [](Tensors t) { return std::get<0>(at::linalg_cholesky_ex(t[0])); });
  expect_as_on_cpu({positive, rhs}, [](Tensors t) { return at::cholesky_solve(t[1], at::linalg_cholesky(t[0])); });
  expect_as_on_cpu({positive}, [](Tensors t) { return std::get<1>(at::linalg_eigh(t[0])); });
  expect_as_on_cpu({x}, [](Tensors t) { return std::get<0>(at::linalg_svd(t[0], false)); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::linalg_svdvals(t[0]); });
  expect_as_on_cpu({x, rhs}, [](Tensors t) { return at::linalg_solve(t[0], t[1]); });
  expect_as_on_cpu({x}, [](Tensors t) { return std::get<1>(at::linalg_qr(t[0])); });
  expect_as_on_cpu({positive, rhs}, [](Tensors t) { return at::linalg_solve_triangular(t[0].tril(), t[1], false); });
  EXPECT_THAT(refusal([&] { at::linalg_cholesky(on(first, -positive)); }), HasSubstr("not positive-definite"));
}

TEST_F(PretendDevice, Gradients) {
  auto const loss = [](at::Tensor const& w, at::Tensor const& v, at::Tensor const& x, at::Tensor const& ids) {
    auto hidden = at::layer_norm(at::gelu(x.matmul(w)), {5});
    hidden = hidden.index_add(0, ids.narrow(0, 0, 4), hidden);
    return at::cross_entropy_loss(hidden.matmul(v), ids) + w.norm() + std::get<0>(v.topk(2)).sum();
  };
  auto const w = at::randn({3, 5}), v = at::randn({5, 6}), x = at::randn({4, 3}), ids = at::randint(4, {4}, at::kLong);
  auto const here = w.clone().requires_grad_(true), there = on(second, w).requires_grad_(true);
  auto const other_here = v.clone().requires_grad_(true), other_there = on(second, v).requires_grad_(true);
  loss(here, other_here, x, ids).backward();
  loss(there, other_there, on(second, x), on(second, ids)).backward();
  EXPECT_EQ(there.grad().device(), second);
  expect_same(there.grad(), here.grad());
  expect_same(other_there.grad(), other_here.grad());
  c10::NoGradGuard const no_gradients;
  there.add_(there.grad(), -0.1);
  here.add_(here.grad(), -0.1);
  expect_same(there.detach(), here.detach());
}

TEST_F(PretendDevice, GradientsReachTheHost) {
  auto const w = at::ones({3}).requires_grad_(true);
  (on(first, w) * at::tensor({1., 2., 3.}, at::device(first).dtype(at::kFloat))).sum().backward();
  EXPECT_TRUE(w.grad().is_cpu());
  EXPECT_TRUE(w.grad().equal(at::tensor({1.f, 2.f, 3.f})));
}

TEST_F(PretendDevice, InferenceModeWorks) {
  c10::InferenceMode const inference;
  auto const x = at::ones({3}, at::device(first));
  EXPECT_EQ((x.view({3, 1}) + x).add_(1).sum().item<float>(), 27);
}

TEST_F(PretendDevice, RefusesTensorsOfTwoDevices) {
  auto const a = at::ones({3}, at::device(first)), b = at::ones({3}, at::device(second)), host = at::ones({3});
  auto const ids = at::tensor({0, 1}, at::kLong);
  for (auto const& call : std::vector<std::function<void()>>{
           [&] { a + b; }, [&] { a + host; }, [&] { host.clone().add_(a); }, [&] { a.clone().mul_(host); },
           [&] {
             at::cat({a, host});
           },
           [&] {
             at::cat({a, b});
           },
           [&] { a.dot(host); }, [&] { a.index_select(0, ids); }, [&] { host.index_select(0, on(first, ids)); },
           [&] { a.gather(0, ids); },
           [&] {
             at::embedding(a.view({3, 1}), ids);
           },
           [&] { host.index({on(first, ids)}); }, [&] { a.index({on(second, ids)}); },
           [&] {
             at::nll_loss(a.view({1, 3}), at::zeros({1}, at::kLong));
           },
           [&] {
             a.view({1, 3}).matmul(b);
           },
           [&] { a.index_select(0, ids[0]); }})
    EXPECT_THAT(refusal(call),
                testing::AnyOf(HasSubstr("Expected all tensors to be on the same device"), HasSubstr("indices should be")));
}

TEST_F(PretendDevice, TakesHostTensorsWhereCudaDoes) {
  auto const a = at::arange(3, at::device(first).dtype(at::kFloat)), number = at::scalar_tensor(2);
  EXPECT_EQ((a * number).sum().item<float>(), 6);
  EXPECT_EQ((number - a).device(), first);
  EXPECT_EQ(a.clone().add_(number).sum().item<float>(), 9);
  EXPECT_EQ(a.masked_fill(a > 0, number).sum().item<float>(), 4);
  EXPECT_EQ(pretend_counts(first).copies_to_device, 0) << "numbers are arguments of an operator";
  EXPECT_EQ(a.index({at::tensor({2, 2}, at::kLong)}).sum().item<float>(), 4);
  EXPECT_EQ(pretend_counts(first).copies_to_device, 1);
  EXPECT_EQ(a.clone().index_put_({at::tensor({1}, at::kLong)}, number).sum().item<float>(), 4);
  EXPECT_EQ(pretend_counts(first).copies_to_device, 3) << "an index and a number";
  EXPECT_EQ(at::where(a > 0, a, number).sum().item<float>(), 5);
  EXPECT_EQ(pretend_counts(first).copies_to_device, 4);
}

TEST_F(PretendDevice, CopiesBetweenDevices) {
  auto const a = at::arange(3, at::device(first)), b = a.to(second);
  EXPECT_EQ(b.device(), second);
  expect_same(a, b);
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
  auto const kept = at::ones({1 << 20}, options);
  void const* const address = at::empty({1 << 20}, options).data_ptr();
  int again = 0;
  for (int i = 0; i < (1 << 16) + 100; ++i) again += at::empty({1}, options).resize_({1 << 20}).data_ptr() == address;
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
  EXPECT_EXIT(
      {
        volatile int* const nowhere = nullptr;
        *nowhere = 1;
      },
      testing::KilledBySignal(SIGSEGV), "^$");
}

}  // namespace
}  // namespace onemask::test
