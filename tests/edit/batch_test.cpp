#include "edit/tiny_request.hpp"
#include "support/complaint.hpp"
#include "support/tiny_families.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/batch_solve.hpp>
#include <onemask/edit/fine_tune.hpp>
#include <onemask/edit/fit_memory.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/edit/value_search.hpp>
#include <onemask/model/pass.hpp>

#include <cmath>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

double relative(at::Tensor const& a, at::Tensor const& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

/// A second moment [size, size] of more keys than it is wide.
at::Tensor moment(std::int64_t size, std::uint64_t seed) {
  auto const keys = random_tensor({3 * size, size}, seed);
  return at::matmul(keys.t(), keys) / static_cast<double>(3 * size);
}

EditHparams hparams_of(EditMethod method) {
  EditHparams hparams;
  hparams.method = method;
  hparams.layers = {0, 1};
  hparams.v_loss_layer = 2;
  hparams.v_num_grad_steps = 8;
  hparams.v_lr = 0.3;
  hparams.clamp_norm_factor = 3;
  hparams.mom2_update_weight = 2.5;
  hparams.l2 = 0.7;
  return hparams;
}

/// The formulas as the papers write them, on matrices small enough to invert.
class AdjustedKeys : public testing::TestWithParam<std::int64_t> {
 protected:
  at::Tensor const c_ = moment(12, 1).to(at::kDouble);
  at::Tensor const k_ = random_tensor({12, GetParam()}, 2).to(at::kDouble);
  at::Tensor const one_ = at::eye(12, at::kDouble);
  KeyBasis const basis_ = KeyBasis::of_moment({0, 36, c_.to(at::kFloat), "", {}});

  at::Tensor adjusted(EditHparams const& hparams) const { return adjusted_keys(basis_, basis_.whiten(k_), {}, hparams); }
};

INSTANTIATE_TEST_SUITE_P(Values, AdjustedKeys, testing::Values(1, 5, 30));

TEST_P(AdjustedKeys, Memit) {
  auto const expected = at::matmul(at::inverse(2.5 * c_ + at::matmul(k_, k_.t())), k_);
  EXPECT_LT(relative(adjusted(hparams_of(EditMethod::memit)), expected), 1e-5);
}

TEST_P(AdjustedKeys, EmmetAsPublished) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.emmet_lambda = 0.1;
  auto const scaled = at::inverse(2.5 * c_);
  auto inner = at::matmul(at::matmul(k_.t(), scaled), k_);
  if (k_.size(1) > 1) inner = inner + 0.1 * at::eye(k_.size(1), at::kDouble);
  EXPECT_LT(relative(adjusted(hparams), at::matmul(at::matmul(scaled, k_), at::inverse(inner))), 1e-5);
}

TEST_P(AdjustedKeys, EmmetRefusesKeysThatAreEqualUpToRounding) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.emmet_lambda = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto keys = random_tensor({12, 5}, seed).to(at::kDouble);
    keys.select(1, 4).copy_(keys.select(1, 0) * (1 + 1e-7 * static_cast<double>(seed % 3)));
    EXPECT_THROW(adjusted_keys(basis_, basis_.whiten(keys), {}, hparams), RunError) << seed;
  }
}

TEST_P(AdjustedKeys, AlphaEditWithEarlierBatches) {
  auto const hparams = hparams_of(EditMethod::alphaedit);
  auto const u = KeyBasis::null_space({0, 36, c_.to(at::kFloat), "", {}}, 0.6);
  ASSERT_LT(u.size(1), 12);
  auto const basis = KeyBasis::of_null_space(u);
  auto const p = at::matmul(u, u.t()).to(at::kDouble);
  auto const before = random_tensor({12, 4}, 3).to(at::kDouble);
  auto const without = at::matmul(at::inverse(at::matmul(p, at::matmul(k_, k_.t())) + 0.7 * one_), at::matmul(p, k_));
  EXPECT_LT(relative(adjusted_keys(basis, basis.whiten(k_), {}, hparams), without), 1e-5);
  auto const all = at::matmul(k_, k_.t()) + at::matmul(before, before.t());
  auto const with = at::matmul(at::inverse(at::matmul(p, all) + 0.7 * one_), at::matmul(p, k_));
  EXPECT_LT(relative(adjusted_keys(basis, basis.whiten(k_), basis.whiten(before), hparams), with), 1e-5);
}

