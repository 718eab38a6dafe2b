#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/report/analysis.hpp>

#include <cmath>
#include <functional>
#include <type_traits>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Thirty facts in the unedited and the edited model, and under masks of two seeds. Layer 0 lies below the edit. The edit adds
/// 0.3 and a little to attention in layer 1; the first mask takes 40 % of that away, the second 60 %.
class AnalysedStudy {
 public:
  static constexpr std::int64_t facts = 30;

  StudyFile file() const {
    StudyFile study;
    study.attributes = {{"status", "COMPLETE"}, {"tasks_planned", "14"}, {"tasks_done", "13"}, {"train_split", "train"}};
    study.tables["analyses"] = {{{"kind", Texts{"original", "edited", "mask", "original_masked", "mask", "original_masked"}},
                                 {"set", Texts(6)},
                                 {"settings", Texts(6)},
                                 {"point", Texts{"", "", "mask.seed=0", "mask.seed=0", "mask.seed=1", "mask.seed=1"}},
                                 {"split", Texts(6, "heldout")},
                                 {"zeros", Numbers{0, 0, 0.2, 0.2, 0.2, 0.2}},
                                 {"planned", Integers(6, facts)},
                                 {"mask_key", Texts(6)}}};
    study.tables["attention"] = attention();
    study.tables["contributions"] = contributions();
    study.tables["traces"] = traces();
    study.tables["dimensions"] = dimensions();
    study.tables["maps"] = maps();
    return study;
  }

 private:
  /// Of a fact in a model, in layer 1.
  static double alpha(std::size_t model, std::int64_t fact) {
    auto const drift = 0.3 + 0.001 * static_cast<double>(fact % 7);
    return 0.2 + drift * std::vector<double>{0, 1, 0.6, 0, 0.4, 0}[model];
  }

  static Table attention() {
    Integers analysis, fact, layer;
    std::map<std::string, Numbers> numbers;
    for (std::int64_t model = 0; model < 6; ++model) {
      for (std::int64_t f = 0; f < facts; ++f) {
        for (std::int64_t l = 0; l < 2; ++l) {
          analysis.push_back(model), fact.push_back(f), layer.push_back(l);
          auto const a = l == 0 ? 0.1 : alpha(static_cast<std::size_t>(model), f);
          numbers["alpha"].push_back(a), numbers["alpha_max"].push_back(2 * a), numbers["alpha_subject"].push_back(a);
          numbers["drifting"].push_back(l == 1 && model == 1 ? 0.5 : 0), numbers["pull"].push_back(1);
          auto const shift = l == 1 && model == 1 ? 1.0 : 0.0;
          numbers["pattern"].push_back(-0.5 * shift), numbers["value"].push_back(2 * shift);
          numbers["interaction"].push_back(1.5 * shift), numbers["pattern_elsewhere"].push_back(0.25 * shift);
          numbers["value_elsewhere"].push_back(0.5 * shift), numbers["interaction_elsewhere"].push_back(0.25 * shift);
        }
      }
    }
    Table table{{{"analysis", analysis}, {"fact", fact}, {"layer", layer}, {"head", Integers(layer.size(), -1)}}};
    for (auto const& [name, values] : numbers) table.columns.emplace_back(name, values);
    return table;
  }

  static Table contributions() {
    Integers analysis, fact, layer;
    Texts part;
    Numbers of_true, of_new;
    for (std::int64_t model = 0; model < 6; ++model) {
      for (std::int64_t f = 0; f < facts; ++f) {
        auto const put = [&](std::string const& what, std::int64_t l, double true_, double new_) {
          analysis.push_back(model), fact.push_back(f), part.push_back(what), layer.push_back(l);
          of_true.push_back(true_), of_new.push_back(new_);
        };
        put("embedding", -1, 1, 2);
        for (std::int64_t l = 0; l < 2; ++l) put("attention", l, 3, model == 1 && l == 1 ? 7 : 2);
        for (std::int64_t l = 0; l < 2; ++l) put("mlp", l, 0.5, 1);
        put("bias", -1, 0, 0);
        put("logit", -1, 8, model == 1 ? 13 : 8);
      }
    }
    auto const rows = layer.size();
    return {{{"analysis", analysis},
             {"fact", fact},
             {"place", Texts(rows, "last")},
             {"part", part},
             {"layer", layer},
             {"head", Integers(rows, -1)},
             {"true", of_true},
             {"new", of_new}}};
  }

