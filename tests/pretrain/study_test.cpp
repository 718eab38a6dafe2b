#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/pretrain/study.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char const* study_text = R"(name: tiny
model: {family: gpt2, layers: 2, hidden: 16, heads: 2}
tokenizer: {vocabulary: 300}
corpus: {statements: s.jsonl, text: [t.txt]}
training: {steps: 5, row_tokens: 32}
)";

class PretrainStudyTest : public testing::Test {
 protected:
  PretrainStudy read(std::vector<std::string> const& settings = {}, std::string const& text = study_text) const {
    write_file_atomically(folder_ / "study.yaml", text);
    return read_pretrain_study(folder_ / "study.yaml", settings);
  }
  std::string complaint(std::vector<std::string> const& settings, std::string const& text = study_text) const {
    return complaint_of([&] { read(settings, text); });
  }

  TemporaryFolder folder_;
};

TEST_F(PretrainStudyTest, Defaults) {
  auto const study = read();
  EXPECT_EQ(study.name, "tiny");
  EXPECT_EQ(study.model.inner, 64);
  EXPECT_EQ(study.model.positions, 256);
  EXPECT_EQ(study.model.activation, "gelu_new");
  EXPECT_EQ(study.model.vocabulary, 0);
  EXPECT_EQ(study.tokenizer_size, 300);
  EXPECT_FALSE(study.tokenizer || study.perplexity);
  EXPECT_THAT(study.corpus.statements, ElementsAre(folder_ / "s.jsonl"));
  EXPECT_THAT(study.corpus.text, ElementsAre(folder_ / "t.txt"));
  EXPECT_THAT(study.recall, IsEmpty());
  EXPECT_EQ(study.training.rows, TrainingOptions().rows);
}

TEST_F(PretrainStudyTest, EverySettingIsRead) {
  auto const study = read({"seed=9",
                           "model={family: llama, layers: 3, hidden: 24, heads: 6, kv_heads: 2, inner: 50, positions: 40}",
                           "tokenizer={folder: tok}",
                           "corpus.text_share=0.5",
                           "training.warmup=2",
                           "training.rows=6",
                           "training.micro_rows=2",
                           "training.muon_lr=0.01",
                           "training.adam_lr=0.003",
                           "training.schedule=linear",
                           "training.min_lr_ratio=0.2",
                           "training.object_weight=4",
                           "training.other_share=0.5",
                           "training.prefix_share=0.1",
                           "training.period_share=0.2",
                           "training.precision=float32",
                           "training.dtype=bfloat16",
                           "training.checkpoint_every=7",
                           "training.recall_every=8",
                           "recall.known={files: [r.json], heldout_paraphrases: 1, limit: 4}",
                           "perplexity.text=held.txt"});
  EXPECT_EQ(study.seed, 9U);
  EXPECT_EQ(study.model.family, "llama");
  EXPECT_EQ(study.model.kv_heads, 2);
  EXPECT_EQ(study.model.head_dim, 4);
  EXPECT_EQ(study.model.inner, 50);
  EXPECT_EQ(study.model.positions, 40);
  EXPECT_EQ(study.tokenizer, folder_ / "tok");
  EXPECT_FALSE(study.tokenizer_size);
  EXPECT_EQ(study.corpus.text_share, 0.5);
  auto const& t = study.training;
  EXPECT_EQ(std::tie(t.steps, t.warmup, t.rows, t.row_tokens, t.micro_rows, t.checkpoint_every, t.recall_every),
            std::tuple(5, 2, 6, 32, 2, 7, 8));
  EXPECT_EQ(std::tie(t.muon_lr, t.adam_lr, t.min_lr_ratio, t.object_weight), std::tuple(0.01, 0.003, 0.2, 4.0));
  EXPECT_EQ(std::tie(t.other_share, t.prefix_share, t.period_share), std::tuple(0.5, 0.1, 0.2));
  EXPECT_EQ(std::tie(t.schedule, t.precision, t.dtype), std::tuple("linear", "float32", "bfloat16"));
  ASSERT_EQ(study.recall.size(), 1U);
  EXPECT_EQ(study.recall[0].name, "known");
  EXPECT_EQ(study.recall[0].heldout_paraphrases, 1U);
  EXPECT_EQ(study.recall[0].limit, 4U);
  EXPECT_EQ(study.perplexity, folder_ / "held.txt");
}

TEST_F(PretrainStudyTest, WhatDecidesTheWeightsIsInTheSettings) {
  auto const settings = read().settings;
  EXPECT_EQ(read({"training.checkpoint_every=3", "training.recall_every=3", "name=other"}).settings, settings);
  for (auto const* key : {"seed=1",
                          "model.layers=3",
                          "model.hidden=32",
                          "model.heads=4",
                          "model.inner=60",
                          "model.positions=99",
                          "model.family=llama",
                          "corpus.text_share=0.1",
                          "training.steps=6",
                          "training.warmup=1",
                          "training.rows=5",
                          "training.row_tokens=33",
                          "training.micro_rows=1",
                          "training.muon_lr=0.1",
                          "training.adam_lr=0.1",
                          "training.schedule=linear",
                          "training.min_lr_ratio=0.3",
                          "training.object_weight=2",
                          "training.other_share=1",
                          "training.prefix_share=0",
                          "training.period_share=0",
                          "training.precision=float32",
                          "training.dtype=float32"}) {
    EXPECT_NE(read({key}).settings, settings) << key;
  }
}

