#include "report/example_study.hpp"
#include "report/finding.hpp"
#include "support/complaint.hpp"
#include <onemask/report/export.hpp>
#include <onemask/report/table.hpp>
#include <onemask/report/tracing.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Of 20 facts, traced in a model of three layers, the first `traced`. P is 0.5 clean and 0.1 corrupted; `effect` gives what
/// restoring adds.
template <typename Effect>
StudyFile traced_study(std::int64_t traced, Effect const& effect) {
  auto const none = std::numeric_limits<double>::quiet_NaN();
  Integers facts, fact, kinds, places, layers;
  Numbers clean, corrupted, probability;
  for (std::int64_t f = 0; f < 20; ++f) {
    facts.push_back(f);
    clean.push_back(f < traced ? 0.5 : none), corrupted.push_back(f < traced ? 0.1 : none);
    for (std::int64_t kind = 0; f < traced && kind < 3; ++kind) {
      for (std::int64_t place = 0; place < 6; ++place) {
        for (std::int64_t layer = 0; layer < 3; ++layer) {
          auto const value = effect(f, static_cast<TraceKind>(kind), static_cast<TracePlace>(place), layer);
          if (std::isnan(value)) continue;
          fact.push_back(f), kinds.push_back(kind), places.push_back(place), layers.push_back(layer);
          probability.push_back(0.1 + value);
        }
      }
    }
  }
  auto study = StudyMaker().file();
  study.attributes["tracing_window"] = "10";
  study.attributes["tracing_noise"] = "3";
  study.tables["facts"] = {{{"split", Texts(20, "heldout")}, {"relation", Texts(20, "P1")}}};
  study.tables["tracing_facts"] = {{{"fact", facts},
                                    {"clean", clean},
                                    {"corrupted", corrupted},
                                    {"object_clean", clean},
                                    {"object_corrupted", corrupted},
                                    {"noise", Numbers(20, 0.25)}}};
  study.tables["tracing"] = {
      {{"fact", fact}, {"kind", kinds}, {"place", places}, {"layer", layers}, {"probability", probability}}};
  return study;
}

/// MLPs at the subject's last token are of use in layer 1, attention at the last token in layer 2; only half of the subjects have
/// tokens in the middle.
double usual_effect(std::int64_t fact, TraceKind kind, TracePlace place, std::int64_t layer) {
  if (place == TracePlace::subject_middle && fact % 2 == 1) return std::numeric_limits<double>::quiet_NaN();
  if (kind == TraceKind::mlp && place == TracePlace::subject_last) return layer == 1 ? 0.2 : 0.05;
  if (kind == TraceKind::attention && place == TracePlace::last_token) return layer == 2 ? 0.3 : 0.1;
  if (kind == TraceKind::state && place == TracePlace::subject_last)
    return fact < 10 ? (layer == 0 ? 0.4 : 0) : (layer == 1 ? 0.3 : 0);
  return -0.01;
}

TEST(TracingReports, EffectsAreMeansOverFacts) {
  TracingReport const report(traced_study(20, usual_effect));
  EXPECT_EQ(report.layers(), 3);
  EXPECT_EQ(report.split(), "heldout");
  EXPECT_EQ(report.deviation(), 0.25);
  ASSERT_EQ(report.kinds().size(), 3U);
  auto const mlp = report.effect(report.kinds()[1], TracePlace::subject_last, 1);
  ASSERT_TRUE(mlp);
  EXPECT_NEAR(mlp->mean, 0.2, 1e-12);
  EXPECT_NEAR(mlp->low, 0.2, 1e-12);
  EXPECT_EQ(mlp->n, 20);
  auto const middle = report.effect(report.kinds()[1], TracePlace::subject_middle, 0);
  EXPECT_EQ(middle->n, 10);
  EXPECT_EQ(middle->planned, 20);
  // Half of the facts gain 0.4, half nothing.
  auto const state = report.effect(report.kinds()[0], TracePlace::subject_last, 0);
  EXPECT_NEAR(state->mean, 0.2, 1e-12);
  EXPECT_LT(state->low, 0.15);
  EXPECT_GT(state->high, 0.25);
  EXPECT_NEAR(report.clean()->mean, 0.5, 1e-12);
  EXPECT_NEAR(report.corrupted()->mean, 0.1, 1e-12);
}

