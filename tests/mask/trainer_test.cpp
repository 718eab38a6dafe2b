#include "support/complaint.hpp"
#include "support/tiny_families.hpp"
#include "support/world.hpp"
#include <onemask/comm/mailbox.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/mask/trainer.hpp>
#include <onemask/model/pass.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

constexpr int edited_layer = 1;

MaskFact make_fact(std::uint64_t seed, std::size_t prompts) {
  MaskFact fact;
  for (std::size_t p = 0; p < prompts; ++p) fact.prompts.push_back(random_ids(4 + (seed + p) % 5, 100 * seed + p));
  fact.target_true = random_ids(1 + seed % 2, 100 * seed + 50);
  fact.target_new = random_ids(1 + seed % 3, 100 * seed + 51);
  fact.left = random_tensor({1, 16}, 1000 + seed, 0.6);
  fact.right = random_tensor({1, 64}, 2000 + seed, 0.6);
  return fact;
}

std::vector<MaskFact> make_facts(std::uint64_t first, std::size_t count) {
  std::vector<MaskFact> facts;
  for (std::size_t i = 0; i < count; ++i) facts.push_back(make_fact(first + i, 1 + i % 3));
  return facts;
}

struct Training {
  Training() {
    options_.epochs = 3;
    options_.batch = 5;
    options_.micro_batch = 2;
    options_.learning_rate = 0.05;
    options_.margin = 8;  // active for some prompts, idle for others
  }

  at::Tensor theta() const { return initial_theta(options_, {16, 64}, 9); }
  /// This program's ranks as one group.
  MaskTrainer together() {
    return {facts_, options_, theta(), shuffled(4, facts_.size()), {world().rank(), world().size()}, *group_};
  }
  /// One rank by itself, in the same process.
  MaskTrainer alone() { return {facts_, options_, theta(), shuffled(4, facts_.size()), {}, *local_}; }

  static void run(MaskTrainer& trainer) {
    while (!trainer.done()) trainer.run_epoch();
  }

  /// The loss of a batch by the paper's formula (arXiv 2605.28839, section 3), in float64, every fact with its whole masked
  /// matrix, (W + ΔW) ∘ M or another cover, and its prompts one by one.
  double loss(at::Tensor const& theta, std::span<std::size_t const> batch, int epoch) const {
    c10::NoGradGuard const no_gradients;
    auto const soft = at::sigmoid(theta / mask_temperature(options_, epoch));
    auto const t = distillation_temperature(options_, epoch);
    auto const projection = wide_->projection(edited_layer);
    double total = 0;
    for (auto index : batch) {
      auto const& fact = training_[index];
      auto const change = at::matmul(fact.left.to(at::kDouble).t(), fact.right.to(at::kDouble));
      auto const covers = [&](Cover alone) { return options_.cover == Cover::both || options_.cover == alone; };
      auto const masked = (covers(Cover::weight) ? projection.weight * soft : projection.weight) +
                          (covers(Cover::delta) ? change * soft : change);
      double sum = 0;
      for (auto const& prompt : fact.prompts) {
        auto const packed = pack_rows({prompt}, at::kCPU);
        Pass const pass(*wide_, packed.layout);
        auto const half = pass.halfway(edited_layer, pass.run(0, edited_layer - 1, pass.embed(packed.ids)));
        auto const logits_under = [&](at::Tensor const& weight) {
          auto const residual = half.residual + at::linear(half.key, weight, projection.bias);
          return wide_->logits(wide_->final_norm(pass.run(edited_layer + 1, 2, residual))).select(0, -1);
        };
        auto const logits = logits_under(masked), original = logits_under(projection.weight);
        auto const truth = fact.target_true.front();
        if (options_.restoration == Restoration::margin) {
          sum += std::max(0.0, options_.margin - (logits[truth] - logits[fact.target_new.front()]).item<double>());
        } else if (options_.restoration == Restoration::nll) {
          sum -= at::log_softmax(logits, 0)[truth].item<double>();
        }
        auto const teacher = at::log_softmax(original / t, 0), student = at::log_softmax(logits / t, 0);
        sum += options_.distillation_weight * t * t * (teacher.exp() * (teacher - student)).sum().item<double>();
      }
      total += sum / static_cast<double>(fact.prompts.size());
    }
    auto const excess = std::max(0.0, (1 - soft).mean().item<double>() - options_.sparsity_target);
    return total / static_cast<double>(batch.size()) + sparsity_weight(options_, epoch) * excess;
  }

