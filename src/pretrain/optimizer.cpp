#include "pretrain/optimizer.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/model/adam.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace onemask {
namespace {

constexpr double momentum = 0.95;  // of Muon
constexpr AdamDecay adam_decay{.square = 0.95};
/// Of the quintic polynomial a x + b x³ + c x⁵.
constexpr double quintic_a = 3.4445, quintic_b = -4.7750, quintic_c = 2.0315;
constexpr int newton_schulz_steps = 5;

/// Multiplications of orthogonalising a matrix, in units of its shorter side's square.
std::int64_t cost_of(Weight const& weight) {
  auto const [shorter, longer] = std::minmax(weight.shape[0], weight.shape[1]);
  return shorter * shorter * (2 * longer + shorter);
}

/// Every matrix to the rank with the least work so far, the most costly first.
std::vector<int> share_out(std::vector<Weight> const& weights, int ranks) {
  std::vector<int> owner(weights.size(), -1);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].kind == Weight::Kind::matrix) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return cost_of(weights[a]) > cost_of(weights[b]); });
  std::vector<std::int64_t> work(static_cast<std::size_t>(ranks), 0);
  for (auto const i : order) {
    auto const least = std::min_element(work.begin(), work.end());
    owner[i] = static_cast<int>(least - work.begin());
    *least += cost_of(weights[i]);
  }
  return owner;
}

}  // namespace

at::ScalarType type_of_products(TrainingOptions const& options) {
  return options.precision == "float32" ? at::kFloat : at::kBFloat16;
}

double learning_rate_factor(TrainingOptions const& options, std::int64_t step) {
  if (step < options.warmup) return static_cast<double>(step + 1) / static_cast<double>(options.warmup + 1);
  auto const last = std::max<std::int64_t>(1, options.steps - 1 - options.warmup);
  double const way = std::min(1.0, static_cast<double>(step - options.warmup) / static_cast<double>(last));
  double const height = options.schedule == "linear" ? 1 - way : (1 + std::cos(std::numbers::pi * way)) / 2;
  return options.min_lr_ratio + (1 - options.min_lr_ratio) * height;
}

at::Tensor orthogonalised(at::Tensor const& matrix, at::ScalarType type) {
  bool const tall = matrix.size(0) > matrix.size(1);
  auto x = (matrix / (matrix.norm() + 1e-7)).to(type);
  if (tall) x = x.t().contiguous();
  for (int i = 0; i < newton_schulz_steps; ++i) {
    auto const gram = at::mm(x, x.t());
    x = at::addmm(x, at::addmm(gram, gram, gram, quintic_b, quintic_c), x, quintic_a);
  }
  return tall ? x.t() : x;
}

Optimizer::Optimizer(std::vector<Weight> const& weights, at::Tensor flat, TrainingOptions const& options,
                     Communicator const& comm)
    : weights_(weights),
      flat_(std::move(flat)),
      options_(options),
      comm_(comm),
      owner_(share_out(weights, comm.size())),
      mean_(at::zeros_like(flat_)),
      square_(at::zeros_like(flat_)) {}

void Optimizer::step(at::Tensor const& gradient, std::int64_t step) {
  c10::NoGradGuard const no_gradients;
  double const factor = learning_rate_factor(options_, step);
  step_matrices(gradient, options_.muon_lr * factor);
  step_others(gradient, options_.adam_lr * factor, step);
}

void Optimizer::step_matrices(at::Tensor const& gradient, double rate) {
  auto const type = type_of_products(options_);
  auto const size = static_cast<std::int64_t>(c10::elementSize(type));
  std::string own;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (owner_[i] < 0) continue;
    auto const weight_gradient = view_of(gradient, weights_[i]);
    auto mean = view_of(mean_, weights_[i]);
    mean.mul_(momentum).add_(weight_gradient);
    if (owner_[i] != comm_.rank()) continue;
    auto const direction = orthogonalised(at::add(weight_gradient, mean, momentum), type).contiguous();
    own.append(static_cast<char const*>(direction.const_data_ptr()), direction.nbytes());
  }
  auto const all = comm_.all_gather(own);
  std::vector<std::size_t> read(all.size(), 0);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (owner_[i] < 0) continue;
    auto const& weight = weights_[i];
    auto const rank = static_cast<std::size_t>(owner_[i]);
    auto const bytes = static_cast<std::size_t>(weight.count * size);
    invariant(read[rank] + bytes <= all[rank].size(), "rank ", rank, " gave ", all[rank].size(), " bytes of directions; ",
              read[rank] + bytes, " are needed");
    auto direction = at::empty(weight.shape, at::TensorOptions().dtype(type));
    std::memcpy(direction.mutable_data_ptr(), all[rank].data() + read[rank], bytes);
    read[rank] += bytes;
    auto const out = static_cast<double>(weight.shape[weight.out_first ? 0 : 1]);
    auto const in = static_cast<double>(weight.shape[weight.out_first ? 1 : 0]);
    view_of(flat_, weight).add_(direction, -rate * std::sqrt(std::max(1.0, out / in)));
  }
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    invariant(read[rank] == all[rank].size(), "rank ", rank, " gave ", all[rank].size(), " bytes of directions, and ", read[rank],
              " were taken");
  }
}

void Optimizer::step_others(at::Tensor const& gradient, double rate, std::int64_t step) {
  auto const steps = static_cast<double>(step + 1);
  for (auto const& weight : weights_) {
    if (weight.kind == Weight::Kind::matrix) continue;
    adam_step(view_of(flat_, weight), view_of(gradient, weight), view_of(mean_, weight), view_of(square_, weight), rate, steps,
              adam_decay);
  }
}

}  // namespace onemask
