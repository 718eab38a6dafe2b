#pragma once

#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace onemask::test {

using Integers = std::vector<std::int64_t>;
using Numbers = std::vector<double>;
using Texts = std::vector<std::string>;

/// Puts the tables "conditions" and "summary" together, row by row.
class StudyMaker {
 public:
  void condition(std::string const& name, std::string const& kind, std::string const& set = "", std::string const& settings = "",
                 double zeros = 0) {
    bool const unmasked = kind == "original" || kind == "edited" || kind == "dropped";
    points_.push_back(unmasked ? "" : name);
    names_.push_back(name), kinds_.push_back(kind), sets_.push_back(set), settings_.push_back(settings), zeros_.push_back(zeros);
  }
  /// The last condition is of a mask that is trained on this split; where none is, the table has no such column.
  void trained_on(std::string const& split) {
    train_splits_.resize(names_.size());
    train_splits_.back() = split;
  }
  void row(std::string const& condition, std::string const& split, std::string const& prompts, std::string const& metric,
           double mean, double low, double high, std::int64_t n, std::int64_t planned, std::string const& relation = "all") {
    relation_.push_back(relation);
    condition_.push_back(condition), split_.push_back(split), prompts_.push_back(prompts), metric_.push_back(metric);
    mean_.push_back(mean), low_.push_back(low), high_.push_back(high), n_.push_back(n), planned_.push_back(planned);
  }
  void rsr(std::string const& condition, std::string const& split, double mean, double low, double high, std::int64_t n,
           std::int64_t planned = 0) {
    row(condition, split, "rewrite", "rsr", mean, low, high, n, planned > 0 ? planned : n);
  }

  /// A fact of a split, of relation P17 or P30 in turn.
  void fact(std::string const& split) { fact_splits_.push_back(split); }
  /// Scores the rewrite prompt of a fact, where the true object has this margin over the new one [nats].
  void score(std::string const& condition, std::int64_t fact, double margin) {
    auto const found = std::find(names_.begin(), names_.end(), condition);
    scored_conditions_.push_back(found - names_.begin()), scored_facts_.push_back(fact), margins_.push_back(margin);
  }
  /// The first `successes` facts of those at `places` are restored, or the last.
  void restored(std::string const& condition, Integers const& places, std::size_t successes, bool last = false) {
    for (std::size_t i = 0; i < places.size(); ++i)
      score(condition, places[i], (last ? places.size() - 1 - i : i) < successes ? 1 : -1);
  }

  /// Complete; of 14 tasks, 13 are called done, for tests that call it partial.
  StudyFile file() const {
    StudyFile study;
    study.attributes = {{"status", "COMPLETE"}, {"tasks_planned", "14"}, {"tasks_done", "13"}, {"train_split", "train"}};
    study.tables["conditions"] = {
        {{"name", names_}, {"kind", kinds_}, {"set", sets_}, {"settings", settings_}, {"point", points_}, {"zeros", zeros_}}};
    if (!train_splits_.empty()) {
      auto splits = train_splits_;
      splits.resize(names_.size());
      study.tables["conditions"].columns.emplace_back("train_split", splits);
      study.attributes["train_split"] = "east, west";
    }
    study.tables["summary"] = {{{"condition", condition_},
                                {"split", split_},
                                {"relation", relation_},
                                {"prompts", prompts_},
                                {"metric", metric_},
                                {"mean", mean_},
                                {"low", low_},
                                {"high", high_},
                                {"n", n_},
                                {"planned", planned_}}};
    if (margins_.empty()) return study;
    auto const rows = margins_.size();
    Texts relations;
    for (std::size_t f = 0; f < fact_splits_.size(); ++f) relations.push_back(f % 2 == 0 ? "P17" : "P30");
    study.tables["facts"] = {{{"split", fact_splits_}, {"relation", relations}}};
    study.tables["metrics"] = {{{"fact", scored_facts_},
                                {"condition", scored_conditions_},
                                {"kind", Integers(rows, 0)},
                                {"tokens_true", Integers(rows, 1)},
                                {"tokens_new", Integers(rows, 1)},
                                {"lp_true", margins_},
                                {"lp_new", Numbers(rows, 0)},
                                {"kl", Numbers(rows, 0)},
                                {"rank_true", Integers(rows, 1)},
                                {"rank_new", Integers(rows, 1)},
                                {"top1_changed", Integers(rows, 0)},
                                {"overlap5", Numbers(rows, 1)},
                                {"overlap10", Numbers(rows, 1)},
                                {"overlap100", Numbers(rows, 1)}}};
    return study;
  }

