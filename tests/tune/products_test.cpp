#include "tune/products.hpp"

#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TuneTrial scored(TuneCandidate candidate, std::size_t rung, std::size_t facts, double score, double drift) {
  auto const n = static_cast<std::int64_t>(facts);
  Estimate const mean{score, score - 0.05, score + 0.05, n, n};
  return {std::move(candidate), rung, facts, {mean, mean, mean, mean, drift, {}}, drift, drift <= 1};
}

/// Layers 0 and 1 on 8 facts, then layer 1 and more steps on 10.
TuneResults two_rungs() {
  auto start = usual_hparams(EditMethod::rome);
  TuneResults results;
  ModelConfig model{};
  model.layers = 2;
  start = for_model(start, model);
  results.plan = {"rome", "", "0123456789abcdef", 10, "20edits", DriftMeasure::neighborhood_kl, 1, {}, {}};
  results.plan.ladder = {{RungKind::layers, 1, 8, 0, 2}, {RungKind::crosses, 1, 10, 1, 1}};
  results.study = "small";
  results.command = "onemask tune small.yaml --method rome";
  results.checkpoint = "models/tiny/";
  auto const longer = candidate_at(start, 1, {{"v_num_grad_steps", 45}});
  results.trials = {scored(candidate_at(start, 0, {{"v_num_grad_steps", 15}}), 0, 8, 0.99, 3),
                    scored(candidate_at(start, 1, {}), 0, 8, 0.8, 0.5), scored(candidate_at(start, 1, {}), 1, 10, 0.7, 0.5),
                    scored(longer, 1, 10, 0.75, 0.25)};
  return results;
}

TEST(TuneProducts, ChooseTheBestOnTheLastRung) {
  auto const final = final_trials(two_rungs().trials);
  ASSERT_EQ(final.size(), 3u);
  EXPECT_EQ(final[0].candidate.hparams.v_num_grad_steps, 45);
  EXPECT_EQ(final[1].facts, 10u);  // the later one of two trials
  EXPECT_EQ(final[2].candidate.hparams.layer(), 0);
  EXPECT_EQ(winner(final), &final[0]);
  auto all_drift = two_rungs();
  for (auto& trial : all_drift.trials) trial.fits = false;
  auto const none = final_trials(all_drift.trials);
  EXPECT_EQ(winner(none), nullptr);
  EXPECT_THAT(table_text(all_drift), Not(HasSubstr("chosen")));
}

TEST(TuneProducts, TableShowsSettingsScoresAndWhatIsOverTheLimit) {
  auto const text = table_text(two_rungs());
  EXPECT_THAT(text, AllOf(HasSubstr("rome on tiny, study small: 28 edits: layers 2 on 8 facts, crosses 2 on 10 facts"),
                          HasSubstr("over the limit"), HasSubstr("[70.0, 80.0]"), HasSubstr("10/10"), HasSubstr("at most 1\n"),
                          HasSubstr("chosen: layer 1, ES 75.0 %, PS 75.0 %, NS 75.0 %, score 75.0 % [70.0, 80.0] on 10 facts"),
                          HasSubstr("v_num_grad_steps is 45, the largest that was tried.")));
}

TEST(TuneProducts, HparamsFileIsReadAsTheSettingsThatWereFound) {
  auto const results = two_rungs();
  auto const text = hparams_file(results, final_trials(results.trials).front());
  EXPECT_THAT(text, AllOf(HasSubstr("# ROME on tiny, found by\n#   onemask tune small.yaml --method rome --budget 28edits\n"),
                          HasSubstr("on 10 probe facts (hash 0123456789ab"), HasSubstr("alg_name: ROME\n")));
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "found.yaml", text);
  auto const read = read_edit_hparams(folder / "found.yaml");
  EXPECT_EQ(describe(read), describe(results.trials.back().candidate.hparams));
  auto batches = results;
  batches.facts_per_model = 20;  // of a method for many facts
  EXPECT_THAT(hparams_file(batches, final_trials(results.trials).front()), HasSubstr("\nbatch_size: 20\n"));
}

TEST(TuneProducts, FilesHaveEveryTrial) {
  auto results = two_rungs();
  results.trials.front().drift = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(
      trials_csv(results),
      AllOf(HasSubstr("rung,kind,layers,v_lr,v_num_grad_steps,clamp_norm_factor,v_weight_decay,kl_factor,es,ps,ns,score,low,"
                      "high,n,facts,drift,fits,chosen\n1,layers,[0],0.5,15,"),
            HasSubstr(",8,8,nan,0,0\n"), HasSubstr("2,crosses,[1],0.5,45,"), HasSubstr(",10,10,0.25,1,1\n")));
  auto const json = nlohmann::json::parse(trials_json(results));
  ASSERT_EQ(json.at("trials").size(), 4u);
  EXPECT_TRUE(json.at("trials").at(0).at("drift").is_null());
  EXPECT_EQ(json.at("trials").at(3).at("v_num_grad_steps"), "45");
  EXPECT_EQ(json.at("plan").at("edits"), 28);
  EXPECT_THAT(layers_svg(results), AllOf(HasSubstr(">layer 0, n 8/8<"), HasSubstr(">chosen: layer 1, n 8/8<")));
}

}  // namespace
}  // namespace onemask