  /// Compares the trainer's gradient with central differences of `loss` along random directions and single entries.
  void check_gradient(int epoch) {
    auto trainer = together();
    std::vector<std::size_t> const batch{3, 0, 6, 2};
    MaskEpoch means;
    auto const gradient = trainer.gradient(batch, epoch, means).to(at::kDouble);
    auto const start = theta().to(at::kDouble);
    double const step = 1e-5;
    auto const slope = [&](at::Tensor const& direction) {
      return (loss(start + step * direction, batch, epoch) - loss(start - step * direction, batch, epoch)) / (2 * step);
    };
    auto const tolerance = 2e-4 * gradient.norm().item<double>();
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      auto direction = random_tensor({16, 64}, 500 + seed).to(at::kDouble);
      direction.div_(direction.norm());
      EXPECT_NEAR((gradient * direction).sum().item<double>(), slope(direction), tolerance) << "direction " << seed;
    }
    auto const along = gradient / gradient.norm();
    EXPECT_NEAR(gradient.norm().item<double>(), slope(along), tolerance);
    for (std::int64_t entry : {0, 300, 777, 1023}) {
      auto direction = at::zeros({16, 64}, at::kDouble);
      direction.view({-1})[entry] = 1;
      EXPECT_NEAR(gradient.view({-1})[entry].item<double>(), slope(direction), tolerance) << "entry " << entry;
    }
    auto const whole =
        means.restoration + options_.distillation_weight * means.distillation + sparsity_weight(options_, epoch) * means.sparsity;
    EXPECT_NEAR(whole, loss(start, batch, epoch), 1e-4 * std::abs(whole) + 1e-6);
  }

  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load(), wide_ = tiny_gpt2().load(at::kDouble);
  std::vector<MaskFact> const training_ = make_facts(1, 7), validation_ = make_facts(20, 3);
  TrainingSet const facts_{*model_, edited_layer, training_, validation_};
  MaskOptions options_;
  std::unique_ptr<GradientReducer> const group_ = make_reducer(world(), at::kCPU),
                                         local_ = make_reducer(Communicator(), at::kCPU);
};

class Trainer : public Training, public testing::Test {};

void expect_same(MaskTrainer const& a, MaskTrainer const& b) {
  EXPECT_TRUE(at::equal(a.theta(), b.theta()));
  auto const one = a.mask(0), other = b.mask(0);
  EXPECT_TRUE(at::equal(one.soft, other.soft));
  ASSERT_EQ(one.epochs.size(), other.epochs.size());
  for (std::size_t e = 0; e < one.epochs.size(); ++e) {
    EXPECT_EQ(one.epochs[e].restoration, other.epochs[e].restoration);
    EXPECT_EQ(one.epochs[e].distillation, other.epochs[e].distillation);
    EXPECT_EQ(one.epochs[e].gradient_norm, other.epochs[e].gradient_norm);
    EXPECT_EQ(one.epochs[e].validation_rsr, other.epochs[e].validation_rsr);
    EXPECT_EQ(one.epochs[e].zeros, other.epochs[e].zeros);
  }
}

RANK_TEST_F(Training, EveryNumberOfRanksGivesTheSameBits) {
  auto group = together(), single = alone();
  run(group);
  run(single);
  expect_same(group, single);
  EXPECT_FALSE(at::equal(group.theta(), theta()));
  auto const mask = group.mask(77);
  EXPECT_EQ(mask.layers, std::vector<int>{edited_layer});
  EXPECT_EQ(mask.seed, 77U);
  ASSERT_EQ(mask.epochs.size(), 3U);
  for (auto const& epoch : mask.epochs) {
    EXPECT_EQ(epoch.validation_n, 3);
    EXPECT_GT(epoch.gradient_norm, 0);
  }
}

RANK_TEST_F(Training, ContinuesFromACheckpointToTheSameBits) {
  auto single = alone();
  run(single);
  for (int stop : {1, 2}) {
    auto first = together();
    for (int epoch = 0; epoch < stop; ++epoch) first.run_epoch();
    auto second = together();
    second.restore(first.checkpoint(), "checkpoint");
    EXPECT_EQ(second.next_epoch(), stop);
    EXPECT_TRUE(second.checkpoint() == first.checkpoint());
    run(second);
    expect_same(second, single);
  }
}