TEST_F(PretrainStudyTest, UnknownKeysAreRefusedWithTheNearest) {
  for (auto const& [key, nearest] : {std::pair{"training.step=3", "'steps'"},
                                     {"model.layer=3", "'layers'"},
                                     {"corpus.texts=a", "'text'"},
                                     {"tokenizer.vocabulry=1", "'vocabulary'"},
                                     {"recal.a=1", "'recall'"},
                                     {"recall.a={files: f, limt: 1}", "'limit'"},
                                     {"perplexity.txt=a", "'text'"}}) {
    EXPECT_THAT(complaint({key}), AllOf(HasSubstr("study.yaml"), HasSubstr("Did you mean"), HasSubstr(nearest))) << key;
  }
}

TEST_F(PretrainStudyTest, NumbersOutOfRangeAreRefused) {
  for (auto const* setting : {"model.layers=0",
                              "model.hidden=-16",
                              "model.heads=3",
                              "model.heads=99999999",
                              "model.inner=0",
                              "model.positions=1",
                              "model.family=gptj",
                              "tokenizer.vocabulary=256",
                              "corpus.text_share=1",
                              "corpus.text_share=-0.1",
                              "corpus.text_share=.nan",
                              "training.steps=0",
                              "training.steps=2.5",
                              "training.steps=99999999999",
                              "training.warmup=-1",
                              "training.rows=0",
                              "training.rows=100000",
                              "training.row_tokens=1",
                              "training.row_tokens=257",
                              "training.micro_rows=0",
                              "training.muon_lr=0",
                              "training.adam_lr=-1",
                              "training.adam_lr=.inf",
                              "training.adam_lr=fast",
                              "training.schedule=constant",
                              "training.min_lr_ratio=1.5",
                              "training.object_weight=0",
                              "training.other_share=2",
                              "training.precision=float16",
                              "training.dtype=int8",
                              "training.checkpoint_every=0",
                              "training.recall_every=0"}) {
    std::string const key = std::string(setting).substr(0, std::string(setting).find('='));
    EXPECT_THAT(complaint({setting}), AllOf(HasSubstr("study.yaml"), HasSubstr("'" + key + "'"))) << setting;
  }
  EXPECT_THAT(complaint({"model={family: llama, layers: 1, hidden: 16, heads: 4, kv_heads: 3}"}), HasSubstr("kv_heads"));
  EXPECT_THAT(complaint({"model={family: llama, layers: 1, hidden: 12, heads: 4}"}), HasSubstr("even"));
}

TEST_F(PretrainStudyTest, WhatIsMissingIsNamed) {
  for (auto const& [line, key] : {std::pair{"corpus:", "'corpus'"},
                                  {"tokenizer:", "'tokenizer'"},
                                  {"training:", "'training'"},
                                  {"model:", "'model'"},
                                  {"name:", "'name'"}}) {
    std::string text = study_text;
    auto const begin = text.find(line);
    text.erase(begin, text.find('\n', begin) + 1 - begin);
    EXPECT_THAT(complaint({}, text), AllOf(HasSubstr(key), HasSubstr("is missing"))) << line;
  }
  EXPECT_THAT(complaint({"corpus={text: t.txt}"}), HasSubstr("'corpus.statements' is missing"));
  EXPECT_THAT(complaint({"corpus.statements=none-*.jsonl"}), HasSubstr("none-*.jsonl"));
  EXPECT_THAT(complaint({"corpus.statements={a: b}"}), HasSubstr("must be a file name or a list"));
  EXPECT_THAT(complaint({"recall.known={limit: 3}"}), HasSubstr("'recall.known.files' is missing"));
  EXPECT_THAT(complaint({"training={rows: 3}"}), HasSubstr("'training.steps'"));
  EXPECT_THAT(complaint({"model={layers: 3}"}), HasSubstr("'model.family' is missing"));
  EXPECT_THAT(complaint({"tokenizer={}"}), HasSubstr("'tokenizer'"));
  EXPECT_THAT(complaint({"tokenizer={folder: a, vocabulary: 300}"}), HasSubstr("'tokenizer'"));
  EXPECT_THAT(complaint({"corpus={statements: s.jsonl}"}), HasSubstr("'training.prefix_share' must be 0"));
  EXPECT_EQ(complaint({"corpus={statements: s.jsonl}", "training.prefix_share=0"}), "");
}

TEST_F(PretrainStudyTest, AFileThatIsNoStudyIsRefused) {
  for (auto const* text : {"", "[1, 2]", "name: [", "name: x\nmodel: 3\n", "name: {a: b}\n"}) {
    EXPECT_THAT(complaint({}, text), HasSubstr("study.yaml")) << text;
  }
  EXPECT_THROW(read_pretrain_study(folder_ / "none.yaml", {}), UserError);
  EXPECT_NE(complaint({"steps"}), "");
  EXPECT_NE(complaint({"name.x=3"}), "");
}

}  // namespace
}  // namespace onemask::test