/// Row by row, the normal equations of the entries that are kept.
TEST_P(AdjustedKeys, MemitThroughKeptEntriesIsTheSolveOfEveryRow) {
  auto const hparams = hparams_of(EditMethod::memit);
  auto const residual = random_tensor({6, k_.size(1)}, 3).to(at::kDouble);
  auto keep = random_tensor({6, 12}, 4) > -0.3;
  keep[1].fill_(true), keep[2].fill_(false);
  auto const usual = at::matmul(residual, adjusted(hparams).t());
  auto const update = kept_update(basis_, basis_.whiten(k_), usual, keep, hparams);
  auto expected = at::zeros({6, 12}, at::kDouble);
  for (std::int64_t row = 0; row < 6; ++row) {
    auto const kept = keep[row].nonzero().squeeze(1);
    if (kept.numel() == 0) continue;
    auto const keys = k_.index_select(0, kept), c = c_.index_select(0, kept).index_select(1, kept);
    auto const solved = at::matmul(at::matmul(residual[row], keys.t()), at::inverse(2.5 * c + at::matmul(keys, keys.t())));
    expected[row].index_copy_(0, kept, solved);
  }
  EXPECT_LT(relative(update, expected), 1e-5);
  EXPECT_EQ((update * keep.logical_not()).abs().max().item<double>(), 0);
  EXPECT_LT(relative(update[1], usual[1]), 1e-12);
  EXPECT_GT(relative(update, usual * keep), 0.01);  // more than the usual one with holes
}

/// One key (1, 1) with C = I and λ = 1 for a residual of 3: (1, 1) with all entries, 3/2 through the first alone.
TEST(KeptUpdate, ByHand) {
  auto hparams = hparams_of(EditMethod::memit);
  hparams.mom2_update_weight = 1;
  auto const basis = KeyBasis::of_moment({0, 10, at::eye(2), "", {}});
  auto const key = at::ones({2, 1}, at::kDouble);
  auto const usual = at::full({2, 1}, 3.0, at::kDouble).matmul(adjusted_keys(basis, basis.whiten(key), {}, hparams).t());
  EXPECT_TRUE(at::allclose(usual, at::ones({2, 2}, at::kDouble)));
  auto const keep = at::tensor({1, 0, 1, 1}).view({2, 2}).to(at::kBool);
  EXPECT_TRUE(at::allclose(kept_update(basis, basis.whiten(key), usual, keep, hparams),
                           at::tensor({1.5, 0., 1., 1.}, at::kDouble).view({2, 2})));
}

TEST(KeyBasisTest, TooFewTokensSaysHowManyAreNeeded) {
  for (std::int64_t tokens : {5, 11}) {
    try {
      KeyBasis::of_moment({3, tokens, moment(12, 1), "", {}});
      FAIL();
    } catch (UserError const& e) {
      EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("layer 3"), HasSubstr("at least 12"), HasSubstr("Several times as many")));
    }
  }
}

TEST(KeyBasisTest, AMatrixThatIsNotPositiveDefinite) {
  auto const keys = random_tensor({4, 12}, 1);  // of rank 4
  EXPECT_THROW(KeyBasis::of_moment({0, 1000, at::matmul(keys.t(), keys), "", {}}), UserError);
  EXPECT_THROW(KeyBasis::of_moment({0, 1000, at::full({3, 3}, std::nan("")), "", {}}), UserError);
  EXPECT_THROW(KeyBasis::null_space({0, 36, moment(12, 1), "", {}}, 1e-9), UserError);
}