  static Table traces() {
    Integers analysis, fact, layer, rank_true, rank_new;
    Numbers logit_true, logit_new, lp_true, lp_new;
    for (std::int64_t f = 0; f < 4; ++f) {
      for (std::int64_t l = -1; l < 2; ++l) {
        analysis.push_back(0), fact.push_back(f), layer.push_back(l);
        logit_true.push_back(1), logit_new.push_back(2), lp_true.push_back(-1), lp_new.push_back(-4);
        rank_true.push_back(f == 0 ? 1 : 3), rank_new.push_back(2);
      }
    }
    auto const rows = layer.size();
    return {{{"analysis", analysis},
             {"fact", fact},
             {"place", Texts(rows, "subject_last")},
             {"layer", layer},
             {"logit_true", logit_true},
             {"logit_new", logit_new},
             {"lp_true", lp_true},
             {"lp_new", lp_new},
             {"rank_true", rank_true},
             {"rank_new", rank_new}}};
  }

  /// Two dimensions with most zeros, moved by 1 and 3 where the unedited model varies by 2; one at random, by 0.5 where it does
  /// by 1.
  static Table dimensions() {
    Texts const model{"original", "original", "original", "edited", "edited", "edited"};
    return {{{"analysis", Integers(6, 2)},
             {"model", model},
             {"place", Texts(6, "last")},
             {"layer", Integers(6, 1)},
             {"dimension", Integers{4, 9, 7, 4, 9, 7}},
             {"random", Integers{0, 0, 1, 0, 0, 1}},
             {"zeros", Numbers(6, 0.5)},
             {"mean", Numbers(6, 1)},
             {"sd", Numbers{2, 2, 1, 5, 5, 5}},
             {"shift", Numbers{0, 0, 0, 1, -3, 0.5}},
             {"shift_sd", Numbers(6, 1)},
             {"n", Integers(6, facts)}}};
  }

  static Table maps() {
    return {{{"analysis", Integers{1, 1, 2, 4}},
             {"place", Texts{"subject_last", "last", "last", "last"}},
             {"layer", Integers{0, 0, 0, 0}},
             {"distance", Numbers{0.5, 0.25, 0.1, 0.3}},
             {"log_odds", Numbers{1, 2, 3, 4}},
             {"attention", Numbers{0.5, 0.25, 0.1, 0.3}},
             {"n", Integers(4, facts)}}};
  }
};

AnalysisTable const& table_of(AnalysisReport const& report, std::string const& quantity, std::string const& place = "") {
  for (auto const& table : report.tables) {
    if (table.quantity == quantity && table.place == place) return table;
  }
  throw std::out_of_range(quantity);
}

AnalysisCell const& cell_of(AnalysisTable const& table, std::string const& row, std::string const& column) {
  for (auto const& line : table.rows) {
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (line.label == row && table.columns[c] == column) return line.cells[c].value();
    }
  }
  throw std::out_of_range(row + ", " + column);
}

constexpr char const* of_masks = "edited + mask (mean of 2)";

TEST(AnalysisReports, DriftWithPairedTestsAndTheShareThatMasksRemove) {
  auto const report = make_analysis(AnalysedStudy().file());
  auto const& drift = table_of(report, "drift of attention to the subject's last token");
  EXPECT_EQ(drift.columns, (Texts{"edited", of_masks, "unedited + mask (mean of 2)"}));
  double sum = 0;
  for (std::int64_t f = 0; f < 30; ++f) sum += 0.3 + 0.001 * static_cast<double>(f % 7);
  auto const& edited = cell_of(drift, "1", "edited");
  EXPECT_NEAR(edited.value.mean, sum / 30, 1e-12);
  EXPECT_EQ(edited.value.n, 30);
  EXPECT_LT(edited.value.low, edited.value.mean);
  EXPECT_LT(edited.p.value(), 1e-5);
  EXPECT_FALSE(cell_of(drift, "0", "edited").p);  // nothing changes there
  EXPECT_NEAR(cell_of(drift, "1", of_masks).value.mean, sum / 60, 1e-12);
  auto const& removed = table_of(report, "share of the drift that the mask removes");
  ASSERT_EQ(removed.rows.size(), 1U);  // one layer drifts
  auto const& share = cell_of(removed, "1", of_masks).value;
  EXPECT_NEAR(share.mean, 0.5, 1e-12);
  EXPECT_NEAR(share.low, 0.4, 1e-9);  // of seeds alone: facts all have the same share
  EXPECT_NEAR(share.high, 0.6, 1e-9);
}

