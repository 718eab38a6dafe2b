#include "plan/plan_of.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/task_list.hpp>
#include <onemask/study/keys.hpp>

#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TracingPlan : public StudyFolder {
 protected:
  static inline std::string const facts_alone =
      "name: tiny\nmodel:\n  checkpoint: model\nfacts:\n  train:\n    files: train.json\n  heldout:\n    files: [heldout.json]\n";
  static inline std::string const nothing_edited = facts_alone + "edit: none\ntracing: {batch: 2}\n";

  Plan plan(std::vector<std::string> const& set = {}, std::string const& text = nothing_edited,
            Fingerprints const& fingerprints = {"m", "t", "e"}) {
    write_study(text);
    study_ = read({set, {}, {}});
    return plan_of(study_, {}, {"{}"}, fingerprints);
  }
  static std::set<std::string> keys_of(Plan const& plan) {
    std::set<std::string> keys;
    for (auto const& task : plan.tracings) EXPECT_TRUE(keys.insert(task.key).second);
    return keys;
  }
  std::string complaint_of_text(std::string const& text, std::vector<std::string> const& sweep = {}) {
    write_study(text);
    return complaint({{}, sweep, {}});
  }

  Study study_;
};

TEST_F(TracingPlan, AStudyMayTraceAlone) {
  auto const planned = plan();
  EXPECT_TRUE(study_.points.empty());
  EXPECT_FALSE(study_.masks);
  EXPECT_TRUE(planned.sets.empty());
  EXPECT_TRUE(planned.evaluations.empty());
  EXPECT_THAT(planned.traced, ElementsAre(20, 21, 22, 23, 24));
  // Five facts in three units, each by three kinds of states.
  ASSERT_EQ(planned.tracings.size(), 9U);
  EXPECT_EQ(planned.tasks(), 9U);
  EXPECT_THAT(planned.tracings[4].facts, ElementsAre(22, 23));
  EXPECT_EQ(planned.tracings[4].kind, TraceKind::mlp);
  EXPECT_THAT(planned.tracings[8].facts, ElementsAre(24));
  keys_of(planned);
  EXPECT_THAT(plan({"tracing.facts=3"}).traced, ElementsAre(20, 21, 22));
  EXPECT_THAT(plan({"tracing.facts=30"}).traced.size(), 5U);
}

TEST_F(TracingPlan, TasksWaitForNothing) {
  auto const planned = plan({"tracing.kinds=[state]"}, study_text + "tracing: {samples: 4}\n");
  ASSERT_EQ(planned.tracings.size(), 1U);
  TaskRates rates;
  rates.seconds.fill(2);
  auto const list = make_task_list(planned, study_, rates, Stage::gather);
  std::size_t found = 0;
  for (std::size_t t = 0; t < list.planned.size(); ++t) {
    if (list.graph.is_join(t) || list.planned[t].kind != TaskKind::tracing) continue;
    ++found;
    EXPECT_TRUE(list.graph.tasks[t].after.empty());
    EXPECT_EQ(list.graph.tasks[t].seconds, 2.0 * 5 * 4);  // facts and samples
    EXPECT_NE(list.graph.tasks[t].affinity, 0U);
  }
  EXPECT_EQ(found, 1U);
  EXPECT_EQ(task_id(planned, {TaskKind::tracing, 0}), "tracing/state/20");
  EXPECT_EQ(kind_of_id("tracing/state/20"), TaskKind::tracing);
  EXPECT_THAT(objects_of(planned, {TaskKind::tracing, 0}), ElementsAre(planned.tracings[0].key));
  for (auto const& task : make_task_list(planned, study_, rates, Stage::mask).planned) EXPECT_NE(task.kind, TaskKind::tracing);
}

TEST_F(TracingPlan, NamesHoldWhatDecidesBits) {
  auto const base = keys_of(plan());
  for (auto const* other : {"tracing.samples=3", "tracing.noise=2", "tracing.seed=4", "tracing.rows=64", "tracing.batch=3",
                            "tracing.split=train", "tracing.facts=4"}) {
    for (auto const& key : keys_of(plan({other}))) EXPECT_FALSE(base.contains(key)) << other;
  }
  for (auto const& key : keys_of(plan({}, nothing_edited, {"other", "t", "e"}))) EXPECT_FALSE(base.contains(key));
  // Windows are of MLPs and attentions alone.
  auto const wider = plan({"tracing.window=4"});
  for (auto const& task : wider.tracings) EXPECT_EQ(base.contains(task.key), task.kind == TraceKind::state);
  // Fewer kinds are a part of all.
  for (auto const& key : keys_of(plan({"tracing.kinds=[mlp]"}))) EXPECT_TRUE(base.contains(key));
}