/// All ranks but the first, as a group that a coordinator formed.
RANK_TEST_F(Training, GroupsOfAMailboxGiveTheSameBits) {
  Mailbox mailbox(world());
  std::vector<int> ranks(static_cast<std::size_t>(std::max(1, mailbox.size() - 1)));
  std::iota(ranks.begin(), ranks.end(), mailbox.size() > 1 ? 1 : 0);
  if (std::find(ranks.begin(), ranks.end(), mailbox.rank()) != ranks.end()) {
    auto const group = mailbox.group(ranks, 3, [] {});
    auto const reducer = make_reducer(group, at::kCPU);
    MaskTrainer several(facts_, options_, theta(), shuffled(4, facts_.size()), {group.rank(), group.size()}, *reducer);
    auto single = alone();
    run(several);
    run(single);
    expect_same(several, single);
  }
  world().barrier();
}

TEST_F(Trainer, OrderOfFactsInAnEpochComesFromTheSeed) {
  auto const order = shuffled(4, 100);
  EXPECT_EQ(order(0), order(0));
  EXPECT_NE(order(0), order(1));
  EXPECT_NE(order(0), shuffled(5, 100)(0));
  auto sorted = order(2);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(sorted[i], i);
}

TEST_F(Trainer, AnEpochWithAFactTwiceIsADefect) {
  BatchOrder const right_sum = [](int) { return std::vector<std::size_t>{0, 1, 2, 3, 3, 6, 6}; };
  MaskTrainer trainer(facts_, options_, theta(), right_sum, {}, *local_);
  EXPECT_THROW(trainer.run_epoch(), BrokenInvariant);
}

TEST_F(Trainer, InitialThetaHasTheMeanAndDeviationAskedFor) {
  auto const theta = initial_theta(options_, {100, 200}, 3);
  EXPECT_NEAR(theta.mean().item<double>(), options_.init_mean, 0.005);
  EXPECT_NEAR(theta.std().item<double>(), options_.init_deviation, 0.005);
  EXPECT_TRUE(at::equal(theta, initial_theta(options_, {100, 200}, 3)));
  EXPECT_FALSE(at::equal(theta, initial_theta(options_, {100, 200}, 4)));
}

TEST_F(Trainer, GradientOfTheWholeLoss) {
  check_gradient(0);
  check_gradient(2);
}

TEST_F(Trainer, GradientOfTheLikelihoodRestoration) {
  options_.restoration = Restoration::nll;
  check_gradient(1);
}

TEST_F(Trainer, GradientWithoutRestoration) {
  options_.restoration = Restoration::none;
  check_gradient(1);
  MaskEpoch means;
  auto trainer = together();
  trainer.gradient(std::vector<std::size_t>{0, 1}, 1, means);
  EXPECT_EQ(means.restoration, 0);
  EXPECT_GT(means.distillation, 0);
}

TEST_F(Trainer, GradientWithoutDistillation) {
  options_.distillation_weight = 0;
  check_gradient(1);
}

TEST_F(Trainer, GradientOfAMaskOnTheChangeOrTheWeightAlone) {
  for (auto const cover : {Cover::delta, Cover::weight}) {
    options_.cover = cover;
    check_gradient(1);
  }
}

TEST_F(Trainer, GradientWithoutSparsity) {
  options_.sparsity_weight0 = options_.sparsity_weight1 = 0;
  check_gradient(2);
}

TEST_F(Trainer, GradientWithTheCosineTemperature) {
  options_.temperature_schedule = TemperatureSchedule::cosine;
  options_.epochs = 5;
  check_gradient(2);
}