TEST(AnalysisReports, ContributionsAddUpOverLayers) {
  auto const report = make_analysis(AnalysedStudy().file());
  auto const& whole = table_of(report, "contributions to new less true", "last token");
  EXPECT_NEAR(cell_of(whole, "attention", "unedited").value.mean, -2, 1e-12);
  EXPECT_NEAR(cell_of(whole, "attention", "edited").value.mean, 3, 1e-12);
  EXPECT_NEAR(cell_of(whole, "MLP", "edited").value.mean, 1, 1e-12);
  EXPECT_NEAR(cell_of(whole, "logit", "edited").value.mean, 5, 1e-12);
  EXPECT_NEAR(cell_of(table_of(report, "attention to new", "last token"), "1", "edited").value.mean, 7, 1e-12);
  EXPECT_NEAR(cell_of(table_of(report, "MLP to true", "last token"), "0", of_masks).value.mean, 0.5, 1e-12);
}

TEST(AnalysisReports, TheShiftInParts) {
  auto const report = make_analysis(AnalysedStudy().file());
  auto const& shift = table_of(report, "shift of new less true through attention");
  EXPECT_NEAR(cell_of(shift, "pattern, subject's last token", "edited").value.mean, -0.5, 1e-12);
  EXPECT_NEAR(cell_of(shift, "interaction, elsewhere", "edited").value.mean, 0.25, 1e-12);
  EXPECT_NEAR(cell_of(shift, "all", "edited").value.mean, 4, 1e-12);
}

TEST(AnalysisReports, TracesDimensionsAndMaps) {
  auto const report = make_analysis(AnalysedStudy().file());
  auto const place = "subject's last token";
  EXPECT_NEAR(cell_of(table_of(report, "logit of new less true so far", place), "embedding", "unedited").value.mean, 1, 1e-12);
  EXPECT_NEAR(cell_of(table_of(report, "log-odds of new over true, logit lens", place), "1", "unedited").value.mean, -3, 1e-12);
  auto const& likeliest = cell_of(table_of(report, "true object likeliest, logit lens", place), "0", "unedited").value;
  EXPECT_NEAR(likeliest.mean, 0.25, 1e-12);
  EXPECT_EQ(likeliest.n, 4);
  EXPECT_EQ(likeliest.planned, 30);
  auto const& dimensions = table_of(report, "shift of dimensions by their standard deviation", "last token");
  EXPECT_NEAR(cell_of(dimensions, "1", "edited, most zeros").value.mean, 1, 1e-12);  // (1/2 + 3/2) / 2
  EXPECT_NEAR(cell_of(dimensions, "1", "edited, at random").value.mean, 0.5, 1e-12);
  EXPECT_NEAR(cell_of(table_of(report, "distance to the unedited model, edited"), "0", "subject's last").value.mean, 0.5, 1e-12);
  EXPECT_NEAR(cell_of(table_of(report, "distance to the unedited model, edited + mask"), "0", "last").value.mean, 0.2, 1e-12);
}

/// The first facts of a study whose attention to the subject's last token is `alpha` of model, fact and layer.
StudyFile with_attention(std::int64_t facts, std::function<double(std::int64_t, std::int64_t, std::int64_t)> const& alpha) {
  auto study = AnalysedStudy().file();
  auto const& all = study.tables["attention"];
  Table kept = all;
  auto const &models = all.values<std::int64_t>("analysis"), &fact = all.values<std::int64_t>("fact"),
             &layers = all.values<std::int64_t>("layer");
  for (auto& [name, column] : kept.columns) {
    std::visit(
        [&, &name = name](auto& values) {
          auto const before = values;
          values.clear();
          for (std::size_t row = 0; row < before.size(); ++row) {
            if (fact[row] >= facts) continue;
            if constexpr (std::is_same_v<decltype(before), Numbers const>) {
              values.push_back(name == "alpha" ? alpha(models[row], fact[row], layers[row]) : before[row]);
            } else {
              values.push_back(before[row]);
            }
          }
        },
        column);
  }
  study.tables["attention"] = kept;
  return study;
}

TEST(AnalysisReports, ADriftThatIsNotClear) {
  auto const wavering = [](std::int64_t model, std::int64_t fact, std::int64_t layer) {  // down and up in turn
    return 0.5 + (model == 1 && layer == 1 ? (fact % 2 == 0 ? -1 : 1) * (0.1 + 0.01 * static_cast<double>(fact)) : 0);
  };
  auto const text = make_analysis(with_attention(30, wavering)).findings.at(0);
  EXPECT_THAT(text,
              HasSubstr("On the 30 held-out facts the last token's attention to the subject's last token is not clearly more "
                        "after the edit in any of 1 layer; the largest drift is 0.5 points ["));
  EXPECT_THAT(text, HasSubstr("], in layer 1. Attention of the last token"));
}

