#pragma once

#include "report/page_insides.hpp"
#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onemask::test {

/// Texts that a page must show and not obey.
inline std::vector<std::string> const texts_to_escape{
    "</script><script>window.harm = 1</script>", "<img src=x onerror=\"window.harm = 2\">",
    "<!-- \"quoted\" & 'single' \\ \xE2\x80\xA8 line -->", "\xD7\xA9\xD7\xA4\xD7\xAA \xD7\x94\xD7\x90\xD7\x9D of Dana is",
    "\xD8\xA7\xD9\x84\xD9\x84\xD8\xBA\xD8\xA9 tongue"};

/// What a study for pages consists of. Its numbers are invented: RSR under the masks is about 60 %.
struct InventedStudy {
  std::size_t facts = 40;
  std::vector<std::string> relations{"P17", "P30", "P103"};
  std::vector<std::string> settings{""};  ///< of the masks; each has two seeds
  std::vector<double> zeros{0.1};         ///< of the masks, by settings
  std::size_t paraphrases = 2;
  bool partial = false;
  std::int64_t inside = 0;  ///< facts that are traced and looked into, the first
  bool patched = false;     ///< there is a model with the attention of another
};

/// Puts a study with the splits train and heldout together.
class InventedStudyMaker {
 public:
  explicit InventedStudyMaker(InventedStudy const& of) : of_(of) {}

  StudyFile make() {
    add_facts();
    add_models();
    add_scores();
    StudyFile study;
    study.attributes = {{"status", of_.partial ? "PARTIAL" : "COMPLETE"},
                        {"tasks_planned", "100"},
                        {"tasks_done", of_.partial ? "60" : "100"},
                        {"name", "invented"},
                        {"train_split", "train"},
                        {"results_sha256", std::string(64, 'a')},
                        {"revision", "abc1234"},
                        {"study",
                         "name: invented\nmodel: {checkpoint: models/invented}\nfacts:\n  train: {files: train.json}\n"
                         "  heldout: {files: heldout.json, allow_overlap: [subject]}\nmask: {epochs: 3}\n"}};
    auto const n = static_cast<std::int64_t>(of_.facts);
    std::vector<std::int64_t> numbers, ones(of_.facts, 1);
    for (std::int64_t fact = 0; fact < n; ++fact) numbers.push_back(fact);
    std::vector<std::string> const set(of_.facts, "");
    study.tables["facts"] = {{{"case_id", numbers},
                              {"split", splits_},
                              {"relation", relations_},
                              {"subject", subjects_},
                              {"prompt", prompts_},
                              {"target_true", objects_},
                              {"target_new", new_objects_}}};
    study.tables["flags"] = {{{"fact", numbers}, {"set", set}, {"known", ones}, {"took", ones}, {"took_top1", ones}}};
    study.tables["edits"] = {{{"fact", numbers},
                              {"set", set},
                              {"layer", ones},
                              {"steps", ones},
                              {"loss", std::vector<double>(of_.facts, 0.05)},
                              {"p_new", std::vector<double>(of_.facts, 0.99)},
                              {"delta_norm", std::vector<double>(of_.facts, 12.5)},
                              {"value_norm", std::vector<double>(of_.facts, 40)},
                              {"failure", set}}};
    study.tables["conditions"] = {{{"name", names_},
                                   {"kind", kinds_},
                                   {"set", std::vector<std::string>(names_.size())},
                                   {"settings", settings_},
                                   {"point", points_},
                                   {"variant", variants()},
                                   {"zeros", shares_}}};
    auto const rows = facts_.size();
    study.tables["metrics"] = {{{"fact", facts_},
                                {"condition", conditions_},
                                {"prompt", places_},
                                {"kind", prompt_kinds_},
                                {"tokens_true", std::vector<std::int64_t>(rows, 1)},
                                {"tokens_new", std::vector<std::int64_t>(rows, 1)},
                                {"lp_true", lp_true_},
                                {"lp_new", lp_new_},
                                {"kl", kl_},
                                {"rank_true", std::vector<std::int64_t>(rows, 1)},
                                {"rank_new", std::vector<std::int64_t>(rows, 5)},
                                {"top1", std::vector<std::int64_t>(rows, 7)},
                                {"top1_changed", std::vector<std::int64_t>(rows, 0)},
                                {"overlap5", std::vector<double>(rows, 1)},
                                {"overlap10", std::vector<double>(rows, 1)},
                                {"overlap100", std::vector<double>(rows, 1)}}};
    study.tables["summary"] = summary();
    study.tables["provenance/objects"] = {
        {{"made_by", std::vector<std::string>{"LibTorch on a processor"}}, {"objects", std::vector<std::int64_t>{100}}}};
    study.tables["provenance/stages"] = {{{"name", std::vector<std::string>{"edits"}},
                                          {"seconds", std::vector<double>{8.5}},
                                          {"tasks", std::vector<std::int64_t>{10}},
                                          {"done_before", std::vector<std::int64_t>{0}},
                                          {"ranks", std::vector<std::int64_t>{2}}}};
    if (of_.inside > 0) InventedInsides(study, of_.inside).add();
    return study;
  }

 private:
  void add_facts() {
    for (std::size_t fact = 0; fact < of_.facts; ++fact) {
      splits_.emplace_back(fact % 2 == 0 ? "train" : "heldout");
      relations_.push_back(of_.relations[fact / 2 % of_.relations.size()]);
      auto const number = std::to_string(fact);
      subjects_.push_back("Subject " + number);
      prompts_.push_back(fact < texts_to_escape.size() ? texts_to_escape[fact]
                                                       : "The mother tongue of Subject " + number + " is");
      objects_.emplace_back(fact % 3 == 0 ? "French" : "Dutch");
      new_objects_.emplace_back("English");
    }
  }