/// Logits that are capped, and a norm behind the MLP: by automatic differentiation of whole passes.
TEST(TrainerOfGemma2, GradientOfTheLossByAutomaticDifferentiation) {
  auto const model = tiny_family("gemma2").load();
  std::vector<MaskFact> training;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    training.push_back(make_fact(seed, 1 + seed % 2));
    training.back().right = random_tensor({1, 40}, 2000 + seed, 0.6);
  }
  TrainingSet const facts(*model, edited_layer, training, {});
  MaskOptions options;
  options.margin = 3;
  options.sparsity_weight0 = options.sparsity_weight1 = 0;
  auto const theta = initial_theta(options, {16, 40}, 9);
  auto const projection = model->projection(edited_layer);
  auto const t = distillation_temperature(options, 0);
  for (auto restoration : {Restoration::margin, Restoration::nll}) {
    options.restoration = restoration;
    auto const reducer = make_reducer(Communicator(), at::kCPU);
    MaskTrainer trainer(facts, options, theta, shuffled(4, 3), {}, *reducer);
    MaskEpoch means;
    std::vector<std::size_t> const batch{0, 1, 2};
    auto const ours = trainer.gradient(batch, 0, means);

    c10::AutoGradMode const gradients(true);
    auto leaf = theta.clone().requires_grad_(true);
    auto const soft = at::sigmoid(leaf / mask_temperature(options, 0));
    auto loss = at::zeros({});
    for (auto const& fact : training) {
      for (auto const& prompt : fact.prompts) {
        auto const packed = pack_rows({prompt}, at::kCPU);
        Pass const pass(*model, packed.layout);
        auto const half = pass.halfway(edited_layer, pass.run(0, edited_layer - 1, pass.embed(packed.ids)));
        auto const logits_under = [&](at::Tensor const& weight) {
          auto const output = model->mlp_output(edited_layer, at::linear(half.key, weight, projection.bias));
          return model->logits(model->final_norm(pass.run(edited_layer + 1, 2, half.residual + output))).select(0, -1);
        };
        auto const logits = logits_under((projection.weight + at::matmul(fact.left.t(), fact.right)) * soft);
        auto const teacher = at::log_softmax(logits_under(projection.weight) / t, 0);
        auto const truth = fact.target_true.front(), other = fact.target_new.front();
        auto const part = restoration == Restoration::margin ? at::relu(options.margin - (logits[truth] - logits[other]))
                                                             : -at::log_softmax(logits, 0)[truth];
        auto const distilled = (teacher.exp() * (teacher - at::log_softmax(logits / t, 0))).sum() * (t * t);
        loss = loss + (part + options.distillation_weight * distilled) / (3.0 * static_cast<double>(fact.prompts.size()));
      }
    }
    loss.backward();
    EXPECT_GT(ours.norm().item<double>(), 1e-3);
    EXPECT_LT(((ours - leaf.grad()).norm() / leaf.grad().norm()).item<double>(), 1e-4);
    EXPECT_NEAR(means.restoration + options.distillation_weight * means.distillation, loss.item<double>(), 1e-4);
  }
}

TEST_F(Trainer, SparsityAloneIsKnownByHand) {
  options_.restoration = Restoration::none;
  options_.distillation_weight = 0;
  auto trainer = alone();
  MaskEpoch means;
  auto const gradient = trainer.gradient(std::vector<std::size_t>{0}, 2, means);
  auto const tau = 6 * std::exp(-2.0);
  auto const soft = at::sigmoid(theta() / tau);
  EXPECT_NEAR(means.sparsity, (1 - soft).mean().item<double>() - 0.1, 1e-6);
  auto const expected = -60.0 / 1024 * soft * (1 - soft) / tau;  // the last epoch's weight
  EXPECT_LT(largest_difference(gradient, expected), 1e-8);
}

TEST_F(Trainer, ZerosBelowTheTargetCostNothing) {
  options_.sparsity_target = 0.9;
  options_.restoration = Restoration::none;
  options_.distillation_weight = 0;
  auto trainer = alone();
  MaskEpoch means;
  auto const gradient = trainer.gradient(std::vector<std::size_t>{0}, 2, means);
  EXPECT_EQ(means.sparsity, 0);
  EXPECT_EQ(gradient.abs().max().item<double>(), 0);
}

TEST_F(Trainer, FirstStepOfAdamIsTheLearningRate) {
  options_.epochs = 1;
  options_.batch = 7;
  auto trainer = alone();
  auto const before = trainer.theta().clone();
  trainer.run_epoch();
  // Of entries whose gradient is far above Adam's epsilon.
  auto const moved = (trainer.theta() - before).abs();
  EXPECT_NEAR(moved.median().item<double>(), options_.learning_rate, 1e-3 * options_.learning_rate);
  EXPECT_LE(moved.max().item<double>(), options_.learning_rate * 1.00001);
  // The mask that comes back is the one of the last step, from before its update.
  EXPECT_TRUE(at::equal(trainer.mask(0).soft, at::sigmoid(before / 6.0)));
}