TEST(WeightDeltaTest, TheSmallerFormIsKept) {
  auto const left = random_tensor({3, 8}, 1), right = random_tensor({3, 20}, 2);
  auto const factors = make_delta(1, left, right);
  EXPECT_TRUE(factors.left.defined() && !factors.dense.defined());
  auto const many = make_delta(1, random_tensor({6, 8}, 1), random_tensor({6, 20}, 2));
  EXPECT_TRUE(many.dense.defined() && !many.left.defined());
  EXPECT_LT(largest_difference(sum(factors, many).matrix(), factors.matrix() + many.matrix()), 1e-5);
  auto const twice = sum(factors, factors);
  EXPECT_LT(largest_difference(twice.matrix(), 2 * factors.matrix()), 1e-5);
}

TEST(WeightDeltaTest, AnotherModelsDelta) {
  auto const model = tiny_gpt2().load();
  EXPECT_THROW(edited_weights(*model, {make_dense_delta(1, at::zeros({5, 64}))}), ShapeError);
}

TEST(BatchEditBytes, RoundTripAndDamage) {
  BatchEdit edit;
  edit.facts = {{7, 3, 0.5, 0.25, 1, 2, ""}, {8, 1, 9, 0, 0, 0, "the loss is not finite in step 0"}};
  edit.deltas = {make_delta(2, random_tensor({1, 4}, 1), random_tensor({1, 9}, 2)),
                 make_dense_delta(5, random_tensor({4, 9}, 3))};
  edit.keys[2] = random_tensor({9, 2}, 4);
  auto const bytes = to_bytes(edit);
  auto const back = batch_edit_from_bytes(bytes, "x");
  EXPECT_EQ(to_bytes(back), bytes);
  EXPECT_EQ(back.facts[1].failure, edit.facts[1].failure);
  EXPECT_TRUE(at::equal(back.deltas[0].matrix(), edit.deltas[0].matrix()));
  for (std::size_t cut = 0; cut < bytes.size(); cut += 37)
    EXPECT_THROW(batch_edit_from_bytes(bytes.substr(0, cut), "x"), UserError);
  EXPECT_THROW(batch_edit_from_bytes(to_bytes(Edit{}), "x"), UserError);
}

/// Facts of random tokens on a small model with real second moments.
class Batch : public testing::TestWithParam<std::string> {
 protected:
  Batch() {
    for (int layer : {0, 1}) {
      auto const inner = model_->projection(layer).weight.size(1);
      bases_.emplace(layer,
                     KeyBasis::of_moment({layer, 3 * inner, moment(inner, 40 + static_cast<std::uint64_t>(layer)), "", {}}));
    }
  }

  static EditRequest request(std::uint64_t seed, std::vector<std::size_t> const& prefixes = {0, 3, 5}) {
    auto request = make_request(seed, prefixes, seed % 3, 1 + seed % 2);
    request.subject = "subject " + std::to_string(seed);
    return request;
  }
  static std::vector<EditRequest> requests(std::uint64_t count) {
    std::vector<EditRequest> list;
    for (std::uint64_t seed = 1; seed <= count; ++seed) list.push_back(request(seed));
    return list;
  }

  /// The input of a layer's projection, and the residual stream behind layer 1, at a row's edited token: by whole passes.
  std::pair<at::Tensor, at::Tensor> read(CausalLM const& model, EditRequest::Row const& row, int layer) const {
    c10::NoGradGuard const no_gradients;
    auto const packed = pack_rows({row.ids}, at::kCPU);
    Pass const pass(model, packed.layout);
    auto const half = pass.halfway(layer, pass.run(0, layer - 1, pass.embed(packed.ids)));
    return {half.key[row.lookup], pass.run(0, 1, pass.embed(packed.ids))[row.lookup]};
  }

  std::unique_ptr<CausalLM> const model_ = tiny_family(GetParam()).load();
  std::map<int, KeyBasis> bases_;
};

INSTANTIATE_TEST_SUITE_P(Families, Batch, testing::Values("gpt2", "llama"));