TEST(TracingReports, ThePeakIsALayerWithAnInterval) {
  TracingReport const report(traced_study(20, usual_effect));
  auto const mlp = report.layer_to_edit();
  EXPECT_EQ(mlp.layer, 1);
  EXPECT_EQ(mlp.low, 1);
  EXPECT_EQ(mlp.high, 1);
  EXPECT_NEAR(mlp.effect.mean, 0.2, 1e-12);
  auto const state = report.peak(TraceKind::state, TracePlace::subject_last);
  EXPECT_EQ(state->layer, 0);  // 0.2 on average against 0.15
  EXPECT_EQ(state->low, 0);
  EXPECT_EQ(state->high, 1);  // many resamples have enough of the facts with the other layer
}

TEST(TracingReports, WordsSayWhereFactsAre) {
  auto const said = tracing_findings(traced_study(20, usual_effect));
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0],
            "Causal tracing of the 20 held-out facts: the first token of the true object has a probability of 50 % [50, 50], and "
            "of 10 % [10, 10] where noise (3 times the standard deviation of the subjects' embeddings) corrupts the subject. "
            "Restoring the MLPs of 10 layers at the subject's last token brings back most around layer 1 (layer 1 "
            "in 95 % of resamples): 20.0 points [20.0, 20.0]. Restoring the attention of 10 layers at the prompt's "
            "last token brings back most around layer 2 (layer 2 in 95 % of resamples): 30.0 points [30.0, 30.0]. Restoring the "
            "residual stream at the subject's last token brings back most behind layer 0 (layers 0 to 1 in 95 % of "
            "resamples): 20.0 points [12.0, 28.0].");  // of 20 facts 6 to 14 with 0.4: the middle 95 % of the binomial
}

TEST(TracingReports, APartialStudySaysSo) {
  auto study = traced_study(5, usual_effect);
  study.attributes["status"] = "PARTIAL";
  auto const said = tracing_findings(study);
  EXPECT_THAT(said[0], HasSubstr("Causal tracing of 5 of the 20 held-out facts: so far (PARTIAL"));
  EXPECT_EQ(TracingReport(study).layer_to_edit().effect.n, 5);
  EXPECT_THAT(to_text(tracing_document(study)), HasSubstr("5/20"));
  auto const nothing = traced_study(0, usual_effect);
  EXPECT_TRUE(tracing_findings(nothing).empty());
  EXPECT_THAT(to_text(tracing_document(nothing)), HasSubstr("No fact is traced yet."));
  EXPECT_THAT(complaint_of([&] { TracingReport(nothing).layer_to_edit(); }), HasSubstr("has traced no MLPs"));
}

TEST(TracingReports, EveryFormatHasIt) {
  auto const study = traced_study(20, usual_effect);
  auto const document = tracing_document(study);
  auto const text = to_text(document);
  EXPECT_THAT(text, HasSubstr("Restoring the MLPs of 10 layers around each layer [points]\n"));
  EXPECT_THAT(text, HasSubstr("20.0 [20.0, 20.0]"));
  EXPECT_THAT(text, HasSubstr("10/20"));
  for (auto const& block : document.blocks) {
    for (auto const& row : block.table.rows()) EXPECT_LE(row.size(), 7U);
  }
  EXPECT_THAT(to_markdown(document), HasSubstr("| 1 |"));
  EXPECT_THAT(to_latex(document), HasSubstr("\\toprule"));
  auto const csv = to_csv(tracing_table(study));
  EXPECT_THAT(csv, HasSubstr("status,kind,place,layer,mean,low,high,n,planned\nCOMPLETE,clean,,-1,0.5,0.5,0.5,20,20\n"));
  EXPECT_EQ(tracing_table(study).rows(), 2U + 3 * 6 * 3);
  EXPECT_THAT(format_table(study), HasSubstr("Causal tracing of the 20 held-out facts"));
  auto const picture = tracing_picture(study);
  EXPECT_THAT(picture, HasSubstr("subject last"));
  EXPECT_THAT(picture, AllOf(HasSubstr("fill-opacity=\"0.75\""), HasSubstr("20 points")));
  EXPECT_EQ(picture, tracing_picture(study));
}

TEST(TracingReports, WhatIsRefused) {
  EXPECT_THAT(complaint_of([] { TracingReport(StudyMaker().file()); }), HasSubstr("it has no table 'tracing'"));
  auto const spoilt = [](char const* column, std::int64_t value) {
    auto study = traced_study(20, usual_effect);
    for (auto& [name, values] : study.tables["tracing"].columns) {
      if (name == column) std::get<Integers>(values).front() = value;
    }
    return complaint_of([&] { TracingReport const report(study); });
  };
  EXPECT_THAT(spoilt("kind", 3), HasSubstr("the kind 3, which this version does not know"));
  EXPECT_THAT(spoilt("place", -1), HasSubstr("the place -1"));
  EXPECT_THAT(spoilt("fact", 20), HasSubstr("a row of no fact"));
}

}  // namespace
}  // namespace onemask::test
