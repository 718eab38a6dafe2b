#pragma once

#include <onemask/store/study_file.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onemask::test {

/// Adds what tracing and analysis of the first so many facts give in a model of six layers: in the unedited and the edited model
/// and under masks of two seeds. The numbers are invented and smooth.
class InventedInsides {
 public:
  static constexpr std::int64_t layers = 6;

  InventedInsides(StudyFile& study, std::int64_t facts) : study_(study), facts_(facts) {}

  void add() {
    study_.attributes["tracing_window"] = "3";
    study_.attributes["tracing_noise"] = "3";
    study_.tables["analyses"] = {{{"kind", Texts{"original", "edited", "mask", "original_masked", "mask", "original_masked"}},
                                  {"set", Texts(models)},
                                  {"settings", Texts(models)},
                                  {"point", Texts{"", "", "mask.seed=0", "mask.seed=0", "mask.seed=1", "mask.seed=1"}},
                                  {"split", Texts(models, "heldout")},
                                  {"zeros", Numbers{0, 0, 0.1, 0.1, 0.1, 0.1}},
                                  {"planned", Integers(models, facts_)},
                                  {"mask_key", Texts(models)}}};
    add_traces();
    add_attention();
    add_contributions();
    add_maps();
    add_tracing();
  }

 private:
  using Texts = std::vector<std::string>;
  using Numbers = std::vector<double>;
  using Integers = std::vector<std::int64_t>;
  static constexpr std::size_t models = 6;

  /// Between 0 and 1: how far the true object has won in a model.
  static double towards_true(std::size_t model, std::int64_t fact, std::int64_t layer) {
    auto const depth = static_cast<double>(layer + 1) / layers;
    auto const noise = 0.1 * std::sin(static_cast<double>(17 * fact + 5 * layer + static_cast<std::int64_t>(model)));
    return depth * (model == 1 ? 0.1 : model == 2 || model == 4 ? 0.6 : 0.9) + noise;
  }

  void add_traces() {
    Integers analysis, fact, layer, rank_true, rank_new;
    Texts place;
    Numbers logit_true, logit_new, lp_true, lp_new;
    for (auto const* where : {"last", "subject_last"}) {
      for (std::size_t model = 0; model < models; ++model) {
        for (std::int64_t f = 0; f < facts_; ++f) {
          for (std::int64_t l = -1; l < layers; ++l) {
            auto const won = towards_true(model, f, l);
            analysis.push_back(static_cast<std::int64_t>(model)), fact.push_back(f), layer.push_back(l),
                place.emplace_back(where);
            logit_true.push_back(10 * won), logit_new.push_back(5);
            lp_true.push_back(-9 + 8.9 * won), lp_new.push_back(-1 - 7 * won);
            rank_true.push_back(won > 0.5 ? 1 : 200), rank_new.push_back(won > 0.5 ? 50 : 1);
          }
        }
      }
    }
    study_.tables["traces"] = {{{"analysis", analysis},
                                {"fact", fact},
                                {"place", place},
                                {"layer", layer},
                                {"logit_true", logit_true},
                                {"logit_new", logit_new},
                                {"lp_true", lp_true},
                                {"lp_new", lp_new},
                                {"rank_true", rank_true},
                                {"rank_new", rank_new}}};
  }

  void add_attention() {
    Integers analysis, fact, layer;
    std::vector<std::pair<char const*, Numbers>> numbers;
    for (auto const* name : {"alpha", "alpha_max", "alpha_subject", "drifting", "pull", "pattern", "value", "interaction",
                             "pattern_elsewhere", "value_elsewhere", "interaction_elsewhere"})
      numbers.emplace_back(name, Numbers());
    for (std::size_t model = 0; model < models; ++model) {
      for (std::int64_t f = 0; f < facts_; ++f) {
        for (std::int64_t l = 0; l < layers; ++l) {
          analysis.push_back(static_cast<std::int64_t>(model)), fact.push_back(f), layer.push_back(l);
          auto const alpha = 0.1 + (model > 0 && l > 1 ? 0.3 * (1 - towards_true(model, f, l)) : 0);
          for (auto& [name, values] : numbers)
            values.push_back(alpha * (1 + 0.1 * static_cast<double>(&values - &numbers[0].second)));
        }
      }
    }
    Table table{{{"analysis", analysis}, {"fact", fact}, {"layer", layer}, {"head", Integers(layer.size(), -1)}}};
    for (auto const& [name, values] : numbers) table.columns.emplace_back(name, values);
    study_.tables["attention"] = table;
  }