/// The same where a norm stands between the edited matrix and the residual stream.
class BatchBeforeANorm : public Batch {
 protected:
  /// Output of layer 1's matrix at the edited token of a request's plain row: by whole passes.
  at::Tensor output(CausalLM const& model, EditRequest const& request) const {
    c10::NoGradGuard const no_gradients;
    auto const& row = request.contexts.front();
    auto const packed = pack_rows({row.ids}, at::kCPU);
    Pass const pass(model, packed.layout);
    return project(model.projection(1), pass.halfway(1, pass.run(0, 0, pass.embed(packed.ids))).key)[row.lookup];
  }
};

INSTANTIATE_TEST_SUITE_P(Families, BatchBeforeANorm, testing::Values("gemma2", "gemma3", "olmo2"));

TEST_P(BatchBeforeANorm, TheValueIsTheOutputOfTheMatrix) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.layers = {1};
  hparams.emmet_lambda = 0;  // every value is met
  std::vector<EditRequest> facts;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) facts.push_back(request(seed, {0}));
  auto const targets = find_target_values(*model_, facts, hparams);
  auto const edit = solve_batch(*model_, facts, targets, hparams, bases_);
  auto const edited = model_->with_projections(edited_weights(*model_, edit.deltas));
  for (std::size_t f = 0; f < facts.size(); ++f) {
    auto const wanted = targets.values[static_cast<std::int64_t>(f)];
    EXPECT_LT(relative(output(*edited, facts[f]), wanted), 1e-3) << f;
    EXPECT_GT(relative(output(*model_, facts[f]), wanted), 1e-2) << f;
    EXPECT_NEAR(targets.facts[f].value_norm, output(*model_, facts[f]).norm().item<double>(), 1e-4);
  }
}

TEST_P(BatchBeforeANorm, EmmetOfOneFactIsRome) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.layers = {1};
  auto const facts = std::vector<EditRequest>{request(3, {0})};
  auto const batch = solve_batch(*model_, facts, find_target_values(*model_, facts, hparams), hparams, bases_);
  hparams.method = EditMethod::rome;  // measures its steps against the same output
  hparams.mom2_adjustment = true;
  auto const edit = rome(*model_, facts, hparams, &bases_.at(1)).front().edit;
  EXPECT_GT(edit.delta_norm, 0.1 * edit.value_norm);
  EXPECT_LT(relative(batch.deltas[0].matrix(), at::matmul(edit.left.t(), edit.right)), 1e-4);
}

TEST_P(BatchBeforeANorm, RefusesSeveralLayers) {
  for (auto method : {EditMethod::memit, EditMethod::memit_merge, EditMethod::emmet, EditMethod::alphaedit}) {
    auto const hparams = hparams_of(method);
    EXPECT_THAT(complaint_of([&] { require_linear_spread(*model_, hparams); }),
                testing::AllOf(HasSubstr("cannot spread its edits over 2 layers"), HasSubstr("Name one layer (edit.layers).")));
    EXPECT_THROW(find_target_values(*model_, requests(2), hparams), UserError);
  }
  EXPECT_EQ(complaint_of([&] { require_linear_spread(*tiny_llama().load(), hparams_of(EditMethod::memit)); }), "");
}

TEST_P(Batch, EveryLayerIsReadAfterTheLayersBelowAreUpdated) {
  auto const hparams = hparams_of(EditMethod::memit);
  auto const facts = requests(5);
  auto const targets = find_target_values(*model_, facts, hparams);
  std::vector<LayerSolve> trace;
  auto const edit = solve_batch(*model_, facts, targets, hparams, bases_, nullptr, &trace);
  ASSERT_EQ(edit.deltas.size(), 2U);
  auto edited = model_->with_projections({});
  for (std::size_t i = 0; i < 2; ++i) {
    auto const layer = hparams.layers[i];
    std::vector<at::Tensor> keys, missing;
    for (std::size_t f = 0; f < facts.size(); ++f) {
      at::Tensor key;
      auto const& contexts = facts[f].contexts;
      for (std::size_t c = 0; c < contexts.size(); ++c) {
        auto const part = read(*edited, contexts[c], layer).first * (c == 0 ? 0.5 : 0.25);
        key = key.defined() ? key + part : part;
      }
      keys.push_back(key);
      missing.push_back((targets.values[static_cast<std::int64_t>(f)] - read(*edited, contexts[0], layer).second) /
                        (2.0 - static_cast<double>(i)));
    }
    EXPECT_LT(relative(trace[i].keys, at::stack(keys, 1)), 1e-5) << layer;
    EXPECT_LT(relative(trace[i].residual, at::stack(missing, 1)), 1e-4) << layer;
    EXPECT_LT(relative(edit.deltas[i].matrix(), at::matmul(trace[i].residual, trace[i].adjusted.t())), 1e-5);
    edited = edited->with_projections(edited_weights(*edited, {edit.deltas[i]}));
  }
}