 private:
  Texts fact_splits_;
  Integers scored_conditions_, scored_facts_;
  Numbers margins_;
  Texts train_splits_;
  Texts names_, points_, kinds_, sets_, settings_, condition_, split_, relation_, prompts_, metric_;
  Numbers zeros_, mean_, low_, high_;
  Integers n_, planned_;
};

/// Adds what the model knows of the candidates of the split "heldout", of relation P17 and of all.
inline void add_known(StudyFile& study, bool paraphrases = false, double margin = 0) {
  study.tables["known"] = {{{"split", Texts{"heldout", "heldout"}},
                            {"relation", Texts{"all", "P17"}},
                            {"test", Texts{"two-way", "two-way"}},
                            {"margin", Numbers{margin, margin}},
                            {"paraphrases", Integers{paraphrases, paraphrases}},
                            {"candidates", Integers{4000, 0}},
                            {"scored", Integers{1000, 0}},
                            {"known", Integers{500, 0}},
                            {"taken", Integers{250, 0}}}};
}

/// A study of two masks on one split with relations P17 and P30; the second mask has no score on P30 yet.
inline StudyFile example_study() {
  StudyFile study;
  study.attributes = {{"status", "PARTIAL"}, {"tasks_planned", "14"}, {"tasks_done", "13"}};
  study.tables["conditions"] = {{{"name", Texts{"original", "edited", "m0", "m1", "random (m0)", "masked m0"}},
                                 {"kind", Texts{"original", "edited", "mask", "mask", "random", "original_masked"}},
                                 {"point", Texts{"", "", "mask.seed=0", "mask.seed=1", "mask.seed=0", "mask.seed=0"}},
                                 {"zeros", Numbers{0, 0, 0.2, 0.1, 0.2, 0.2}},
                                 {"mask_key", Texts{"", "", "aa", "bb", "aa", "aa"}}}};
  Texts condition, split, relation, prompts, metric;
  Numbers mean, low, high;
  Integers n, planned;
  auto const add = [&](char const* c, char const* r, char const* p, char const* m, double value, double from, double to,
                       std::int64_t count, std::int64_t of) {
    condition.push_back(c), split.push_back("heldout"), relation.push_back(r), prompts.push_back(p), metric.push_back(m);
    mean.push_back(value), low.push_back(from), high.push_back(to), n.push_back(count), planned.push_back(of);
  };
  add("original", "all", "rewrite", "rsr", 1, 1, 1, 20, 20);
  add("original", "all", "rewrite", "kl", 0, 0, 0, 20, 20);
  add("original", "all", "rewrite", "top1_changed", 0, 0, 0, 20, 20);
  add("original", "all", "paraphrase", "rsr", 0.975, 0.9, 1, 19, 20);
  add("edited", "all", "rewrite", "rsr", 0.05, 0, 0.15, 20, 20);
  add("edited", "all", "rewrite", "kl", 8.1254, 7, 9, 20, 20);
  add("edited", "all", "rewrite", "top1_changed", 0.95, 0.85, 1, 20, 20);
  add("m0", "all", "rewrite", "rsr", 0.9, 0.7, 1, 20, 20);
  add("m0", "all", "rewrite", "kl", 0.25, 0.1, 0.4, 20, 20);
  add("m0", "all", "paraphrase", "rsr", 0.8, 0.6, 0.9, 20, 20);
  add("m1", "all", "rewrite", "rsr", 0.6, 0.4, 0.8, 10, 20);
  add("m1", "all", "rewrite", "kl", 0.75, 0.5, 1, 10, 20);
  add("m1", "all", "paraphrase", "rsr", 0.6, 0.4, 0.7, 10, 20);
  add("random (m0)", "all", "rewrite", "rsr", 0.1, 0, 0.25, 20, 20);
  add("original", "P30", "rewrite", "rsr", 1, 1, 1, 10, 10);
  add("m0", "P30", "rewrite", "rsr", 0.8, 0.5, 1, 10, 10);
  study.tables["summary"] = {{{"condition", condition},
                              {"split", split},
                              {"relation", relation},
                              {"prompts", prompts},
                              {"metric", metric},
                              {"mean", mean},
                              {"low", low},
                              {"high", high},
                              {"n", n},
                              {"planned", planned}}};
  study.tables["provenance/stages"] = {{{"name", Texts{"edit", "mask"}},
                                        {"seconds", Numbers{8.5, 80}},
                                        {"tasks", Integers{10, 2}},
                                        {"done_before", Integers{4, 0}},
                                        {"ranks", Integers{4, 4}}}};
  return study;
}

}  // namespace onemask::test