  void add_contributions() {
    Integers analysis, fact, layer;
    Texts part;
    Numbers of_true, of_new;
    for (std::size_t model = 0; model < models; ++model) {
      for (std::int64_t f = 0; f < facts_; ++f) {
        auto const put = [&](char const* what, std::int64_t l, double true_, double new_) {
          analysis.push_back(static_cast<std::int64_t>(model)), fact.push_back(f), part.emplace_back(what), layer.push_back(l);
          of_true.push_back(true_), of_new.push_back(new_);
        };
        put("embedding", -1, 0.5, 0.25), put("bias", -1, 0.1, 0.1), put("logit", -1, 10, 9);
        for (std::int64_t l = 0; l < layers; ++l) {
          put("attention", l, towards_true(model, f, l), 0.5);
          put("mlp", l, 1 - towards_true(model, f, l), 0.25);
        }
      }
    }
    auto const rows = layer.size();
    study_.tables["contributions"] = {{{"analysis", analysis},
                                       {"fact", fact},
                                       {"place", Texts(rows, "last")},
                                       {"part", part},
                                       {"layer", layer},
                                       {"head", Integers(rows, -1)},
                                       {"true", of_true},
                                       {"new", of_new}}};
  }

  void add_maps() {
    Integers analysis, layer, n, fact, position, of, at;
    Texts place;
    Numbers distance, odds, attention, own_distance, own_odds, own_attention;
    for (std::size_t model = 0; model < models; ++model) {
      for (std::int64_t l = -1; l < layers; ++l) {
        for (auto const* where : {"subject_first", "subject_last", "after_subject", "last"}) {
          if (facts_ == 0) continue;  // a mean of nothing
          auto const won = towards_true(model, 0, l);
          analysis.push_back(static_cast<std::int64_t>(model)), layer.push_back(l), place.emplace_back(where),
              n.push_back(facts_);
          distance.push_back(model == 0 ? 0 : 0.5 * won), odds.push_back(4 - 8 * won), attention.push_back(0.25 * won);
        }
        for (std::int64_t f = 0; f < facts_; ++f) {
          for (std::int64_t p = 0; p < 6; ++p) {
            auto const won = towards_true(model, f + p, l);
            of.push_back(static_cast<std::int64_t>(model)), at.push_back(l), fact.push_back(f), position.push_back(p);
            own_distance.push_back(model == 0 ? 0 : 0.5 * won), own_odds.push_back(4 - 8 * won),
                own_attention.push_back(0.2 * won);
          }
        }
      }
    }
    study_.tables["maps"] = {{{"analysis", analysis},
                              {"place", place},
                              {"layer", layer},
                              {"distance", distance},
                              {"log_odds", odds},
                              {"attention", attention},
                              {"n", n}}};
    study_.tables["fact_maps"] = {{{"analysis", of},
                                   {"fact", fact},
                                   {"position", position},
                                   {"layer", at},
                                   {"distance", own_distance},
                                   {"log_odds", own_odds},
                                   {"attention", own_attention}}};
  }

  void add_tracing() {
    Integers facts, fact, kind, place, layer;
    Numbers probability;
    auto const count = static_cast<std::size_t>(facts_);
    for (std::int64_t f = 0; f < facts_; ++f) {
      facts.push_back(f);
      for (std::int64_t k = 0; k < 3; ++k) {
        for (std::int64_t p = 0; p < 6; ++p) {
          if (p == 1 && f % 2 == 1) continue;  // a subject of two tokens
          for (std::int64_t l = 0; l < layers; ++l) {
            auto const near =
                std::exp(-std::pow(static_cast<double>(l - (k == 2 ? 4 : 2)), 2) / 2) * (p == (k == 2 ? 5 : 2) ? 1 : 0.1);
            fact.push_back(f), kind.push_back(k), place.push_back(p), layer.push_back(l);
            probability.push_back(0.1 + 0.6 * near + 0.02 * std::sin(static_cast<double>(f + l + p)));
          }
        }
      }
    }
    study_.tables["tracing_facts"] = {{{"fact", facts},
                                       {"clean", Numbers(count, 0.8)},
                                       {"corrupted", Numbers(count, 0.1)},
                                       {"object_clean", Numbers(count, 0.75)},
                                       {"object_corrupted", Numbers(count, 0.05)},
                                       {"noise", Numbers(count, 0.25)}}};
    study_.tables["tracing"] = {
        {{"fact", fact}, {"kind", kind}, {"place", place}, {"layer", layer}, {"probability", probability}}};
  }

  StudyFile& study_;
  std::int64_t facts_;
};

}  // namespace onemask::test