TEST_P(Batch, EmmetMeetsEveryValueExactly) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.layers = {1};
  hparams.emmet_lambda = 0;
  std::vector<EditRequest> facts;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) facts.push_back(request(seed, {0}));
  auto const targets = find_target_values(*model_, facts, hparams);
  auto const edit = solve_batch(*model_, facts, targets, hparams, bases_);
  auto const edited = model_->with_projections(edited_weights(*model_, edit.deltas));
  for (std::size_t f = 0; f < facts.size(); ++f) {
    auto const after = read(*edited, facts[f].contexts[0], 1).second;
    EXPECT_LT(relative(after, targets.values[static_cast<std::int64_t>(f)]), 1e-3) << f;
  }
}

TEST_P(Batch, EmmetOfOneFactIsRome) {
  auto hparams = hparams_of(EditMethod::emmet);
  hparams.layers = {1};
  auto const facts = std::vector<EditRequest>{request(3, {0})};
  auto const batch = solve_batch(*model_, facts, find_target_values(*model_, facts, hparams), hparams, bases_);
  // ROME measures its steps against the MLP's output, MEMIT's family against the residual stream: without clamp and decay the
  // same values are found.
  hparams.clamp_norm_factor = 1e9;
  hparams.v_weight_decay = 0;
  auto const free = solve_batch(*model_, facts, find_target_values(*model_, facts, hparams), hparams, bases_);
  hparams.method = EditMethod::rome;
  hparams.mom2_adjustment = true;
  auto const edit = rome(*model_, facts, hparams, &bases_.at(1)).front().edit;
  EXPECT_LT(relative(free.deltas[0].matrix(), at::matmul(edit.left.t(), edit.right)), 1e-4);
  EXPECT_FALSE(batch.deltas.empty());
}

TEST_P(Batch, AlphaEditLeavesPreservedKeysAlone) {
  auto hparams = hparams_of(EditMethod::alphaedit);
  hparams.layers = {1};
  auto const inner = model_->projection(1).weight.size(1);
  auto const preserved = random_tensor({inner / 2, inner}, 9);
  auto const u = KeyBasis::null_space({1, inner, at::matmul(preserved.t(), preserved), "", {}}, 1e-3);
  EXPECT_EQ(u.size(1), inner - inner / 2);
  std::map<int, KeyBasis> const bases{{1, KeyBasis::of_null_space(u)}};
  auto const facts = requests(4);
  auto const edit = solve_batch(*model_, facts, find_target_values(*model_, facts, hparams), hparams, bases);
  auto const change = edit.deltas[0].matrix();
  EXPECT_GT(change.norm().item<double>(), 1e-2);
  EXPECT_LT(relative(at::matmul(change, preserved.t()) + at::ones({16, inner / 2}), at::ones({16, inner / 2})), 1e-4);
  EXPECT_EQ(edit.keys.at(1).size(1), 4);
}