TEST_F(Trainer, NumbersThatLeaveTheirRangeEndTheTraining) {
  options_.epochs = 1;
  options_.sparsity_weight0 = options_.sparsity_weight1 = 1e38;
  options_.sparsity_target = 0;
  auto trainer = alone();
  EXPECT_THAT(test::complaint_of<RunError>([&] { trainer.run_epoch(); }),
              testing::AllOf(testing::HasSubstr("in epoch 0"), testing::HasSubstr("mask.learning_rate")));
}

TEST_F(Trainer, SparsityIsThePriceOfZerosBeyondTheTarget) {
  options_.epochs = 20;
  options_.restoration = Restoration::none;
  options_.distillation_weight = 0;
  auto trainer = alone();
  run(trainer);
  // Nothing pulls towards zero, so the excess at the start, mean(1 - M) of about 0.46 less 0.1, only shrinks.
  auto const epochs = trainer.mask(0).epochs;
  EXPECT_NEAR(epochs.front().sparsity, 0.365, 0.01);
  for (std::size_t e = 1; e < epochs.size(); ++e) EXPECT_LE(epochs[e].sparsity, epochs[e - 1].sparsity);
  EXPECT_LT(epochs.back().sparsity, 0.1);
}

TEST_F(Trainer, ThetaOfAnotherShapeIsRefused) {
  EXPECT_THROW(MaskTrainer(facts_, options_, at::zeros({64, 16}), shuffled(0, 7), {}, *local_), ShapeError);
}

class HostileCheckpoint : public Trainer {
 protected:
  HostileCheckpoint() {
    trainer_.run_epoch();
    good_ = trainer_.checkpoint();
  }

  std::string complaint(std::string const& bytes) {
    auto trainer = alone();
    return complaint_of([&] { trainer.restore(bytes, "run/c.safetensors"); });
  }

  /// The good checkpoint with its tensors or its metadata changed.
  std::string changed(
      std::function<void(std::map<std::string, at::Tensor>&, std::map<std::string, std::string>&)> const& change) const {
    auto const file = SafetensorsFile::parse(good_, "good");
    std::map<std::string, at::Tensor> tensors;
    for (auto const& name : file.names()) tensors[name] = file.tensor(name);
    auto metadata = file.metadata();
    change(tensors, metadata);
    return write_safetensors(tensors, metadata);
  }

  MaskTrainer trainer_ = alone();
  std::string good_;
};

TEST_F(HostileCheckpoint, CutAnywhere) {
  EXPECT_EQ(complaint(good_), "");
  for (std::size_t size = 0; size < good_.size(); size += 1 + good_.size() / 100) {
    EXPECT_THAT(complaint(good_.substr(0, size)), HasSubstr("run/c.safetensors")) << size;
  }
}

TEST_F(HostileCheckpoint, OtherSettingsShapesAndTypes) {
  auto const refused = [&](auto const& change) { EXPECT_THAT(complaint(changed(change)), HasSubstr("run/c.safetensors")); };
  refused([](auto& tensors, auto&) { tensors["theta"] = at::zeros({64, 16}); });
  refused([](auto& tensors, auto&) { tensors["square"] = at::zeros({16, 64}, at::kDouble); });
  refused([](auto& tensors, auto&) { tensors["soft"] = at::zeros({1024}); });
  refused([](auto& tensors, auto&) { tensors.erase("mean"); });
  refused([](auto&, auto& metadata) { metadata.clear(); });
  for (auto const* text : {"", "[]", "{}", "null", R"({"settings": 3})", R"({"settings": "x", "steps": 1, "epochs": []})"}) {
    refused([&](auto&, auto& metadata) { metadata["training"] = text; });
  }
  refused([](auto&, auto& metadata) {
    auto& text = metadata["training"];
    text.replace(text.find("\"steps\":"), 8, "\"stops\":");
  });
  options_.learning_rate = 0.04;
  EXPECT_THAT(complaint(good_), HasSubstr("other settings"));
}

