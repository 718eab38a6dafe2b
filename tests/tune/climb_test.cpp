#include "tune/climb.hpp"

#include "support/complaint.hpp"
#include "tune/quality_text.hpp"
#include <onemask/tune/tune.hpp>

#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ModelConfig model_of(int layers) {
  ModelConfig model{};
  model.family = "gpt2";
  model.layers = layers;
  return model;
}

EditHparams start_of(EditMethod method, int layers = 30) {
  return for_model(usual_hparams(method), model_of(layers));
}

TuneTrial trial_of(TuneCandidate const& candidate, double score, std::size_t facts = 8, double drift = 0) {
  TuneTrial trial{candidate, 0, facts, {}, drift, true};
  trial.quality.score = {score, score, score, static_cast<std::int64_t>(facts), static_cast<std::int64_t>(facts)};
  return trial;
}

std::vector<std::vector<int>> layers_of(std::vector<TuneCandidate> const& candidates) {
  std::vector<std::vector<int>> layers;
  for (auto const& candidate : candidates) layers.push_back(candidate.hparams.layers);
  return layers;
}

/// "4 v_lr=1"
std::vector<std::string> words_of(std::vector<TuneCandidate> const& candidates) {
  std::vector<std::string> words;
  for (auto const& candidate : candidates) {
    auto word = std::to_string(candidate.hparams.layer());
    for (auto const& [key, value] : candidate.changed) word += " " + key + "=" + value_of_setting(candidate.hparams, key);
    words.push_back(word);
  }
  return words;
}