TEST_P(Batch, ASecondBatchGoesIntoTheModelThatCarriesTheFirst) {
  for (auto method : {EditMethod::memit, EditMethod::alphaedit}) {
    auto const hparams = hparams_of(method);
    std::map<int, KeyBasis> bases = bases_;
    if (method == EditMethod::alphaedit) {
      bases.clear();
      for (int layer : {0, 1}) {
        auto const inner = model_->projection(layer).weight.size(1);
        bases.emplace(layer, KeyBasis::of_null_space(KeyBasis::null_space({layer, inner, moment(inner, 5), "", {}}, 0.5)));
      }
    }
    auto const facts = requests(6);
    auto const first_half = std::span(facts).first(3), second_half = std::span(facts).subspan(3);
    auto const first = solve_batch(*model_, first_half, find_target_values(*model_, first_half, hparams), hparams, bases);
    auto const carrying = model_->with_projections(edited_weights(*model_, first.deltas));
    auto const values = find_target_values(*carrying, second_half, hparams);
    auto const second = solve_batch(*carrying, second_half, values, hparams, bases, &first);
    auto const alone = solve_batch(*carrying, second_half, values, hparams, bases);
    for (std::size_t i = 0; i < 2; ++i) {
      auto const total = first.deltas[i].matrix() + alone.deltas[i].matrix();
      if (method == EditMethod::memit) {
        EXPECT_LT(relative(second.deltas[i].matrix(), total), 1e-5);
      } else {
        EXPECT_GT(relative(second.deltas[i].matrix(), total), 1e-4);  // the first batch's keys are preserved
      }
    }
    if (method == EditMethod::alphaedit) {
      EXPECT_EQ(second.keys.at(0).size(1), 6);
    }
  }
}

/// Under a mask of the lower layer and one of the upper, everything is read in the model with (W + ΔW) ∘ M.
TEST_P(Batch, UnderAMaskEveryLayerIsReadInTheMaskedModel) {
  auto hparams = hparams_of(EditMethod::memit);
  hparams.mom2_update_weight = 0.1;
  auto const facts = requests(4);
  SolveMask mask;
  std::map<int, at::Tensor> masked_weights;
  for (int layer : hparams.layers) {
    auto const weight = model_->projection(layer).weight;
    mask.keep[layer] = at::remainder(at::arange(weight.numel()), 4 + layer).gt(0).view(weight.sizes());
    masked_weights[layer] = weight * mask.keep[layer];
  }
  auto const masked = model_->with_projections(masked_weights);
  auto const targets = find_target_values(*masked, facts, hparams);
  std::map<bool, double> missed;  // by whether the editor knows the mask
  for (bool const adaptive : {false, true}) {
    mask.adaptive = adaptive;
    std::vector<LayerSolve> trace;
    auto const edit = solve_batch(*masked, facts, targets, hparams, bases_, nullptr, &trace, &mask);
    auto changed = masked_weights;
    for (std::size_t i = 0; i < 2; ++i) {
      auto const layer = hparams.layers[i];
      auto const before = model_->with_projections(changed);
      std::vector<at::Tensor> missing;
      for (std::size_t f = 0; f < facts.size(); ++f) {
        auto const is = read(*before, facts[f].contexts[0], layer).second;
        missing.push_back((targets.values[static_cast<std::int64_t>(f)] - is) / (2.0 - static_cast<double>(i)));
      }
      EXPECT_LT(relative(trace[i].residual, at::stack(missing, 1)), 1e-4) << layer;
      auto const change = edit.deltas[i].matrix();
      EXPECT_EQ((change * mask.keep[layer].logical_not()).abs().max().item<double>() == 0, adaptive);
      auto const put = at::matmul((change * mask.keep[layer]).to(at::kDouble), trace[i].keys);
      missed[adaptive] += relative(put, trace[i].residual) / 2;
      changed[layer] = (model_->projection(layer).weight + change) * mask.keep[layer];
    }
  }
  EXPECT_LT(missed.at(true), missed.at(false));
}

TEST_P(Batch, FactsThatFailedArePassedOver) {
  auto const hparams = hparams_of(EditMethod::memit);
  auto const facts = requests(4);
  auto targets = find_target_values(*model_, facts, hparams);
  targets.facts[1].failure = "the gradient is not finite in step 2";
  targets.values[1].fill_(NAN);
  auto const edit = solve_batch(*model_, facts, targets, hparams, bases_);
  for (auto const& delta : edit.deltas) EXPECT_TRUE(delta.matrix().isfinite().all().item<bool>());
  EXPECT_EQ(edit.facts[1].failure, targets.facts[1].failure);
  EXPECT_EQ(edit.facts.size(), 4U);
  for (auto& fact : targets.facts) fact.failure = "x";
  EXPECT_THROW(solve_batch(*model_, facts, targets, hparams, bases_), RunError);
}

