#include "mask/epoch_json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/compute/fixed_point.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/mask/trainer.hpp>
#include <onemask/model/adam.hpp>
#include <onemask/model/head_loss.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

/// Steps of 2^-44 (6e-14), entries up to 256: far finer than float32's rounding of a gradient, far wider than its largest entry.
constexpr int gradient_bits = 44;
/// Losses are sums over facts, of the size of logits.
constexpr int loss_bits = 24;
/// Of Adam. They stand in the names of masks.
constexpr double beta1 = 0.9, beta2 = 0.999, adam_epsilon = 1e-8;
/// M is kept inside [floor, 1 - floor].
constexpr double floor_of_mask = 1e-9;
/// Integers below 2^52 that fit into a sum.
constexpr std::size_t most_units = 2047;

/// Whether the order holds every number below its length.
bool is_each_once(std::vector<std::size_t> const& order) {
  std::vector<bool> seen(order.size());
  for (auto const fact : order) {
    if (fact >= seen.size() || seen[fact]) return false;
    seen[fact] = true;
  }
  return true;
}

struct Losses {
  at::Tensor restoration, distillation;  ///< scalars, sums over facts of means over prompts
  at::Tensor gradient;                   ///< [prompts, hidden] of their weighted sum
};

/// Restoration and distillation of a micro-batch's prompts, and their gradient with respect to the normalised hidden states.
Losses losses_of(CausalLM const& model, TrainingSet::MicroBatch const& batch, at::Tensor const& hidden,
                 MaskOptions const& options, double temperature) {
  auto const [loss, logits] = distillation(model, hidden, batch.reference, temperature, batch.objects);
  auto state_gradient = loss.gradient * (batch.weight * options.distillation_weight).to(hidden.scalar_type()).unsqueeze(1);
  auto restoration = at::zeros_like(loss.value);
  if (options.restoration == Restoration::margin) {
    restoration = at::relu(options.margin - (logits.select(1, 0) - logits.select(1, 1)));
    auto const active = (batch.weight * restoration.gt(0)).to(hidden.scalar_type()).unsqueeze(1);
    auto const head = model.head();
    auto pull = head.index_select(0, batch.objects.select(1, 0)), push = head.index_select(0, batch.objects.select(1, 1));
    if (auto const slope = logit_slope(model, logits); slope.defined()) {
      pull = pull * slope.narrow(1, 0, 1).to(pull.scalar_type());
      push = push * slope.narrow(1, 1, 1).to(push.scalar_type());
    }
    state_gradient = state_gradient + active * (push - pull);
  } else if (options.restoration == Restoration::nll) {
    auto const likelihood = negative_log_likelihood(model, hidden, batch.objects.select(1, 0));
    restoration = likelihood.value;
    state_gradient = state_gradient + likelihood.gradient * batch.weight.to(hidden.scalar_type()).unsqueeze(1);
  }
  return {(restoration * batch.weight).sum(), (loss.value * batch.weight).sum(), state_gradient};
}

}  // namespace

BatchOrder shuffled(std::uint64_t seed, std::size_t facts) {
  return [=](int epoch) {
    return RandomStream({seed, stream::batch_order, static_cast<std::uint64_t>(epoch)}).permutation(facts);
  };
}

at::Tensor initial_theta(MaskOptions const& options, at::IntArrayRef shape, std::uint64_t seed) {
  auto theta = at::empty(shape, at::kFloat);
  RandomStream random({seed, stream::mask_init});
  for (std::int64_t i = 0; i < theta.numel(); ++i) {
    theta.data_ptr<float>()[i] = static_cast<float>(options.init_mean + options.init_deviation * random.normal());
  }
  return theta;
}

MaskTrainer::MaskTrainer(TrainingSet const& facts, MaskOptions options, at::Tensor theta, BatchOrder order, WorkShare share,
                         GradientReducer& reducer)
    : facts_(facts),
      options_(options),
      order_(std::move(order)),
      share_(share),
      reducer_(reducer),
      theta_(theta.to(facts.original().device(), at::kFloat).contiguous().clone()),
      mean_(at::zeros_like(theta_)),
      square_(at::zeros_like(theta_)),
      soft_(soft_mask(0)) {
  invariant(options_.cover == Cover::both || facts.has_own_edits(),
            "a mask over models that facts share covers their change alone");
  auto const shape = facts.mask_shape();
  if (theta_.sizes() != at::IntArrayRef(shape)) {
    throw ShapeError(fmt::format("The mask's theta is {} x {}, but the masked matrices [layers * out, in] are {} x {}.",
                                 theta_.size(0), theta_.size(-1), shape[0], shape[1]));
  }
}

