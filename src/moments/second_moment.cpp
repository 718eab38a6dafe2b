#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/moments/second_moment.hpp>

#include <algorithm>
#include <cmath>

#include <c10/core/GradMode.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr int fraction_bits = 22;
/// Below this, powers of two leave the range in which float32 scales exactly.
constexpr int smallest_exponent = -120;
/// Sums stay below 2^62 steps; bounds are counted in units of 2^20 of them.
constexpr int bound_bits = 20;
constexpr std::int64_t largest_bound = std::int64_t{1} << (62 - bound_bits);
/// Rows of the matrix made at once; only blocks on and above the diagonal are.
constexpr std::int64_t rows_at_once = 256;
/// Bytes; the store holds more.
constexpr std::size_t longest_maker = 10'000;

template <typename Work>
void for_blocks(std::int64_t inner, Work const& work) {
  for (std::int64_t first = 0; first < inner; first += rows_at_once) work(first, std::min(rows_at_once, inner - first));
}

/// The largest sum of squares of a column; not finite where a key is not.
double largest_square_sum(at::Tensor const& keys) {
  return keys.square().sum(0).max().item<double>();
}

}  // namespace

std::string to_bytes(SecondMoment const& moment) {
  auto convergence = nlohmann::json::array();
  for (auto const& entry : moment.convergence) convergence.push_back({{"tokens", entry.tokens}, {"change", entry.change}});
  nlohmann::json facts{{"layer", moment.layer}, {"tokens", moment.tokens}, {"model", moment.model}, {"convergence", convergence}};
  if (!moment.made_by.empty()) facts["made_by"] = moment.made_by;
  return write_safetensors({{"matrix", moment.matrix}}, {{"second_moment", facts.dump()}});
}

SecondMoment second_moment_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  SecondMoment moment;
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("second_moment"));
    moment.layer = facts.at("layer").get<int>();
    moment.tokens = facts.at("tokens").get<std::int64_t>();
    moment.model = facts.at("model").get<std::string>();
    moment.made_by = facts.value("made_by", "");
    if (moment.made_by.size() > longest_maker) throw UserError("it takes more than 10000 bytes to say what made it");
    for (auto const& entry : facts.at("convergence")) {
      moment.convergence.push_back({entry.at("tokens").get<std::int64_t>(), entry.at("change").get<double>()});
    }
  } catch (std::exception const& e) {
    throw UserError(source + " is not a second moment of onemask: " + e.what() + ". Make it again.");
  }
  moment.matrix = file.tensor("matrix");
  auto const& matrix = moment.matrix;
  bool const square = matrix.dim() == 2 && matrix.size(0) == matrix.size(1) && matrix.scalar_type() == at::kFloat;
  if (!square || moment.tokens < 1) {
    throw UserError(source + " is not a second moment of onemask: it needs a float32 matrix [in, in] of at least one token.");
  }
  return moment;
}

double trace(SecondMoment const& moment) {
  return moment.matrix.diagonal().sum(at::kDouble).item<double>();
}

double least_condition(SecondMoment const& moment) {
  auto const diagonal = moment.matrix.diagonal();  // every element lies between the smallest and the largest eigenvalue
  return diagonal.max().item<double>() / diagonal.min().item<double>();
}

void require_enough_tokens(SecondMoment const& moment, std::string const& where) {
  auto const inner = moment.matrix.size(0);
  if (moment.tokens >= inner) return;
  throw UserError(fmt::format(
      "{}: the second moment of layer {} was computed from {} tokens, but it can be inverted only if there are at least {}, "
      "the width of that layer's MLP. Several times as many are better. Compute one from more tokens.",
      where, moment.layer, moment.tokens, inner));
}

void visit_keys(CausalLM const& model, TokenRows const& rows, std::span<int const> layers,
                std::function<void(int, at::Tensor const&)> const& take) {
  c10::NoGradGuard const no_gradients;
  if (layers.empty()) return;
  Pass const pass(model, rows.layout);
  auto residual = pass.embed(rows.ids);
  auto wanted = layers.begin();
  for (int layer = 0;; ++layer) {
    auto const half = pass.halfway(layer, residual);
    if (layer == *wanted) {
      take(layer, half.key);
      if (++wanted == layers.end()) return;
    }
    residual = pass.finish(layer, half);
  }
}

int MomentSum::suitable_exponent(at::Tensor const& keys) {
  auto const squares = largest_square_sum(keys.to(at::kFloat)) / static_cast<double>(keys.size(0));
  if (!std::isfinite(squares)) throw RunError("The keys are not finite numbers, or too large for float32.");
  if (squares == 0) return -fraction_bits;
  int power = 0;
  if (std::frexp(squares, &power) == 0.5) --power;
  return std::max(power - fraction_bits, smallest_exponent);
}

MomentSum::MomentSum(std::int64_t inner, int exponent, at::Device device)
    : exponent_(exponent), integers_(at::zeros({inner, inner}, at::TensorOptions().dtype(at::kLong).device(device))) {}

void MomentSum::add(at::Tensor const& keys) {
  c10::NoGradGuard const no_gradients;
  auto const x = keys.to(at::kFloat);
  invariant(x.dim() == 2 && x.size(1) == integers_.size(0), "keys of ", x.numel(), " numbers are added to the second moment of ",
            integers_.size(0), " neurons");
  auto const largest = largest_square_sum(x);
  if (!std::isfinite(largest)) throw RunError("The keys are not finite numbers, or too large for float32.");
  auto const steps = std::ldexp(largest, -exponent_ - bound_bits) + 2;  // 1 for rounding up, 1 for float32's own rounding
  set_bound(steps < static_cast<double>(largest_bound) ? bound_ + static_cast<std::int64_t>(steps) : largest_bound);
  auto const scale = std::ldexp(1.0, -exponent_);
  for_blocks(x.size(1), [&](std::int64_t first, std::int64_t count) {
    auto const rest = x.size(1) - first;
    auto product = at::mm(x.narrow(1, first, count).t(), x.narrow(1, first, rest));
    product.mul_(scale).round_();  // a power of two, so exact
    integers_.narrow(0, first, count).narrow(1, first, rest).add_(product.to(at::kLong));
  });
}

void MomentSum::clear() {
  integers_.zero_();
  bound_ = 0;
}

void MomentSum::set_bound(std::int64_t bound) {
  if (bound < 0 || bound >= largest_bound) {
    throw RunError(
        "The sum of squares of the keys leaves the range of exact sums: some keys are a million times as large as those "
        "that the text begins with. Check the text, or begin with another.");
  }
  bound_ = bound;
}

at::Tensor MomentSum::mean(std::int64_t tokens) const {
  invariant(tokens > 0, "a second moment is the mean over ", tokens, " tokens");
  auto const inner = integers_.size(0);
  auto result = at::empty({inner, inner}, at::kFloat);
  auto const scale = std::ldexp(1.0, exponent_) / static_cast<double>(tokens);
  for_blocks(inner, [&](std::int64_t first, std::int64_t count) {
    auto const part = integers_.narrow(0, first, count).narrow(1, first, inner - first).to(at::kCPU, at::kDouble) * scale;
    auto const upper = part.triu();
    result.narrow(1, first, count).narrow(0, first, inner - first).copy_(upper.t());
    auto const rows = result.narrow(0, first, count).narrow(1, first, inner - first);
    rows.copy_(upper);
    auto const corner = part.narrow(1, 0, count);
    rows.narrow(1, 0, count).copy_(corner.triu() + corner.triu(1).t());
  });
  return result;
}

}  // namespace onemask