TEST_P(Batch, ValuesThatAreNotFiniteAreSetAside) {
  auto const hparams = hparams_of(EditMethod::memit);
  auto const weight = model_->projection(2).weight;
  auto const broken = model_->with_projections({{2, at::full_like(weight, NAN)}});
  auto const all = find_target_values(*broken, requests(2), hparams);
  for (auto const& fact : all.facts) EXPECT_THAT(fact.failure, HasSubstr("not finite"));
}

TEST_P(Batch, FactsOfOneSubjectShareAValueWhenMerged) {
  auto hparams = hparams_of(EditMethod::memit_merge);
  auto facts = requests(3);
  // The third asks something else of the first's subject.
  facts[2].subject = facts[0].subject;
  for (std::size_t c = 0; c < 3; ++c) {
    auto const count = static_cast<std::size_t>(facts[0].contexts[c].lookup + 1);
    auto ids = facts[0].contexts[c].ids;
    ids.resize(count);
    ids.push_back(5);
    ids.insert(ids.end(), facts[2].target.begin(), facts[2].target.end() - 1);
    facts[2].contexts[c] = {ids, facts[0].contexts[c].lookup};
  }
  facts[2].essence = facts[0].essence;
  auto const merged = find_target_values(*model_, facts, hparams);
  EXPECT_EQ(merged.values.size(0), 2);
  EXPECT_EQ(merged.value_of, (std::vector<std::int64_t>{0, 1, 0}));
  std::vector<LayerSolve> trace;
  solve_batch(*model_, facts, merged, hparams, bases_, nullptr, &trace);
  EXPECT_EQ(trace[0].keys.size(1), 2);
  // Unmerged, their keys are the same and their values are not.
  hparams.method = EditMethod::memit;
  auto const apart = find_target_values(*model_, facts, hparams);
  trace.clear();
  solve_batch(*model_, facts, apart, hparams, bases_, nullptr, &trace);
  EXPECT_LT(relative(trace[0].keys.select(1, 0), trace[0].keys.select(1, 2)), 1e-5);
  EXPECT_GT(relative(apart.values[0], apart.values[2]), 1e-3);
}

TEST_P(Batch, FineTuningStaysWithinItsBounds) {
  EditHparams hparams;
  hparams.method = EditMethod::ft_l;
  hparams.layers = {1};
  hparams.num_steps = 6;
  hparams.lr = 0.01;
  hparams.norm_constraint = 0.025;
  auto const facts = requests(40);  // two parts
  auto const edit = fine_tune(*model_, facts, hparams);
  auto const change = edit.deltas.at(0).matrix();
  EXPECT_NEAR(change.abs().max().item<double>(), 0.025, 1e-6);
  hparams.num_steps = 1;
  auto const before = fine_tune(*model_, facts, hparams);
  EXPECT_EQ(before.deltas[0].matrix().abs().max().item<double>(), 0);
  double loss_before = 0, loss_after = 0;
  for (auto const& fact : before.facts) loss_before += fact.loss;
  for (auto const& fact : edit.facts) loss_after += fact.loss;
  EXPECT_LT(loss_after, 0.95 * loss_before);
  // The first step of Adam moves every entry by the learning rate, against the gradient.
  hparams.num_steps = 2;
  auto const step = fine_tune(*model_, facts, hparams).deltas[0].matrix();
  EXPECT_NEAR(step.abs().median().item<double>(), 0.01, 1e-4);
}