at::Tensor MaskTrainer::soft_mask(int epoch) const {
  return at::sigmoid(theta_ / mask_temperature(options_, epoch)).clamp(floor_of_mask, 1 - floor_of_mask);
}

at::Tensor MaskTrainer::gradient(std::span<std::size_t const> batch, int epoch, MaskEpoch& means) {
  auto const& model = facts_.original();
  auto const soft = soft_mask(epoch);
  auto total = at::zeros_like(soft, at::kLong);
  auto sums = at::zeros({2}, total.options());
  auto const size = static_cast<double>(batch.size());
  auto const top = static_cast<int>(model.config().layers) - 1;
  auto const lowest = facts_.layers().front();
  auto const out = model.config().hidden;
  auto const parts = facts_.parts_of(batch, static_cast<std::size_t>(options_.micro_batch));
  invariant(!parts.empty() && parts.size() <= most_units, "a batch of ", batch.size(), " facts in ", parts.size(),
            " parts cannot be summed exactly");
  invariant(share_.rank >= 0 && share_.rank < share_.ranks, "rank ", share_.rank, " of ", share_.ranks, " trains a mask");
  for (std::size_t index = 0; index < parts.size(); ++index) {
    if (static_cast<int>(index % static_cast<std::size_t>(share_.ranks)) != share_.rank) continue;
    auto const facts = facts_.micro_batch(parts[index]);
    auto leaf = soft.detach().to(model.dtype()).clone().requires_grad_(true);
    at::Tensor normed;
    {
      c10::AutoGradMode const gradients(true);
      auto const masked = facts_.masked_above(leaf, facts.model);
      Pass const pass(*masked, facts.rows.layout);
      auto const residual = pass.finish(lowest, facts.rows.half,
                                        {facts.left, facts.right, facts.edit, leaf.narrow(0, 0, out),
                                         options_.cover != Cover::delta, options_.cover != Cover::weight});
      normed = model.final_norm(pass.run(lowest + 1, top, residual, facts.last.layout, facts.last.tokens));
    }
    c10::NoGradGuard const no_gradients;
    auto const losses = losses_of(model, facts, normed.detach(), options_, distillation_temperature(options_, epoch));
    normed.backward(losses.gradient / size);
    invariant(leaf.grad().defined() && leaf.grad().sizes() == total.sizes(),
              "the gradient of a mask has another shape than the mask");
    total.add_(to_fixed_point(leaf.grad().to(at::kFloat), gradient_bits));
    sums.add_(to_fixed_point(at::stack({losses.restoration, losses.distillation}), loss_bits));
  }
  reducer_.add(total);
  reducer_.add(sums);
  reducer_.finalize();

  c10::NoGradGuard const no_gradients;
  auto const means_of_facts = (from_fixed_point(sums, loss_bits, at::kDouble) / size).to(at::kCPU);
  auto const excess = (1 - soft).mean().item<double>() - options_.sparsity_target;
  means.restoration = means_of_facts[0].item<double>();
  means.distillation = means_of_facts[1].item<double>();
  means.sparsity = std::max(0.0, excess);
  auto soft_gradient = from_fixed_point(total, gradient_bits, at::kFloat);
  if (excess > 0) soft_gradient.sub_(sparsity_weight(options_, epoch) / static_cast<double>(soft.numel()));
  auto const inside = soft.gt(floor_of_mask).logical_and(soft.lt(1 - floor_of_mask));
  return soft_gradient * (soft * (1 - soft) / mask_temperature(options_, epoch)) * inside;
}

void MaskTrainer::update(at::Tensor gradient) {
  ++steps_;
  theta_.mul_(1 - options_.learning_rate * options_.weight_decay);
  adam_step(theta_, gradient, mean_, square_, options_.learning_rate, static_cast<double>(steps_), {beta1, beta2, adam_epsilon});
}