TEST(TuneSpace, BeginsWithTheUsualSettingsForTheModel) {
  auto const rome = start_of(EditMethod::rome);
  EXPECT_THAT(rome.layers, ElementsAre(0));
  EXPECT_EQ(rome.v_loss_layer, 29);
  EXPECT_THAT(start_of(EditMethod::memit, 32).layers, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(start_of(EditMethod::memit, 12).layers, ElementsAre(0, 1));
  EXPECT_THAT(start_of(EditMethod::memit, 6).layers, ElementsAre(0));
  auto given = usual_hparams(EditMethod::memit);
  given.layers = {4, 5, 6};
  EXPECT_THAT(for_model(given, model_of(12)).layers, ElementsAre(4, 5, 6));
  EXPECT_THAT(test::complaint_of([] { require_tunable(EditMethod::ft_l); }), HasSubstr("does not tune ft-l"));
  for (auto const& [method, name] : edit_method_names) {
    bool const refused = !test::complaint_of([value = method] { require_tunable(value); }).empty();
    EXPECT_EQ(refused, method == EditMethod::ft_l) << name;
  }
}

TEST(TuneSpace, WindowsEndAtALayer) {
  auto const start = start_of(EditMethod::memit);
  EXPECT_THAT(ending_at(start, 7).layers, ElementsAre(3, 4, 5, 6, 7));
  EXPECT_THAT(ending_at(start, 2).layers, ElementsAre(0, 1, 2));
  EXPECT_THAT(ending_at(start_of(EditMethod::rome), 2).layers, ElementsAre(2));
}

TEST(TuneSpace, VariationsChangeOneSettingEach) {
  for (auto const method : {EditMethod::rome, EditMethod::alphaedit}) {
    auto const start = start_of(method);
    std::set<std::string> names{name_of_settings(ending_at(start, start.layer()))};
    auto const variations = variations_of(start);
    EXPECT_EQ(variations.size(), 10u);
    for (auto const& change : variations)
      EXPECT_TRUE(names.insert(name_of_settings(candidate_at(start, start.layer(), {change}).hparams)).second);
  }
  auto start = start_of(EditMethod::rome);
  start.kl_factor = 0;  // sixteen times nothing is no change
  EXPECT_EQ(variations_of(start).size(), 9u);
}

TEST(TuneSpace, SolvesShareTheirSearch) {
  for (auto const method : {EditMethod::memit, EditMethod::memit_merge, EditMethod::emmet, EditMethod::alphaedit}) {
    auto const start = start_of(method);
    std::set<std::string> searches, solves;
    for (auto const& list : {solves_of(start), finer_solves_of(start, 5)}) {
      for (auto const& one : list) {
        searches.insert(describe(one));
        solves.insert(describe_solve(one));
        EXPECT_EQ(test::complaint_of([&] { check_edited_layers(one, "here"); }), "");
      }
    }
    EXPECT_EQ(searches.size(), 1u) << to_string(method);
    EXPECT_GE(solves.size(), 7u) << to_string(method);
  }
  EXPECT_EQ(solves_of(start_of(EditMethod::rome)).size(), 1u);
  ModelConfig model{};
  model.layers = 30;
  EXPECT_EQ(for_model(usual_hparams(EditMethod::memit), model).layers.size(), 5u);
  model.mlp_norm = true;  // such a model takes batch edits in one layer only
  auto const single = for_model(usual_hparams(EditMethod::memit), model);
  EXPECT_EQ(single.layers.size(), 1u);
  for (auto const& one : finer_solves_of(single, 1)) EXPECT_EQ(one.layers.size(), 1u);
  EXPECT_EQ(finer_solves_of(start_of(EditMethod::memit), 5).at(1).mom2_update_weight, 5000);
  auto exact = start_of(EditMethod::emmet);
  exact.emmet_lambda = 0;
  for (auto const& one : solves_of(exact)) EXPECT_GT(one.emmet_lambda, 0);
}

TEST(TuneClimb, OrdersByScoreThenByLayerThenBySteps) {
  auto const start = start_of(EditMethod::rome);
  auto const low = trial_of(candidate_at(start, 3, {}), 0.9), high = trial_of(candidate_at(start, 5, {}), 0.9);
  auto const better = trial_of(candidate_at(start, 9, {}), 0.91);
  auto const longer = trial_of(candidate_at(start, 3, {{"v_num_grad_steps", 45}}), 0.9);
  auto drifted = trial_of(candidate_at(start, 0, {}), 1, 8, 2), farther = trial_of(candidate_at(start, 1, {}), 1, 8, 3);
  auto failed = trial_of(candidate_at(start, 2, {}), std::numeric_limits<double>::quiet_NaN());
  failed.drift = std::numeric_limits<double>::quiet_NaN();
  drifted.fits = farther.fits = failed.fits = false;
  auto const order = ranking({failed, farther, drifted, longer, high, low, better}, 8);
  std::vector<TuneCandidate> candidates;
  for (auto const& trial : order) candidates.push_back(trial.candidate);
  EXPECT_THAT(words_of(candidates), ElementsAre("9", "3", "3 v_num_grad_steps=45", "5", "0", "1", "2"));
  EXPECT_FALSE(is_better(low, low));
  EXPECT_TRUE(ranking(order, 16).empty());
}

TEST(TuneClimb, LooksBetweenLayersNearTheBestTwo) {
  auto const start = start_of(EditMethod::rome, 10);
  LadderRung const all{RungKind::layers, 4, 8, 0, 3}, between{RungKind::between, 2, 8, 0, 4}, next{RungKind::between, 1, 8, 0, 4};
  auto const first = searches_of(all, {}, start, 10);
  EXPECT_THAT(layers_of(first), ElementsAre(ElementsAre(0), ElementsAre(4), ElementsAre(8)));
  std::vector<TuneTrial> trials{trial_of(first[0], 0.9), trial_of(first[1], 0.8), trial_of(first[2], 0.1)};
  EXPECT_THAT(layers_of(searches_of(between, trials, start, 10)), ElementsAre(ElementsAre(2), ElementsAre(6)));
  trials[2].quality.score.mean = 1;
  EXPECT_THAT(layers_of(searches_of(between, trials, start, 10)), ElementsAre(ElementsAre(2), ElementsAre(6)));  // 10 is no layer
  trials.push_back(trial_of(candidate_at(start, 6, {}), 0.99));
  EXPECT_THAT(layers_of(searches_of(next, trials, start, 10)), ElementsAre(ElementsAre(5), ElementsAre(7), ElementsAre(9)));
}

TEST(TuneClimb, TriesSettingsAndTheirCrossesAndKeepsTheBest) {
  auto const start = start_of(EditMethod::rome);
  std::vector<TuneTrial> trials;
  for (int layer = 0; layer < 6; ++layer)
    trials.push_back(trial_of(candidate_at(start, layer, {}), layer == 4 ? 0.9 : layer == 2 ? 0.8 : 0.1));
  auto const settings = searches_of({RungKind::settings, 1, 8, 2, 7}, trials, start, 6);
  EXPECT_THAT(words_of(settings), ElementsAre("4", "2", "4 v_lr=1", "2 v_lr=1", "4 v_lr=0.25", "2 v_lr=0.25",
                                              "4 v_num_grad_steps=45", "2 v_num_grad_steps=45", "4 clamp_norm_factor=2"));
  for (std::size_t i = 2; i < settings.size(); ++i) trials.push_back(trial_of(settings[i], 1 - 0.01 * static_cast<double>(i)));
  // The best: 4 v_lr=1, 2 v_lr=1, 4 v_lr=0.25, 2 v_lr=0.25, 4 steps, 2 steps, 4 clamp. Pairs of one layer and two settings, best
  // first.
  auto const crosses = searches_of({RungKind::crosses, 1, 16, 7, 3}, trials, start, 6);
  EXPECT_THAT(words_of(crosses), ElementsAre("4 v_lr=1", "2 v_lr=1", "4 v_lr=0.25", "2 v_lr=0.25", "4 v_num_grad_steps=45",
                                             "2 v_num_grad_steps=45", "4 clamp_norm_factor=2", "4 v_lr=1 v_num_grad_steps=45",
                                             "4 v_lr=1 clamp_norm_factor=2", "2 v_lr=1 v_num_grad_steps=45"));
  for (auto const& candidate : crosses) trials.push_back(trial_of(candidate, candidate.changed.size() == 2 ? 0.5 : 0.4, 16));
  auto const kept = searches_of({RungKind::halving, 1, 32, 2, 0}, trials, start, 6);
  EXPECT_THAT(words_of(kept), ElementsAre("2 v_lr=1 v_num_grad_steps=45", "4 v_lr=1 clamp_norm_factor=2"));
}

TEST(TuneClimb, KeepsSearchesByTheirBestSolveAndRefinesIt) {
  auto const start = start_of(EditMethod::memit, 6);
  auto const first = candidates_of({RungKind::layers, 1, 8, 0, 6}, {}, start, 6, 6);
  EXPECT_EQ(first.size(), 24u);  // four weights each
  std::vector<TuneTrial> trials;
  for (auto const& candidate : first) {
    auto const& h = candidate.hparams;
    trials.push_back(trial_of(candidate, h.layer() == 3 && h.mom2_update_weight == 150 ? 0.9 : h.layer() == 1 ? 0.5 : 0.1));
  }
  auto const best = searches_of({RungKind::settings, 1, 8, 2, 0}, trials, start, 6);
  EXPECT_THAT(words_of(best), ElementsAre("3", "1"));
  EXPECT_EQ(best[0].hparams.mom2_update_weight, 15000);  // all weights again
  auto const finer = candidates_of({RungKind::solves, 1, 8, 1, 0}, trials, start, 6, 6);
  std::vector<double> weights;
  for (auto const& candidate : finer) weights.push_back(candidate.hparams.mom2_update_weight);
  EXPECT_THAT(weights, ElementsAre(150, 50, 450, 150));
  EXPECT_THAT(finer.back().hparams.layers, ElementsAre(1, 2, 3));
}

TEST(TuneQualities, KeepTheirBitsOnOtherRanks) {
  auto const none = std::numeric_limits<double>::quiet_NaN();
  Qualities const qualities{{"a", {{0.1 + 0.2, 0, 1, 7, 8}, {1. / 3, none, 1, 7, 8}, {}, {none, none, none, 0, 8}, none, {}}},
                            {"b", {{}, {}, {}, {}, 0.7, 1.1}}};
  auto const again = qualities_of(qualities_text(qualities));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again.at("a").rewrite.mean, 0.1 + 0.2);
  EXPECT_EQ(again.at("a").rewrite.n, 7);
  EXPECT_EQ(again.at("a").paraphrase.mean, 1. / 3);
  EXPECT_TRUE(std::isnan(again.at("a").paraphrase.low) && std::isnan(again.at("a").neighborhood_kl));
  EXPECT_EQ(again.at("a").perplexity_ratio, std::nullopt);
  EXPECT_EQ(again.at("b").neighborhood_kl, 0.7);
  EXPECT_EQ(again.at("b").perplexity_ratio, 1.1);
}

}  // namespace
}  // namespace onemask