TEST_F(HostileCheckpoint, ARefusedOneLeavesTheTrainingAsItWas) {
  auto const bad = changed([](auto& tensors, auto&) {
    tensors["theta"] = at::ones({16, 64});
    tensors["soft"] = at::zeros({1, 1});
  });
  EXPECT_THROW(trainer_.restore(bad, "bad"), UserError);
  EXPECT_TRUE(trainer_.checkpoint() == good_);
}

TEST(MaskSchedules, FirstAndLastEpochByHand) {
  MaskOptions options;
  options.epochs = 301;
  EXPECT_DOUBLE_EQ(mask_temperature(options, 0), 6);
  EXPECT_NEAR(mask_temperature(options, 300), 6 * std::exp(-900.0 / 301), 1e-12);
  EXPECT_DOUBLE_EQ(sparsity_weight(options, 0), 1e-6);
  EXPECT_DOUBLE_EQ(sparsity_weight(options, 150), (1e-6 + 60) / 2);
  EXPECT_DOUBLE_EQ(sparsity_weight(options, 300), 60);
  EXPECT_DOUBLE_EQ(distillation_temperature(options, 0), options.temperature0);
  auto const whole = options.temperature1 - options.temperature0;
  EXPECT_NEAR(distillation_temperature(options, 300), options.temperature0 + whole * 300 / 301, 1e-12);
  options.temperature_schedule = TemperatureSchedule::cosine;
  options.epochs = 4;
  EXPECT_DOUBLE_EQ(distillation_temperature(options, 0), options.temperature0);
  EXPECT_NEAR(distillation_temperature(options, 1), options.temperature0 + whole * (1 - std::sqrt(0.5)) / 2, 1e-12);
  EXPECT_NEAR(distillation_temperature(options, 2), options.temperature0 + whole / 2, 1e-12);
  options.epochs = 1;
  EXPECT_TRUE(std::isfinite(sparsity_weight(options, 0)));
}

/// Facts that are all written into one model.
struct BatchEditedTraining : Training {
  static std::vector<MaskFact> without_factors(std::vector<MaskFact> facts) {
    for (auto& fact : facts) fact.left = fact.right = at::Tensor();
    return facts;
  }
  static at::Tensor change(std::uint64_t seed) { return random_tensor({16, 64}, seed, 0.1); }
  std::unique_ptr<CausalLM> edited(std::vector<int> const& layers) const {
    std::map<int, at::Tensor> weights;
    for (auto layer : layers) weights[layer] = model_->projection(layer).weight + change(70 + static_cast<std::uint64_t>(layer));
    return model_->with_projections(std::move(weights));
  }
};

class BatchEditedTrainer : public BatchEditedTraining, public testing::Test {};

TEST_F(BatchEditedTrainer, OneModelForAllIsTheSameEditForEveryFact) {
  auto const left = random_tensor({1, 16}, 60, 0.6), right = random_tensor({1, 64}, 61, 0.6);
  auto each = training_;
  auto held_back = validation_;
  for (auto* list : {&each, &held_back}) {
    for (auto& fact : *list) {
      fact.left = left;
      fact.right = right;
    }
  }
  TrainingSet const apart(*model_, edited_layer, each, held_back);
  auto const shared =
      model_->with_projections({{edited_layer, model_->projection(edited_layer).weight + at::matmul(left.t(), right)}});
  TrainingSet const together(*model_, {edited_layer}, {{shared.get(), without_factors(each), without_factors(held_back)}});
  MaskTrainer one(apart, options_, theta(), shuffled(4, 7), {}, *local_);
  MaskTrainer other(together, options_, theta(), shuffled(4, 7), {}, *local_);
  MaskEpoch means, other_means;
  std::vector<std::size_t> const batch{3, 0, 6, 2};
  auto const gradient = one.gradient(batch, 1, means), same = other.gradient(batch, 1, other_means);
  EXPECT_LT(largest_difference(gradient, same), 1e-4 * gradient.norm().item<double>());
  EXPECT_NEAR(means.restoration, other_means.restoration, 1e-4);
  EXPECT_NEAR(means.distillation, other_means.distillation, 1e-4);
  one.run_epoch();
  other.run_epoch();
  EXPECT_EQ(one.mask(0).epochs[0].validation_rsr, other.mask(0).epochs[0].validation_rsr);
}