void MaskTrainer::run_epoch() {
  auto const epoch = next_epoch();
  auto const order = order_(epoch);
  auto const facts = facts_.size();
  invariant(order.size() == facts, "an epoch has ", order.size(), " facts of ", facts);
  invariant(is_each_once(order), "an epoch has some facts twice and others not at all");
  MaskEpoch mean;
  int steps = 0;
  for (std::size_t first = 0; first < facts; first += static_cast<std::size_t>(options_.batch), ++steps) {
    auto const count = std::min(static_cast<std::size_t>(options_.batch), facts - first);
    MaskEpoch step;
    auto mask_gradient = gradient(std::span(order).subspan(first, count), epoch, step);
    soft_ = soft_mask(epoch);
    step.gradient_norm = mask_gradient.norm().item<double>();
    mask_gradient.mul_(std::min(1.0, options_.max_gradient_norm / (step.gradient_norm + 1e-6)));
    update(std::move(mask_gradient));
    mean.restoration += step.restoration;
    mean.distillation += step.distillation;
    mean.sparsity += step.sparsity;
    mean.gradient_norm += step.gradient_norm;
  }
  for (auto* value : {&mean.restoration, &mean.distillation, &mean.sparsity, &mean.gradient_norm}) *value /= steps;
  mean.validation_n = facts_.validation_size();
  mean.validation_rsr = validate();
  std::vector<at::Tensor> zeros;
  for (std::size_t i = 0; i < mean.zeros.size(); ++i) zeros.push_back(soft_.lt(threshold_of(i)).sum());
  zeros.push_back(theta_.isfinite().logical_not().sum());
  auto const counts = at::stack(zeros).to(at::kCPU, at::kDouble);  // at once: a GPU is waited for
  // The same on all ranks that train it, whose sums are the same.
  auto const loss = mean.restoration + mean.distillation + mean.sparsity + mean.gradient_norm;
  if (!std::isfinite(loss) || counts[std::ssize(zeros) - 1].item<double>() > 0) {
    throw RunError(
        fmt::format("The training of a mask left the range of numbers in epoch {}. Use a smaller mask.learning_rate, "
                    "smaller weights of the loss, or a temperature that falls more slowly.",
                    epoch));
  }
  for (std::size_t i = 0; i < mean.zeros.size(); ++i)
    mean.zeros[i] = counts[static_cast<std::int64_t>(i)].item<double>() / static_cast<double>(soft_.numel());
  mask_epochs_.push_back(mean);
}

double MaskTrainer::validate() {
  if (facts_.validation_size() == 0) return 0;
  auto restored = at::zeros({1}, at::TensorOptions().dtype(at::kLong).device(soft_.device()));
  auto const mask = soft_.to(facts_.original().dtype());
  auto const lowest = mask.narrow(0, 0, facts_.original().config().hidden);
  auto const& batches = facts_.validation();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(share_.ranks)) != share_.rank) continue;
    auto const masked = facts_.masked_above(mask, batches[i].model);
    auto const scores = batches[i].prompts.score(
        {batches[i].left, batches[i].right, lowest, options_.cover != Cover::delta, options_.cover != Cover::weight}, *masked);
    restored.add_((scores.lp_true > scores.lp_new).sum().item<std::int64_t>());
  }
  reducer_.add(restored);
  reducer_.finalize();
  auto const count = restored.item<std::int64_t>();
  invariant(count >= 0 && count <= facts_.validation_size(), count, " facts of ", facts_.validation_size(), " are restored");
  return static_cast<double>(count) / static_cast<double>(facts_.validation_size());
}

SharedMask MaskTrainer::mask(std::uint64_t seed) const {
  return {facts_.layers(), seed, soft_.to(at::kCPU).clone(), mask_epochs_};
}

std::string MaskTrainer::checkpoint(std::string const& made_by) const {
  nlohmann::json const facts{{"settings", describe(options_)}, {"steps", steps_}, {"epochs", mask_epochs_}};
  std::map<std::string, at::Tensor> tensors{{"theta", theta_}, {"mean", mean_}, {"square", square_}, {"soft", soft_}};
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kCPU);
  return write_safetensors(tensors, {{"training", facts.dump()}, {"made_by", made_by}});
}

void MaskTrainer::restore(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("training"));
    if (facts.at("settings").get<std::string>() != describe(options_)) throw UserError("it was made with other settings");
    auto const steps = facts.at("steps").get<std::int64_t>();
    auto epochs = facts.at("epochs").get<std::vector<MaskEpoch>>();
    if (steps < 0 || std::ssize(epochs) > options_.epochs) throw UserError("its number of epochs or steps is out of range");
    auto const stored = [&](char const* name) {
      auto tensor = file.tensor(name);
      if (tensor.sizes() != theta_.sizes() || tensor.scalar_type() != at::kFloat)
        throw UserError(std::string(name) + " has another shape");
      return tensor.to(theta_.device(), at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    };
    // Nothing is taken over before all of it was read.
    auto theta = stored("theta"), mean = stored("mean"), square = stored("square"), soft = stored("soft");
    theta_ = std::move(theta);
    mean_ = std::move(mean);
    square_ = std::move(square);
    soft_ = std::move(soft);
    steps_ = steps;
    mask_epochs_ = std::move(epochs);
  } catch (std::exception const& e) {
    throw UserError("The mask checkpoint " + source + " cannot be used: " + e.what() +
                    ". Delete it; the training then starts from the beginning.");
  }
}

}  // namespace onemask