TEST_F(TracingPlan, StudiesWithoutTheSectionKeepTheirNames) {
  auto const without = plan({}, study_text), with_it = plan({}, study_text + "tracing: {}\n");
  EXPECT_TRUE(without.tracings.empty());
  EXPECT_NE(without.id, with_it.id);
  EXPECT_EQ(without.masks.front().key, with_it.masks.front().key);
  for (std::size_t t = 0; t < without.evaluations.size(); ++t) EXPECT_EQ(without.evaluations[t].key, with_it.evaluations[t].key);
}

TEST_F(TracingPlan, DefaultsAreWrittenDown) {
  plan();
  auto const text = with_defaults(study_);
  EXPECT_THAT(text, HasSubstr("edit: none"));
  EXPECT_THAT(text, testing::Not(HasSubstr("window")));  // as the model has layers
  EXPECT_THAT(text, testing::Not(HasSubstr("mask")));
  write_study(text);
  auto const again = read();
  EXPECT_EQ(again.tracing->samples, 10);
  plan({"tracing.window=4"});
  EXPECT_THAT(with_defaults(study_), HasSubstr("window: 4"));
}

TEST_F(TracingPlan, AWindowHasAThirdOfTheLayersUnlessGiven) {
  TracingOptions options;
  for (auto const& [layers, window] : {std::pair(1, 1), {2, 1}, {6, 2}, {12, 4}, {30, 10}, {48, 10}}) {
    EXPECT_EQ(window_of(options, layers), window) << layers;
    EXPECT_FALSE(has_all_layers(options, layers)) << layers;
  }
  options.window = 11;
  EXPECT_EQ(window_of(options, 48), 11);
  EXPECT_TRUE(has_all_layers(options, 6));  // from 2 - 5 to 2 + 5 for instance
  options.window = 10;
  EXPECT_FALSE(has_all_layers(options, 6));  // the last layer's begins with layer 0, but the first one's ends before the last
  EXPECT_TRUE(has_all_layers(options, 5));
  options.kinds = {TraceKind::state};
  EXPECT_FALSE(has_all_layers(options, 5));
}

TEST_F(TracingPlan, WhatIsRefused) {
  auto const said = [&](std::string const& lines, std::vector<std::string> const& sweep = {}) {
    return complaint_of_text(facts_alone + lines, sweep);
  };
  EXPECT_THAT(said("edit: none\n"), HasSubstr("'edit' is none, and there is no section 'tracing'"));
  EXPECT_THAT(said("edit: none\ntracing: {split: ood}\n"),
              HasSubstr("'tracing.split' is 'ood', but 'facts' has no such split. It has: train, heldout."));
  EXPECT_THAT(said("edit: none\ntracing: none\n"), HasSubstr("there is no section 'tracing'"));
  EXPECT_THAT(said("edit: none\ntracing: {window: 0}\n"), HasSubstr("'tracing.window' must be at least 1"));
  EXPECT_THAT(said("edit: none\ntracing: {noise: 0}\n"), HasSubstr("'tracing.noise' must be a positive number"));
  EXPECT_THAT(said("edit: none\ntracing: {kinds: [mlps]}\n"), HasSubstr("names 'mlps'; known are state, mlp, attention"));
  EXPECT_THAT(said("edit: none\ntracing: {kinds: [state], window: 3}\n"), HasSubstr("'tracing.window' is of the kinds mlp"));
  for (std::string const section : {"mask", "inject", "analysis", "evaluation", "perplexity", "moments"}) {
    EXPECT_THAT(said("edit: none\ntracing: {}\n" + section + ": {}\n"),
                HasSubstr("'" + section + "' is of edits, but the study makes none"));
  }
  EXPECT_EQ(said("edit: none\nmask: none\ntracing: {}\n"), "");
  EXPECT_THAT(said("edit: none\ntracing: {}\n", {"edit.v_lr=1,2"}), HasSubstr("sweeps 'edit.v_lr', but it makes no edits"));
  write_study(nothing_edited);
  auto study = read();
  study.facts.pop_back();
  EXPECT_THAT(complaint_of([&] { plan_of(study); }),
              HasSubstr("traces facts of its split 'heldout' (tracing.split), which has none"));
}

}  // namespace
}  // namespace onemask::test