TEST_F(BatchEditedTrainer, TheGradientOverSeveralLayersIsTheSlope) {
  std::vector<int> const layers{0, 2};
  auto const masked = edited({0, 1, 2});
  TrainingSet const facts(*model_, layers, {{masked.get(), without_factors(training_)}});
  EXPECT_EQ(facts.mask_shape(), (std::vector<std::int64_t>{32, 64}));
  auto const start = initial_theta(options_, {32, 64}, 9);
  std::vector<std::size_t> const batch{3, 0, 6, 2};
  auto const loss = [&](at::Tensor const& theta) {
    MaskTrainer trainer(facts, options_, theta, shuffled(4, 7), {}, *local_);
    MaskEpoch means;
    trainer.gradient(batch, 1, means);
    return means.restoration + options_.distillation_weight * means.distillation + sparsity_weight(options_, 1) * means.sparsity;
  };
  MaskTrainer trainer(facts, options_, start, shuffled(4, 7), {}, *local_);
  MaskEpoch means;
  auto const gradient = trainer.gradient(batch, 1, means);
  for (int part = 0; part < 2; ++part) {  // one layer's part of the mask at a time
    auto direction = at::zeros_like(gradient);
    auto const own = gradient.narrow(0, 16 * part, 16);
    EXPECT_GT(own.norm().item<double>(), 1e-3);
    direction.narrow(0, 16 * part, 16).copy_(own / own.norm());
    double const step = 0.05;
    auto const slope = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step);
    EXPECT_NEAR(slope, own.norm().item<double>(), 0.02 * own.norm().item<double>())
        << "layer " << layers[static_cast<std::size_t>(part)];
  }
}

/// Facts 0 … 3 and all validation facts in one model, the others in another.
TEST_F(BatchEditedTrainer, FactsOfSeveralModelsAreEachMaskedInTheirOwn) {
  auto const first = edited({0, 1}), second = edited({1, 2});
  auto const all = without_factors(training_);
  std::vector<MaskFact> const some(all.begin(), all.begin() + 4), others(all.begin() + 4, all.end());
  auto const held_back = without_factors(validation_);
  TrainingSet const both(*model_, {1}, {{first.get(), some, held_back}, {second.get(), others}});
  ASSERT_EQ(both.size(), 7U);
  EXPECT_EQ(both.validation_size(), std::ssize(held_back));
  std::vector<std::size_t> const batch{5, 0, 6, 2};
  EXPECT_EQ(both.parts_of(batch, 2), (std::vector<std::vector<std::size_t>>{{0, 2}, {5, 6}}));
  EXPECT_EQ(both.parts_of(batch, 1), (std::vector<std::vector<std::size_t>>{{0}, {2}, {5}, {6}}));
  TrainingSet const one(*model_, {1}, {{first.get(), some}}), other(*model_, {1}, {{second.get(), others}});
  MaskEpoch means;
  auto const gradient = [&](TrainingSet const& facts, std::vector<std::size_t> const& of) {
    return MaskTrainer(facts, options_, initial_theta(options_, {16, 64}, 9), shuffled(4, facts.size()), {}, *local_)
        .gradient(of, 1, means);
  };
  // The mean over four facts is that of the two means over two.
  auto const mean = (gradient(one, {0, 2}) + gradient(other, {1, 2})) / 2;
  EXPECT_LT(largest_difference(gradient(both, batch), mean), 1e-5 * mean.norm().item<double>());
}

RANK_TEST_F(BatchEditedTraining, RanksOfAGroupGiveTheSameMask) {
  auto const masked = edited({0, 1});
  TrainingSet const facts(*model_, {0, 1}, {{masked.get(), without_factors(training_), without_factors(validation_)}});
  auto const theta = initial_theta(options_, facts.mask_shape(), 9);
  MaskTrainer together(facts, options_, theta, shuffled(4, 7), {world().rank(), world().size()}, *group_);
  MaskTrainer alone(facts, options_, theta, shuffled(4, 7), {}, *local_);
  run(together);
  run(alone);
  expect_same(together, alone);
  EXPECT_EQ(alone.mask(3).layers, (std::vector<int>{0, 1}));
}

}  // namespace
}  // namespace onemask::test
