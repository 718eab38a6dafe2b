#include "report/example_study.hpp"
#include "support/complaint.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/table.hpp>

#include <algorithm>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using test::example_study;
using test::Integers;
using test::Texts;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string message_of(StudyFile const& study) {
  return test::complaint_of([&] { format_table(study); });
}

/// Without the breaks of lines.
std::string joined_lines(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

template <class T>
std::vector<T>& column(StudyFile& study, std::string const& table, std::string const& name) {
  auto& columns = study.tables.at(table).columns;
  auto const found = std::find_if(columns.begin(), columns.end(), [&](auto const& c) { return c.first == name; });
  return std::get<std::vector<T>>(found->second);
}

TEST(Table, ShowsEveryKindOfModelAndSaysWhatIsMissing) {
  EXPECT_EQ(format_table(example_study()), R"(PARTIAL: 13 of 14 tasks

Split heldout
model                      zeros %  RSR %   95 % interval  n/planned  paraphrases RSR %     KL  top-1 changed %
unedited                       0.0  100.0  [100.0, 100.0]      20/20        97.5 (n 19)  0.000              0.0
edited                         0.0    5.0     [0.0, 15.0]      20/20                  -  8.125             95.0
edited + mask (mean of 2)     15.0   75.0    [55.0, 90.0]      10/20               70.0  0.500                -
edited + random               20.0   10.0     [0.0, 25.0]      20/20                  -      -                -
unedited + mask                  -      -               -          -                  -      -                -

So far (PARTIAL: 13 of 14 tasks), a mask with 15.0 % zeros (mean of 2) restores 75 % [55, 90] of 10 of the 20 held-out facts,
more than the baseline (random, 10 % [0, 25]) and more than no mask (5 % [0, 15]).

Split heldout has 20 facts: with so few, intervals are wide and tests find only large differences.

zeros: share of the edited matrix that is set to zero. The baselines have as many zeros as the mask. random: at random
positions; magnitude: at the largest weights; delta magnitude: at the entries that the training edits change most on average.
RSR: share of prompts after which the true object is likelier than the new one; mean over facts.
[low, high]: 95 % interval of that mean (percentile bootstrap over facts; Clopper and Pearson's where it is 0 or 100 %).
n/planned: facts in the mean, facts planned.
KL: KL(original || model) of the next token's distribution on rewrite prompts, in nats.
top-1 changed: share of rewrite prompts whose likeliest next token is not the original model's.
mean of k: mean over k models of the kind. Its interval is the mean of their lows and of their highs; n is the smallest.

stage   wall time  tasks  done before  ranks
edit       8.50 s     10            4      4
mask   1 min 20 s      2            0      4
)");
}

TEST(Table, SaysHowManyFactsTheModelKnows) {
  auto study = example_study();
  test::add_known(study);
  EXPECT_THAT(format_table(study), AllOf(HasSubstr("\nSplit heldout; known 500 of 1000 (two-way)\nmodel "),
                                         HasSubstr("\nknown k of n: facts that the unedited model knows, ")));
  test::add_known(study, true, 0.25);
  EXPECT_THAT(format_table(study, {.by_relation = true, .per_mask = false}),
              AllOf(HasSubstr("\nSplit heldout; known 500 of 1000 (two-way, margin 0.25, with paraphrases)\n"),
                    HasSubstr("\nSplit heldout, relation P30\n")));
}

TEST(Table, ListsRelationsAndMasksWhenAsked) {
  auto const text = format_table(example_study(), {.by_relation = true, .per_mask = true});
  EXPECT_THAT(text, HasSubstr(R"(
edited + mask (mean of 2)     15.0   75.0    [55.0, 90.0]      10/20               70.0  0.500                -
  mask.seed=0                 20.0   90.0   [70.0, 100.0]      20/20               80.0  0.250                -
  mask.seed=1                 10.0   60.0    [40.0, 80.0]      10/20               60.0  0.750                -
)"));
  EXPECT_THAT(text, HasSubstr(R"(
Split heldout, relation P30
model                           zeros %  RSR %   95 % interval  n/planned  paraphrases RSR %  KL  top-1 changed %
unedited                            0.0  100.0  [100.0, 100.0]      10/10                  -   -                -
edited                                -      -               -          -                  -   -                -
edited + mask (mean of 1 of 2)     20.0   80.0   [50.0, 100.0]      10/10                  -   -                -
  mask.seed=0                      20.0   80.0   [50.0, 100.0]      10/10                  -   -                -
  mask.seed=1                         -      -               -          -                  -   -                -
)"));
  EXPECT_THAT(format_table(example_study(), {.per_mask = true}), Not(HasSubstr("P30")));
}

/// One more row of the summary, of 20 facts.
void add_summary(StudyFile& study, char const* condition, char const* prompts, char const* metric, double mean, double low,
                 double high) {
  for (auto const& [name, value] : {std::pair("condition", condition), std::pair("split", "heldout"),
                                    std::pair("relation", "all"), std::pair("prompts", prompts), std::pair("metric", metric)}) {
    column<std::string>(study, "summary", name).push_back(value);
  }
  for (auto const& [name, value] : {std::pair("mean", mean), std::pair("low", low), std::pair("high", high)})
    column<double>(study, "summary", name).push_back(value);
  column<std::int64_t>(study, "summary", "n").push_back(20);
  column<std::int64_t>(study, "summary", "planned").push_back(20);
}

TEST(Table, VariantsOfAKindAreNeverAveraged) {
  test::StudyMaker maker;
  Texts variants;
  auto const add = [&](std::string const& name, std::string const& kind, std::string const& variant, double rsr) {
    maker.condition(name, kind);
    variants.push_back(variant);
    maker.rsr(name, "heldout", rsr, rsr - 0.1, rsr + 0.1, 20);
    maker.row(name, "heldout", "rewrite", "kl", 1 - rsr, 0, 1, 20, 20);
    maker.row(name, "heldout", "rewrite", "top1_changed", 1 - rsr, 0, 1, 20, 20);
  };
  add("edited", "edited", "", 0.1);
  add("mask", "mask", "", 0.6);
  add("cover delta (mask)", "mask", "cover delta", 0.5);
  add("random (mask)", "random", "", 0.2);
  add("random, cover delta (mask)", "random", "cover delta", 0.3);
  add("few", "pruned", "magnitude per fact, zeros 0.05", 0.8);
  add("k1", "bottom_rank", "bottom rank, k 1", 0.7);
  add("k2", "bottom_rank", "bottom rank, k 2", 0.9);
  auto study = maker.file();
  study.tables["conditions"].columns.emplace_back("variant", variants);
  auto const text = format_table(study);
  std::vector<std::pair<std::string, std::string>> const lines{{"edited + mask", "60.0"},
                                                               {"edited + mask, cover delta", "50.0"},
                                                               {"edited + random, cover delta", "30.0"},
                                                               {"edited + magnitude per fact, zeros 0.05", "80.0"},
                                                               {"edited + bottom rank, k 2", "90.0"}};
  for (auto const& [label, rsr] : lines)
    EXPECT_THAT(text, HasSubstr("\n" + label + std::string(45 - label.size(), ' ') + "0.0   " + rsr));
  EXPECT_THAT(text, Not(HasSubstr("mean of")));
  EXPECT_THAT(text, HasSubstr("per fact, bottom rank, shrink: made from each fact's own edited matrix"));
  EXPECT_THAT(format_table(example_study()), Not(HasSubstr("bottom rank")));
  auto const said = joined_lines(text);
  EXPECT_THAT(said, HasSubstr("One mask with 0.0 % zeros restores 60 % [50, 70] of the 20 held-out facts, more than the baseline "
                              "(random, 20 % [10, 30])"));
  EXPECT_THAT(said, HasSubstr("With cover delta, one mask with 0.0 % zeros restores 50 % [40, 60] of the 20 held-out facts, not "
                              "clearly more than the baseline (random, 30 % [20, 40])"));
  EXPECT_THAT(said, HasSubstr("chosen on the same facts, the model prefers the true object for 90 % [80, 100] of the 20 held-out "
                              "facts (bottom rank, k 2; the likeliest token stays for 90 %; KL 0.100)"));
}

TEST(Table, ShowsTheQualityOfEditsWhereTheNeighborhoodIsScored) {
  EXPECT_THAT(format_table(example_study()), Not(HasSubstr("quality")));
  auto study = example_study();
  for (auto& [name, values] : study.tables.at("conditions").columns) {
    // The unedited model, the edited one and two masks.
    std::visit([](auto& some) { some.resize(4); }, values);
  }
  add_summary(study, "original", "rewrite", "success", 0.005, 0, 0.01);
  add_summary(study, "original", "rewrite", "magnitude", -0.981, -0.99, -0.9712);
  add_summary(study, "original", "neighborhood", "success", 0.75, 0.7, 0.8);
  add_summary(study, "edited", "rewrite", "success", 1, 1, 1);
  add_summary(study, "edited", "rewrite", "magnitude", 0.9, 0.88, 0.92);
  add_summary(study, "edited", "paraphrase", "success", 0.5, 0.4, 0.6);
  add_summary(study, "edited", "paraphrase", "magnitude", 0.123, 0.1, 0.2);
  add_summary(study, "edited", "neighborhood", "success", 0.25, 0.2, 0.3);
  add_summary(study, "edited", "neighborhood", "magnitude", -0.01, -0.02, 0);
  add_summary(study, "edited", "all", "score", 3.0 / 7, 0.4, 0.45);
  add_summary(study, "m0", "neighborhood", "success", 0.5, 0.4, 0.6);
  add_summary(study, "m1", "neighborhood", "success", 0.7, 0.5, 0.9);
  EXPECT_THAT(format_table(study), HasSubstr(R"(
editing quality          success %   95 % interval  magnitude %   95 % interval  n/planned
unedited
  rewrite (ES, EM)             0.5      [0.0, 1.0]        -98.1  [-99.0, -97.1]      20/20
  paraphrase (PS, PM)            -               -            -               -          -
  neighborhood (NS, NM)       75.0    [70.0, 80.0]            -               -      20/20
  score                          -               -                                       -
edited
  rewrite (ES, EM)           100.0  [100.0, 100.0]         90.0    [88.0, 92.0]      20/20
  paraphrase (PS, PM)         50.0    [40.0, 60.0]         12.3    [10.0, 20.0]      20/20
  neighborhood (NS, NM)       25.0    [20.0, 30.0]         -1.0     [-2.0, 0.0]      20/20
  score                       42.9    [40.0, 45.0]                                   20/20
edited + mask (mean of 2)
  rewrite (ES, EM)               -               -            -               -          -
  paraphrase (PS, PM)            -               -            -               -          -
  neighborhood (NS, NM)       60.0    [45.0, 75.0]            -               -      20/20
  score                          -               -                                       -
)"));
  EXPECT_THAT(format_table(study), HasSubstr("harmonic mean of the three successes"));
  EXPECT_THAT(format_table(study, {.per_mask = true}), HasSubstr(R"(
  mask.seed=1
    rewrite (ES, EM)               -               -            -               -          -
    paraphrase (PS, PM)            -               -            -               -          -
    neighborhood (NS, NM)       70.0    [50.0, 90.0]            -               -      20/20
    score                          -               -                                       -
)"));
  // A relation whose neighborhood is not scored has none.
  auto const relations = format_table(study, {.by_relation = true});
  auto const first = relations.find("editing quality  ");
  EXPECT_EQ(relations.find("editing quality  ", first + 1), std::string::npos);
}

TEST(Table, OfACompleteStudyIsNotCalledPartial) {
  auto study = example_study();
  study.attributes["status"] = "COMPLETE";
  study.attributes["tasks_done"] = "14";
  auto const text = format_table(study);
  EXPECT_TRUE(text.starts_with("COMPLETE: 14 tasks\n"));
  EXPECT_THAT(text, Not(HasSubstr("PARTIAL")));
}

TEST(Table, SaysThatNothingIsScoredYet) {
  auto study = example_study();
  for (auto& [name, values] : study.tables.at("summary").columns) std::visit([](auto& some) { some.clear(); }, values);
  study.tables.erase("provenance/stages");
  EXPECT_EQ(format_table(study), "PARTIAL: 13 of 14 tasks\n\nNothing is scored yet.\n");
}

TEST(Table, SaysWhereTheObjectsComeFromSeveralKindsOfMachines) {
  auto study = example_study();
  auto& table = study.tables["provenance/objects"];
  table = {{{"made_by", Texts{"LibTorch 2.11.0 on one, AVX2"}}, {"objects", Integers{20}}}};
  EXPECT_THAT(format_table(study), Not(HasSubstr("kinds of machines")));

  table = {{{"made_by", Texts{"", "LibTorch 2.11.0 on one, AVX2"}}, {"objects", Integers{1, 20}}}};
  EXPECT_THAT(joined_lines(format_table(study)), HasSubstr("may come from several kinds of machines"));
  EXPECT_THAT(joined_lines(format_table(study)),
              HasSubstr("machines: 20 from LibTorch 2.11.0 on one, AVX2; 1 of unknown origin."));

  table = {
      {{"made_by", Texts{"", "LibTorch 2.11.0 on one, AVX2", "LibTorch 2.12.0 on another"}}, {"objects", Integers{2, 20, 3}}}};
  EXPECT_THAT(
      joined_lines(format_table(study)),
      HasSubstr("The objects of this study come from several kinds of machines: 20 from LibTorch 2.11.0 on one, AVX2; 3 from "
                "LibTorch 2.12.0 on another; 2 of unknown origin. A run on one kind alone may differ in its last digits."));

  column<std::int64_t>(study, "provenance/objects", "objects").pop_back();
  EXPECT_THAT(message_of(study), HasSubstr("column 'objects' has 2 values"));
}

TEST(Table, NeedsNoStages) {
  auto study = example_study();
  study.tables.erase("provenance/stages");
  EXPECT_THAT(format_table(study), Not(HasSubstr("wall time")));
}

TEST(Table, FitsIn130ColumnsAlsoWithLongPoints) {
  auto study = example_study();
  std::string const point = "mask.seed=1 mask.learning_rate=0.0031622776601683794 edit.v_lr=0.5 edit.layer=5";
  column<std::string>(study, "conditions", "point")[3] = point;
  std::istringstream text(format_table(study, {.per_mask = true}));
  bool alone = false;
  for (std::string line; std::getline(text, line);) {
    EXPECT_LE(line.size(), 130u) << line;
    alone = alone || line == "  " + point;
  }
  EXPECT_TRUE(alone);
}

TEST(Table, AlignsByCharactersNotBytes) {
  auto study = example_study();
  column<std::string>(study, "conditions", "point")[2] = "mask.seed=ø";
  auto const text = format_table(study, {.per_mask = true});
  auto const with_two_bytes = text.find("  mask.seed=ø"), plain = text.find("  mask.seed=1");
  ASSERT_NE(with_two_bytes, std::string::npos);
  auto const length = [&](std::size_t start) { return text.find('\n', start) - start; };
  EXPECT_EQ(length(with_two_bytes), length(plain) + 1);
}

TEST(Table, NamesWhatAFileLacks) {
  auto study = example_study();
  study.attributes.erase("tasks_done");
  EXPECT_THAT(message_of(study), HasSubstr("no attribute 'tasks_done'"));

  study = example_study();
  study.attributes["status"] = "DONE";
  EXPECT_THAT(message_of(study), HasSubstr("'DONE'"));

  study = example_study();
  study.tables.erase("summary");
  EXPECT_THAT(message_of(study), HasSubstr("no table 'summary'"));

  study = example_study();
  column<std::string>(study, "conditions", "kind")[1] = "distilled";
  EXPECT_THAT(message_of(study), HasSubstr("'edited' is of kind 'distilled'"));

  study = example_study();
  column<double>(study, "summary", "low").pop_back();
  EXPECT_THAT(message_of(study), HasSubstr("column 'low' has 15 values"));

  study = example_study();
  study.tables.at("summary").columns.pop_back();
  EXPECT_THAT(message_of(study), HasSubstr("'planned'"));

  study = example_study();
  column<double>(study, "provenance/stages", "seconds").clear();
  EXPECT_THAT(message_of(study), HasSubstr("column 'seconds' has 0 values"));
}

TEST(Table, AsMarkdown) {
  auto const text = to_markdown(make_document(example_study(), {.per_mask = true}));
  EXPECT_THAT(text, HasSubstr(R"(PARTIAL: 13 of 14 tasks

### Split heldout

| model | zeros % | RSR % | 95 % interval | n/planned | paraphrases RSR % | KL | top-1 changed % |
|---|---:|---:|---:|---:|---:|---:|---:|
| unedited | 0.0 | 100.0 | [100.0, 100.0] | 20/20 | 97.5 (n 19) | 0.000 | 0.0 |
)"));
  EXPECT_THAT(text, HasSubstr("| &emsp;mask.seed=0 | "));
  EXPECT_THAT(text, HasSubstr("KL(original \\|\\| model)"));
}

TEST(Table, AsLatex) {
  auto const text = to_latex(make_document(example_study(), {.per_mask = true}));
  EXPECT_THAT(text, HasSubstr(R"(\begin{table}
\caption{Split heldout}
\begin{tabular}{lrrrrrrr}
\toprule
model & zeros \% & RSR \% & 95 \% interval & n/planned & paraphrases RSR \% & KL & top-1 changed \% \\
\midrule
unedited & 0.0 & 100.0 & [100.0, 100.0] & 20/20 & 97.5 (n 19) & 0.000 & 0.0 \\
)"));
  EXPECT_THAT(text, HasSubstr("\\quad mask.seed=0 & "));
  EXPECT_THAT(text, HasSubstr("KL(original \\textbar{}\\textbar{} model)"));
}

TEST(Document, CharactersThatMeanSomethingElsewhereAreEscaped) {
  TextTable table;
  table.add({"a|b_c", "x"});
  table.add({"  on its own & <more>"});
  table.add({"d", "1"});
  Document const document{"all\n", {{"50 % #1 {x}", table, "~ ^ $ \\ `*\n"}}};
  EXPECT_EQ(to_markdown(document), R"(all

### 50 % #1 {x}

| a\|b\_c | x |
|---|---:|
| &emsp;on its own & \<more\> |  |
| d | 1 |

~ ^ $ \\ \`\*
)");
  EXPECT_EQ(to_latex(document), R"(% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs}.
all

\begin{table}
\caption{50 \% \#1 \{x\}}
\begin{tabular}{lr}
\toprule
a\textbar{}b\_c & x \\
\midrule
\multicolumn{2}{l}{\quad on its own \& \textless{}more\textgreater{}} \\
d & 1 \\
\bottomrule
\end{tabular}
\end{table}
\textasciitilde{} \textasciicircum{} \$ \textbackslash{} `*
)");
}

}  // namespace
}  // namespace onemask