TEST_P(Batch, FineTuningFollowsTheGradient) {
  EditHparams hparams;
  hparams.method = EditMethod::ft_l;
  hparams.layers = {1};
  hparams.num_steps = 2;
  hparams.lr = 1e-3;
  hparams.norm_constraint = 0;
  auto const facts = requests(3);
  auto const step = fine_tune(*model_, facts, hparams).deltas[0].matrix();
  auto const loss_with = [&](at::Tensor const& change) {
    auto const edited = model_->with_projections({{1, model_->projection(1).weight + change}});
    EditHparams none = hparams;
    none.num_steps = 1;
    double loss = 0;
    for (auto const& fact : fine_tune(*edited, facts, none).facts) loss += fact.loss;
    return loss;
  };
  EXPECT_LT(loss_with(step), loss_with(at::zeros_like(step)));
  EXPECT_GT(loss_with(-step), loss_with(at::zeros_like(step)));
}

/// One layer is tuned by single steps, without bounds.
EditHparams tuning(int passes) {
  EditHparams hparams;
  hparams.method = EditMethod::ft_l;
  hparams.layers = {1};
  hparams.num_steps = passes;
  hparams.lr = 1e-3;
  hparams.norm_constraint = 0;
  return hparams;
}

TEST_P(Batch, FineTuningStepsAfterEveryBatch) {
  auto const facts = requests(5);
  auto hparams = tuning(1);
  hparams.batch_size = 5;
  auto const one_step = fine_tune(*model_, facts, hparams).deltas[0].matrix();
  // One batch of all is what two passes without batches do, whose last pass only looks.
  EXPECT_TRUE(at::equal(one_step, fine_tune(*model_, facts, tuning(2)).deltas[0].matrix()));
  hparams.batch_size = 2;
  auto const edit = fine_tune(*model_, facts, hparams);
  ASSERT_EQ(edit.facts.size(), facts.size());
  // Three steps of Adam go farther than one. A fact's loss is that before its own step and behind those of earlier batches.
  EXPECT_GT(edit.deltas[0].matrix().abs().max().item<double>(), 1.5 * one_step.abs().max().item<double>());
  auto const unchanged = fine_tune(*model_, facts, tuning(1));
  EXPECT_NEAR(edit.facts[0].loss, unchanged.facts[0].loss, 1e-5);
  EXPECT_GT(std::abs(edit.facts[4].loss - unchanged.facts[4].loss), 1e-5);
  EXPECT_EQ(edit.facts[4].case_id, facts[4].case_id);
}

TEST_P(Batch, FineTuningReadsTheObjectBehindThePrompt) {
  auto facts = requests(1);
  auto& request = facts.front();
  auto& ids = request.contexts.front().ids;
  ids.resize(ids.size() + 1 - request.target.size());  // the prompt
  auto const prompt = ids;
  request.target = {5, 9, 5};
  ids.insert(ids.end(), request.target.begin(), request.target.end() - 1);
  auto hparams = tuning(1);
  auto const read_in_turn = fine_tune(*model_, facts, hparams).facts[0].loss;
  hparams.objective_optimization = "prompt_last";
  double mean = 0;
  for (auto token : request.target) {
    auto single = request;
    single.target = {token};
    single.contexts.front().ids = prompt;
    mean += fine_tune(*model_, std::vector{single}, tuning(1)).facts[0].loss / 3;
  }
  EXPECT_NEAR(fine_tune(*model_, facts, hparams).facts[0].loss, mean, 1e-5);
  EXPECT_GT(std::abs(read_in_turn - mean), 1e-3);
}

TEST(FitMemory, HalvesUntilItFits) {
  std::vector<EditRequest> requests(10);
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].case_id = static_cast<std::int64_t>(i);
  std::vector<std::size_t> sizes;
  auto const work = [&](std::size_t most) {
    return [&, most](std::span<EditRequest const> some) {
      if (some.size() > most) throw c10::OutOfMemoryError({"", "", 0}, "CUDA out of memory");
      sizes.push_back(some.size());
      std::vector<std::int64_t> ids;
      for (auto const& request : some) ids.push_back(request.case_id);
      return ids;
    };
  };
  EXPECT_THAT(in_parts_that_fit<std::int64_t>(requests, work(3)), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(sizes, testing::ElementsAre(2, 3, 2, 3));
  EXPECT_THROW(in_parts_that_fit<std::int64_t>(requests, work(0)), c10::OutOfMemoryError);
}

}  // namespace
}  // namespace onemask::test
