#include "support/pretend_fixture.hpp"

#include <functional>
#include <string>
#include <vector>

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using PretendOperators = PretendDeviceTest;
using Tensors = std::vector<at::Tensor> const&;

/// The same function on both, and that the device's result stays there.
void expect_as_on_cpu(std::vector<at::Tensor> const& inputs, std::function<at::Tensor(Tensors)> const& f) {
  std::vector<at::Tensor> there, here;
  for (auto const& input : inputs) {
    there.push_back(input.to(pretend_device(0)));
    here.push_back(input.clone());
  }
  auto const result = f(there);
  EXPECT_EQ(result.device(), pretend_device(0));
  expect_same_bits(result, f(here));
}

/// What an operator that refuses its arguments says.
std::string refusal(std::function<void()> const& call) {
  try {
    call();
  } catch (c10::Error const& error) {
    return error.what_without_backtrace();
  }
  return "";
}

TEST_F(PretendOperators, HoldsTensorsOfEveryType) {
  for (auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf, at::kLong, at::kInt, at::kByte, at::kBool}) {
    auto const numbers = at::randint(0, 2, {3, 5}).to(type);
    auto const there = numbers.to(second);
    EXPECT_EQ(there.device(), second);
    expect_same_bits(there, numbers);
    expect_same_bits(there.t().contiguous(), numbers.t());
    expect_same_bits(at::zeros({2, 3}, there.options()), at::zeros({2, 3}, numbers.options()));
    expect_same_bits(there.to(at::kDouble), numbers.to(at::kDouble));
  }
}

TEST_F(PretendOperators, Views) {
  auto const base = at::arange(24, at::device(first).dtype(at::kFloat));
  auto const view = base.view({4, 6}).t().slice(0, 1, 4).select(1, 2);
  EXPECT_TRUE(view.is_alias_of(base));
  view.fill_(7);
  auto expected = at::arange(24, at::kFloat);
  expected.view({4, 6}).t().slice(0, 1, 4).select(1, 2).fill_(7);
  expect_same_bits(base, expected);
  base.unfold(0, 3, 2).select(1, 0).zero_();
  expected.unfold(0, 3, 2).select(1, 0).zero_();
  expect_same_bits(base, expected);
  base.as_strided({2, 2}, {6, 1}, 3).add_(1);
  expected.as_strided({2, 2}, {6, 1}, 3).add_(1);
  expect_same_bits(base, expected);
  expect_same_bits(base.view(at::kInt), expected.view(at::kInt));
  for (auto const& part : base.split(5)) EXPECT_TRUE(part.is_alias_of(base));
}

TEST_F(PretendOperators, ResizesAndSets) {
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

TEST_F(PretendOperators, Arithmetic) {
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
  std::vector<at::Tensor> list{x.to(first), y.to(first)};
  at::_foreach_mul_(list, 2);
  expect_same_bits(list[1], y * 2);
}

TEST_F(PretendOperators, Products) {
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

TEST_F(PretendOperators, IndicesAndOrders) {
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

TEST_F(PretendOperators, Losses) {
  auto const x = at::randn({6, 9}), ids = at::randint(9, {6}, at::kLong), weight = at::rand({9}), bias = at::randn({9});
  expect_as_on_cpu({x}, [](Tensors t) { return at::softmax(t[0], -1); });
  expect_as_on_cpu({x}, [](Tensors t) { return at::log_softmax(t[0].to(at::kBFloat16), -1, at::kFloat); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return at::nll_loss(at::log_softmax(t[0], 1), t[1]); });
  expect_as_on_cpu({x, ids}, [](Tensors t) { return at::cross_entropy_loss(t[0], t[1], {}, at::Reduction::None); });
  expect_as_on_cpu({x, weight, bias}, [](Tensors t) { return at::layer_norm(t[0], {9}, t[1], t[2]); });
}

TEST_F(PretendOperators, Attention) {
  auto const q = at::randn({2, 3, 5, 8}), k = at::randn({2, 3, 5, 8}), v = at::randn({2, 3, 5, 8});
  auto const there = at::scaled_dot_product_attention(q.to(first), k.to(first), v.to(first), {}, 0, true);
  EXPECT_EQ(there.device(), first);
  EXPECT_TRUE(at::allclose(there.cpu(), at::scaled_dot_product_attention(q, k, v, {}, 0, true), 1e-5, 1e-6));
}

TEST_F(PretendOperators, LinearAlgebra) {
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
  EXPECT_THAT(refusal([&] { at::linalg_cholesky((-positive).to(first)); }), HasSubstr("not positive-definite"));
}

TEST_F(PretendOperators, Gradients) {
  auto const loss = [](at::Tensor const& w, at::Tensor const& v, at::Tensor const& x, at::Tensor const& ids) {
    auto hidden = at::layer_norm(at::gelu(x.matmul(w)), {5});
    hidden = hidden.index_add(0, ids.narrow(0, 0, 4), hidden);
    return at::cross_entropy_loss(hidden.matmul(v), ids) + w.norm() + std::get<0>(v.topk(2)).sum();
  };
  auto const w = at::randn({3, 5}), v = at::randn({5, 6}), x = at::randn({4, 3}), ids = at::randint(4, {4}, at::kLong);
  auto const here = w.clone().requires_grad_(true), there = w.to(second).requires_grad_(true);
  auto const other_here = v.clone().requires_grad_(true), other_there = v.to(second).requires_grad_(true);
  loss(here, other_here, x, ids).backward();
  loss(there, other_there, x.to(second), ids.to(second)).backward();
  EXPECT_EQ(there.grad().device(), second);
  expect_same_bits(there.grad(), here.grad());
  expect_same_bits(other_there.grad(), other_here.grad());
  c10::NoGradGuard const no_gradients;
  there.add_(there.grad(), -0.1);
  here.add_(here.grad(), -0.1);
  expect_same_bits(there.detach(), here.detach());
}

TEST_F(PretendOperators, GradientsReachTheHost) {
  auto const w = at::ones({3}).requires_grad_(true);
  (w.to(first) * at::tensor({1., 2., 3.}, at::device(first).dtype(at::kFloat))).sum().backward();
  EXPECT_TRUE(w.grad().is_cpu());
  EXPECT_TRUE(w.grad().equal(at::tensor({1.f, 2.f, 3.f})));
}

TEST_F(PretendOperators, InferenceModeWorks) {
  c10::InferenceMode const inference;
  auto const x = at::ones({3}, at::device(first));
  EXPECT_EQ((x.view({3, 1}) + x).add_(1).sum().item<float>(), 27);
}

TEST_F(PretendOperators, RefusesTensorsOfTwoDevices) {
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
           [&] { a.dot(host); }, [&] { a.index_select(0, ids); }, [&] { host.index_select(0, ids.to(first)); },
           [&] { a.gather(0, ids); },
           [&] {
             at::embedding(a.view({3, 1}), ids);
           },
           [&] { host.index({ids.to(first)}); }, [&] { a.index({ids.to(second)}); },
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

TEST_F(PretendOperators, TakesHostTensorsWhereCudaDoes) {
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

}  // namespace
}  // namespace onemask::test