  void add_models() {
    add_model("original", "original", "", "", 0);
    add_model("edited", "edited", "", "", 0);
    if (of_.patched) add_model("edited+attention(original)", "patched", "", "", 0);
    for (std::size_t i = 0; i < of_.settings.size(); ++i) {
      for (auto const* kind : {"mask", "random", "magnitude", "delta_magnitude"}) {
        for (auto const* seed : {"0", "1"}) {
          auto const point = (of_.settings[i].empty() ? "" : of_.settings[i] + " ") + "mask.seed=" + seed;
          add_model(std::string(kind) + " (" + point + ")", kind, of_.settings[i], point, of_.zeros[i]);
        }
      }
    }
  }

  std::vector<std::string> variants() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < names_.size(); ++i) all.push_back(kinds_[i] == "patched" ? names_[i] : "");
    return all;
  }

  void add_model(std::string const& name, std::string const& kind, std::string const& settings, std::string const& point,
                 double zeros) {
    names_.push_back(name), kinds_.push_back(kind), settings_.push_back(settings), points_.push_back(point),
        shares_.push_back(zeros);
  }

  /// A margin of the true object over the new one [nats] that is the same in every run.
  double margin(std::size_t model, std::size_t fact, std::size_t prompt) const {
    auto const noise = std::sin(static_cast<double>(7 * model + 13 * fact + 5 * prompt)) * 6;
    return noise + (kinds_[model] == "original" ? 8 : kinds_[model] == "edited" ? -8 : kinds_[model] == "mask" ? 2 : -3);
  }

  void add_scores() {
    for (std::size_t model = 0; model < names_.size(); ++model) {
      for (std::size_t fact = 0; fact < of_.facts; ++fact) {
        if (of_.partial && model > 3 && fact % 4 != 1) continue;
        for (std::size_t prompt = 0; prompt <= of_.paraphrases; ++prompt) {
          auto const by = margin(model, fact, prompt);
          facts_.push_back(static_cast<std::int64_t>(fact)), conditions_.push_back(static_cast<std::int64_t>(model));
          places_.push_back(static_cast<std::int64_t>(prompt)), prompt_kinds_.push_back(prompt == 0 ? 0 : 1);
          lp_true_.push_back(by > 0 ? -0.1 : by - 0.1), lp_new_.push_back(by > 0 ? -by - 0.1 : -0.1);
          kl_.push_back(model == 0 ? 0 : 0.123 * static_cast<double>(model));
        }
      }
    }
  }

  Table summary() const {
    std::vector<std::string> condition, split, relation, metric;
    std::vector<double> mean, low, high;
    std::vector<std::int64_t> n, planned;
    auto const add = [&](std::size_t model, std::string const& of_split, std::string const& of_relation) {
      std::int64_t scored = 0, wins = 0, all = 0;
      for (std::size_t fact = 0; fact < of_.facts; ++fact) {
        if (splits_[fact] != of_split || (of_relation != "all" && relations_[fact] != of_relation)) continue;
        ++all;
        if (of_.partial && model > 3 && fact % 4 != 1) continue;
        ++scored, wins += margin(model, fact, 0) > 0 ? 1 : 0;
      }
      for (auto const* name : {"rsr", "kl", "top1_changed"}) {
        auto const value = name == std::string("rsr")
                               ? static_cast<double>(wins) / static_cast<double>(std::max<std::int64_t>(1, scored))
                           : name == std::string("kl") ? 0.123 * static_cast<double>(model)
                                                       : 0.0;
        condition.push_back(names_[model]), split.push_back(of_split), relation.push_back(of_relation), metric.emplace_back(name);
        mean.push_back(value), low.push_back(std::max(0.0, value - 0.1)),
            high.push_back(name == std::string("kl") ? value + 0.1 : std::min(1.0, value + 0.1));
        n.push_back(scored), planned.push_back(all);
      }
    };
    for (std::size_t model = 0; model < names_.size(); ++model) {
      for (auto const* of_split : {"train", "heldout"}) {
        add(model, of_split, "all");
        for (auto const& of_relation : of_.relations) add(model, of_split, of_relation);
      }
    }
    return {{{"condition", condition},
             {"split", split},
             {"relation", relation},
             {"prompts", std::vector<std::string>(condition.size(), "rewrite")},
             {"metric", metric},
             {"mean", mean},
             {"low", low},
             {"high", high},
             {"n", n},
             {"planned", planned}}};
  }

  InventedStudy of_;
  std::vector<std::string> splits_, relations_, subjects_, prompts_, objects_, new_objects_;
  std::vector<std::string> names_, kinds_, settings_, points_;
  std::vector<double> shares_, lp_true_, lp_new_, kl_;
  std::vector<std::int64_t> facts_, conditions_, places_, prompt_kinds_;
};

inline StudyFile invented_study(InventedStudy const& of = {}) {
  return InventedStudyMaker(of).make();
}

/// Masks of several relations, or of several sizes.
inline InventedStudy study_of_relations() {
  return {.settings = {"mask.train_relations=P17", "mask.train_relations=P30"}, .zeros = {0.1, 0.1}};
}
inline InventedStudy study_of_sizes() {
  return {.settings = {"mask.zeros=0.05", "mask.zeros=0.1", "mask.zeros=0.2"}, .zeros = {0.05, 0.1, 0.2}};
}
/// With what happens inside of the models, and attention of others.
inline InventedStudy study_of_insides() {
  return {.inside = 12, .patched = true};
}
/// Ten models.
inline InventedStudy study_of_many_facts() {
  return {.facts = 10'000};
}

}  // namespace onemask::test
