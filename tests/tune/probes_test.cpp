#include "tune/probes.hpp"

#include "support/tiny_study.hpp"
#include "tune/rung_study.hpp"
#include <onemask/plan/plan.hpp>
#include <onemask/tune/tune.hpp>

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// The study takes 4 of 20 and 2 of 5 facts.
class TuneProbes : public StudyFolder {
 protected:
  TuneProbes() {
    write_study(
        "name: tiny\nmodel:\n  checkpoint: model\nfacts:\n  train: {files: train.json, per_relation: 2}\n  heldout: {files: "
        "[heldout.json, train.json], relations: [P3], limit: 2}\nedit:\n  hparams: rome.yaml\nmask: none\n");
  }

  static std::vector<SplitFact> facts_of(Study const& study) { return select_facts(study.facts, study.base); }

  static std::vector<std::int64_t> ids_of(std::vector<Fact> const& facts) {
    std::vector<std::int64_t> ids;
    for (auto const& fact : facts) ids.push_back(fact.case_id);
    return ids;
  }
};

TEST_F(TuneProbes, AreFactsThatNoSplitHas) {
  auto const study = read();
  auto const probes = choose_probes(study, facts_of(study), {}, 19);
  std::set<std::int64_t> selected;
  for (auto const& item : facts_of(study)) selected.insert(item.fact.case_id);
  EXPECT_EQ(selected.size(), 6u);
  std::set<std::int64_t> ids;
  for (auto const& fact : probes) {
    EXPECT_TRUE(ids.insert(fact.case_id).second);
    EXPECT_FALSE(selected.contains(fact.case_id));
  }
  EXPECT_FALSE(std::is_sorted(probes.begin(), probes.end(), [](auto const& a, auto const& b) { return a.case_id < b.case_id; }));
  auto const all = ids_of(probes), fewer = ids_of(choose_probes(study, facts_of(study), {}, 5));
  EXPECT_EQ(fewer, std::vector(all.begin(), all.begin() + 5));
}

TEST_F(TuneProbes, ComeFromOtherFilesOnRequestButNeverFromASplit) {
  write_facts("others.json", 500, {"P1", "P9"}, 3);
  EXPECT_EQ(choose_probes(read(), facts_of(read()), {folder_ / "others.json"}, 6).size(), 6u);
  EXPECT_THAT(complaint_of([&] { choose_probes(read(), facts_of(read()), {folder_ / "train.json"}, 20); }),
              AllOf(HasSubstr("20 probe facts are wanted, but of the 20 facts in the files after --probe only 16 can be")));
}

TEST_F(TuneProbes, AreKnownWhereTheStudyAsksForIt) {
  auto const study = read();
  auto known = choose_probes(study, facts_of(study), {}, 19);
  known.resize(3);
  EXPECT_EQ(ids_of(choose_probes(study, facts_of(study), {}, 3, known)), ids_of(known));
  EXPECT_THAT(complaint_of([&] { choose_probes(study, facts_of(study), {}, 4, known); }),
              AllOf(HasSubstr("only 3 can be"), HasSubstr("the model knows them, as the study asks")));
}

TEST_F(TuneProbes, AreKnownByMoreThanTheirCaseIds) {
  write_facts("first.json", 500, {"P1"}, 4);
  write_facts("second.json", 500, {"P9"}, 4);
  auto const study = read();
  std::vector<std::filesystem::path> const files{folder_ / "first.json", folder_ / "second.json"};
  auto const known = choose_probes(study, facts_of(study), {files[1]}, 2);
  for (auto const& fact : choose_probes(study, facts_of(study), files, 2, known)) EXPECT_EQ(fact.relation, "P9");
  EXPECT_THAT(complaint_of([&] { choose_probes(study, facts_of(study), files, 3, known); }), HasSubstr("only 2 can be"));
}