TEST(AnalysisReports, TooFewFactsForTheTestOfDrift) {
  auto const rising = [](std::int64_t model, std::int64_t fact, std::int64_t layer) {
    return 0.5 + (model == 1 && layer == 1 ? 0.1 + 0.01 * static_cast<double>(fact) : 0);
  };
  EXPECT_THAT(make_analysis(with_attention(5, rising)).findings.at(0),
              HasSubstr("in any of 1 layer; the largest drift is 12.0 points [10.8, 13.2], in layer 1. n = 5 is too few for this "
                        "test: its smallest p is 0.062 over 1 layer. "));
  EXPECT_THAT(make_analysis(with_attention(6, rising)).findings.at(0), HasSubstr("attends more to the subject's last token"));
  auto const in_both_layers = [&](auto model, auto fact, auto) { return rising(model, fact, 1); };
  EXPECT_THAT(make_analysis(with_attention(6, in_both_layers)).findings.at(0), HasSubstr("n = 6 is too few for this test"));
}

TEST(AnalysisReports, AMaskThatLowersAttentionInGeneral) {
  auto const below = [](std::int64_t model, std::int64_t fact, std::int64_t) {
    return 0.5 + (model == 1 ? 0.1 : model == 2 ? -0.03 : model == 4 ? -0.01 : 0) * (1 + 0.01 * static_cast<double>(fact));
  };
  EXPECT_THAT(make_analysis(with_attention(30, below)).findings.at(0),
              HasSubstr("; over layers 0 and 1 together the mask removes 120 % [110, 130] of it, more than the edit brought: it "
                        "lowers attention to the subject in general. "));
}

TEST(AnalysisReports, FindingsOfWaysOfEditingStandApart) {
  auto study = AnalysedStudy().file();
  auto report = make_analysis(study);
  report.findings = {"One.", "Two."};
  EXPECT_THAT(to_text(analysis_document(study, report)), HasSubstr("\n\nOne.\n\nTwo.\n\n"));
}

TEST(AnalysisReports, InWordsAndInEveryForm) {
  auto study = AnalysedStudy().file();
  auto const report = make_analysis(study);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_THAT(
      report.findings[0],
      HasSubstr("On the 30 held-out facts the last token attends more to the subject's last token after the edit in 1 of the 1 "
                "layers that the edit reaches, most in layer 1, by 30.3 points ["));
  EXPECT_THAT(report.findings[0], HasSubstr("; in layer 1 the mask removes 50 % [40, 60] of it. "));
  EXPECT_EQ(report.findings[0].back(), '.');
  EXPECT_THAT(report.findings[0], HasSubstr("4.00 logits [4.00, 4.00]: 2.50 by other values alone, -0.25 by other probabilities "
                                            "alone, 1.75 by both together"));
  EXPECT_THAT(report.findings[0], HasSubstr("attention and MLPs add -2.00 and 1.00 (unedited), 3.00 and 1.00 (edited) and"));
  auto const text = to_text(analysis_document(study, report));
  EXPECT_THAT(text, HasSubstr("Drift of attention to the subject's last token (split heldout, n 30/30)\n"));
  EXPECT_THAT(text, HasSubstr("What of it reaches the last token comes mostly through attention of later\nlayers"));
  EXPECT_THAT(text, HasSubstr("The direct part, of the changed MLP there, is\nseen in the maps at 'last'"));
  auto const cells = analysis_cells(study, report);
  EXPECT_GT(cells.rows(), 50U);
  EXPECT_EQ(cells.values<std::string>("status").front(), "COMPLETE");
  study.attributes["status"] = "PARTIAL";
  EXPECT_THAT(make_analysis(study).findings[0], HasSubstr("(so far (PARTIAL: 13 of 14 tasks)) On"));
}

TEST(AnalysisReports, WithoutATableOrAMask) {
  auto study = AnalysedStudy().file();
  study.tables.erase("attention");
  EXPECT_THAT(make_analysis(study).findings[0], Not(HasSubstr("attends")));
  study = AnalysedStudy().file();
  for (auto& [name, column] : study.tables["analyses"].columns) std::visit([](auto& values) { values.resize(2); }, column);
  auto const report = make_analysis(study);
  EXPECT_EQ(table_of(report, "drift of attention to the subject's last token").columns, Texts{"edited"});
  EXPECT_THAT(report.findings[0], Not(HasSubstr("mask")));
  study.tables["analyses"].columns.front().first = "sort";
  EXPECT_THAT(complaint_of([&] { make_analysis(study); }), HasSubstr("kind"));
}

}  // namespace
}  // namespace onemask::test