TEST_F(TuneProbes, EditsOfFewFactsAreAmongThoseOfMore) {
  auto edit = read().points.front().edit;
  edit.facts_per_model = 5;
  edit.sequential = true;
  EXPECT_NO_THROW(require_reuse(edit, 50, 8)) << "ROME edits one fact at a time";
  edit.hparams.method = EditMethod::memit;
  EXPECT_THAT(complaint_of([&] { require_reuse(edit, 50, 8); }), HasSubstr("edit.sequential"));
  EXPECT_NO_THROW(require_reuse(edit, 5, 5));
  edit.sequential = false;
  EXPECT_NO_THROW(require_reuse(edit, 50, 8));
  edit.hparams.method = EditMethod::memit_merge;
  EXPECT_THAT(complaint_of([&] { require_reuse(edit, 50, 8); }), HasSubstr("a multiple of 8"));
  edit.facts_per_model = 16;
  EXPECT_NO_THROW(require_reuse(edit, 50, 8));
  edit.facts_per_model = 0;
  EXPECT_NO_THROW(require_reuse(edit, 50, 8));
}

TEST_F(TuneProbes, HaveAllPromptsAndSubjectsOfTheirOwn) {
  auto records = nlohmann::json::array();
  for (int i = 0; i < 4; ++i) records.push_back(record(700 + i, "P8", std::string("New ") + std::to_string(i / 2)));
  records.push_back(record(710, "P8", "Alone"));
  records.back()["neighborhood_prompts"] = nlohmann::json::array();
  records.push_back(record(711, "P8", "Silent"));
  records.back()["paraphrase_prompts"] = nlohmann::json::array();
  records[1]["requested_rewrite"]["relation_id"] = records[3]["requested_rewrite"]["relation_id"] = "P7";
  write_records(folder_ / "others.json", records);
  EXPECT_EQ(choose_probes(read(), facts_of(read()), {folder_ / "others.json"}, 2).size(), 2u);
  EXPECT_THAT(complaint_of([&] { choose_probes(read(), facts_of(read()), {folder_ / "others.json"}, 3); }),
              HasSubstr("only 2 can be"));
}

TEST_F(TuneProbes, AreTheFactsOfARungsStudy) {
  auto const study = read();
  write_file_atomically(folder_ / "probes.json", counterfact_text(choose_probes(study, facts_of(study), {}, 12)));
  auto const start = study.points.front().edit.hparams;
  std::vector<TuneCandidate> const candidates{candidate_at(start, 1, {}), candidate_at(start, 0, {{"v_lr", 2}})};
  auto const rung = rung_study(study, "rung", candidates, folder_ / "probes.json", 9, 8);
  EXPECT_EQ(select_facts(rung.facts, rung.base).size(), 9u);
  EXPECT_FALSE(rung.masks);
  // What it says of itself is the same study.
  write_file_atomically(folder_ / "again.yaml", rung.resolved);
  auto const again = read_study(folder_ / "again.yaml");
  ASSERT_EQ(again.points.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again.points[i].edits, rung.points[i].edits);
    EXPECT_EQ(describe(again.points[i].edit.hparams), describe(candidates[i].hparams));
    EXPECT_EQ(again.points[i].edit.batch, 8);
  }
  EXPECT_EQ(select_facts(again.facts, again.base).size(), 9u);
  EXPECT_EQ(again.evaluation.batch, 8);
  EXPECT_TRUE(again.evaluation.neighborhood && again.evaluation.paraphrases);
}

TEST_F(TuneProbes, DriftIsPerplexityWhereOneModelHasAllFacts) {
  auto study = read();
  EXPECT_EQ(drift_measure(study, 8), DriftMeasure::neighborhood_kl);
  study.perplexity.text = {"text.txt"};
  EXPECT_EQ(drift_measure(study, 8), DriftMeasure::neighborhood_kl);
  auto& edit = study.points.front().edit;
  edit.hparams.method = EditMethod::memit;
  EXPECT_EQ(drift_measure(study, 8), DriftMeasure::perplexity);
  edit.facts_per_model = 3;
  EXPECT_EQ(drift_measure(study, 8), DriftMeasure::neighborhood_kl);
  EXPECT_EQ(drift_measure(study, 3), DriftMeasure::perplexity);
  edit.sequential = true;
  EXPECT_EQ(drift_measure(study, 8), DriftMeasure::perplexity);
}

}  // namespace
}  // namespace onemask::test
