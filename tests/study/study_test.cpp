#include "support/tiny_study.hpp"
#include <onemask/study/edit_files.hpp>
#include <onemask/study/keys.hpp>

#include <cmath>
#include <functional>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using StudyTest = StudyFolder;

std::vector<std::string> names(Study const& study) {
  std::vector<std::string> result;
  for (auto const& point : study.points) result.push_back(point.name);
  return result;
}

TEST_F(StudyTest, Defaults) {
  auto const study = read();
  EXPECT_EQ(study.name, "tiny");
  EXPECT_EQ(study.base, folder_.path());
  EXPECT_EQ(study.model.checkpoint, folder_ / "model");
  EXPECT_EQ(study.model.device, "auto");
  EXPECT_EQ(study.model.dtype, "float32");
  EXPECT_EQ(study.model.products, "float32");
  EXPECT_EQ(study.model.threads, 1);
  ASSERT_EQ(study.facts.size(), 2U);
  EXPECT_EQ(study.facts[0].split, "train");
  EXPECT_THAT(study.facts[0].files, ElementsAre("train.json"));
  EXPECT_EQ(study.facts[1].split, "heldout");
  EXPECT_FALSE(study.facts[0].limit);
  EXPECT_EQ(study.points.front().training.split, "train");
  EXPECT_THAT(study.training_splits(), ElementsAre("train"));
  EXPECT_EQ(study.ranks_per_mask, 0);
  EXPECT_FALSE(study.peer_compatible);
  EXPECT_THAT(study.evaluation.baselines, ElementsAre(Baseline{BaselineScore::random}, Baseline{BaselineScore::magnitude},
                                                      Baseline{BaselineScore::delta_magnitude}));
  EXPECT_THAT(study.evaluation.cover, ElementsAre(Cover::both));
  EXPECT_TRUE(study.evaluation.paraphrases && study.evaluation.masked_original);
  EXPECT_FALSE(study.evaluation.neighborhood);
  EXPECT_TRUE(read({{"evaluation.neighborhood=true"}, {}, {}}).evaluation.neighborhood);
  ASSERT_EQ(study.points.size(), 1U);
  auto const& point = study.points.front();
  EXPECT_EQ(point.name, "mask");
  EXPECT_EQ(point.mask_seed, 0U);
  MaskOptions defaults;
  defaults.layers = {1};
  EXPECT_EQ(describe(point.mask), describe(defaults));
  EXPECT_EQ(point.edit.hparams.layer(), 1);
  EXPECT_EQ(point.edit.hparams.method, EditMethod::rome);
  EXPECT_EQ(point.edit.batch, 16);
  EXPECT_TRUE(point.edit.templates.empty());
}

TEST_F(StudyTest, EveryMaskSettingIsRead) {
  auto const study = read({{"mask.epochs=7",
                            "mask.batch=8",
                            "mask.micro_batch=3",
                            "mask.learning_rate=0.25",
                            "mask.weight_decay=0.5",
                            "mask.max_gradient_norm=2",
                            "mask.init_mean=1.5",
                            "mask.init_deviation=0.2",
                            "mask.tau0=5",
                            "mask.tau_decay=2",
                            "mask.margin=4",
                            "mask.sparsity_target=0.3",
                            "mask.sparsity_weight0=1",
                            "mask.sparsity_weight1=2",
                            "mask.distillation_weight=0.7",
                            "mask.temperature0=1.25",
                            "mask.temperature1=2.25",
                            "mask.threshold=0.6",
                            "mask.validation_share=0.2",
                            "mask.checkpoint_every=9",
                            "mask.restoration=nll",
                            "mask.temperature_schedule=cosine",
                            "mask.seed=5",
                            "mask.ranks=2"},
                           {},
                           {}});
  auto const& mask = study.points.front().mask;
  EXPECT_EQ(mask.epochs, 7);
  EXPECT_EQ(mask.batch, 8);
  EXPECT_EQ(mask.micro_batch, 3);
  EXPECT_EQ(mask.learning_rate, 0.25);
  EXPECT_EQ(mask.weight_decay, 0.5);
  EXPECT_EQ(mask.max_gradient_norm, 2);
  EXPECT_EQ(mask.init_mean, 1.5);
  EXPECT_EQ(mask.init_deviation, 0.2);
  EXPECT_EQ(mask.tau0, 5);
  EXPECT_EQ(mask.tau_decay, 2);
  EXPECT_EQ(mask.margin, 4);
  EXPECT_EQ(mask.sparsity_target, 0.3);
  EXPECT_EQ(mask.sparsity_weight0, 1);
  EXPECT_EQ(mask.sparsity_weight1, 2);
  EXPECT_EQ(mask.distillation_weight, 0.7);
  EXPECT_EQ(mask.temperature0, 1.25);
  EXPECT_EQ(mask.temperature1, 2.25);
  EXPECT_EQ(mask.threshold, 0.6);
  EXPECT_EQ(mask.validation_share, 0.2);
  EXPECT_EQ(mask.checkpoint_every, 9);
  EXPECT_EQ(mask.restoration, Restoration::nll);
  EXPECT_EQ(mask.temperature_schedule, TemperatureSchedule::cosine);
  EXPECT_EQ(study.points.front().mask_seed, 5U);
  EXPECT_EQ(study.ranks_per_mask, 2);
}

TEST_F(StudyTest, OverridesReplaceAndCreateSections) {
  auto const study = read({{"name=other", "edit.v_lr=2", "edit.method=r-rome", "evaluation.baselines=[random]", "model.threads=3",
                            "facts.train.limit=4", "peer_compatible=true", "mask.ranks=auto"},
                           {},
                           {}});
  EXPECT_EQ(study.name, "other");
  EXPECT_EQ(study.points.front().edit.hparams.v_lr, 2);
  EXPECT_EQ(study.points.front().edit.hparams.method, EditMethod::r_rome);
  EXPECT_THAT(study.evaluation.baselines, ElementsAre(Baseline{BaselineScore::random}));
  EXPECT_EQ(study.model.threads, 3);
  EXPECT_EQ(study.facts[0].limit, 4U);
  EXPECT_TRUE(study.points.front().mask.leading_space);
  EXPECT_EQ(study.ranks_per_mask, 0);
}

TEST_F(StudyTest, OverridesThatAreNone) {
  for (auto const* text : {"", "=", "mask.epochs", "=3", "mask.epochs="}) {
    EXPECT_THAT(complaint({{text}, {}, {}}), HasSubstr("key=value")) << text;
    EXPECT_THAT(complaint({{}, {text}, {}}), HasSubstr("key=value")) << text;
  }
  EXPECT_THAT(complaint({{"name.sub=3"}, {}, {}}), HasSubstr("not a section"));
  EXPECT_THAT(complaint({{"mask.epochs=[1"}, {}, {}}), HasSubstr("YAML"));
  EXPECT_THAT(complaint({{"mask=5"}, {}, {}}), HasSubstr("mapping"));
  EXPECT_THAT(complaint({{"mask=none"}, {"mask.seed=0..1"}, {}}),
              HasSubstr("sweeps 'mask.seed', but trains no masks (mask: none). Remove one of the two."));
  EXPECT_THAT(complaint({{"mask.train_split=[train, heldout]"}, {}, {}}),
              HasSubstr("'mask.train_split' must be a text. To train masks on several splits, sweep mask.train_split."));
}

TEST_F(StudyTest, TwoSweptKeysGiveEveryPair) {
  auto const study = read({{}, {"edit.v_lr=0.5,1", "mask.seed=3..5"}, {}});
  EXPECT_THAT(names(study), ElementsAre("edit.v_lr=0.5 mask.seed=3", "edit.v_lr=0.5 mask.seed=4", "edit.v_lr=0.5 mask.seed=5",
                                        "edit.v_lr=1 mask.seed=3", "edit.v_lr=1 mask.seed=4", "edit.v_lr=1 mask.seed=5"));
  EXPECT_EQ(study.points[1].edit.hparams.v_lr, 0.5);
  EXPECT_EQ(study.points[1].mask_seed, 4U);
  EXPECT_EQ(study.points[5].edit.hparams.v_lr, 1);
  EXPECT_EQ(study.points[5].mask_seed, 5U);
}

TEST_F(StudyTest, SweepsOfTheFileAndOfTheCommandLine) {
  write_study(study_text + "sweep:\n  mask.seed: 0..1\n  mask.restoration: [margin, none]\n");
  EXPECT_THAT(names(read()), ElementsAre("mask.seed=0 mask.restoration=margin", "mask.seed=0 mask.restoration=none",
                                         "mask.seed=1 mask.restoration=margin", "mask.seed=1 mask.restoration=none"));
  EXPECT_THAT(names(read({{}, {"mask.seed=7"}, {}})),
              ElementsAre("mask.seed=7 mask.restoration=margin", "mask.seed=7 mask.restoration=none"));
}

TEST_F(StudyTest, KeysThatMoveTogether) {
  write_study(study_text + "sweep:\n  mask.seed: 0..1\n  'edit.v_lr, mask.learning_rate': [[0.5, 1], [0.1, 0.2]]\n");
  auto const study = read();
  EXPECT_THAT(names(study),
              ElementsAre("mask.seed=0 edit.v_lr=0.5 mask.learning_rate=0.1", "mask.seed=0 edit.v_lr=1 mask.learning_rate=0.2",
                          "mask.seed=1 edit.v_lr=0.5 mask.learning_rate=0.1", "mask.seed=1 edit.v_lr=1 mask.learning_rate=0.2"));
  EXPECT_EQ(study.points[1].edit.hparams.v_lr, 1);
  EXPECT_EQ(study.points[1].mask.learning_rate, 0.2);
  EXPECT_EQ(study.points[1].edits, "edit.v_lr=1");
  EXPECT_THAT(names(read({{}, {"edit.v_lr,mask.learning_rate=2..3;logspace(-2,-1,2)", "mask.seed=5"}, {}})),
              ElementsAre("mask.seed=5 edit.v_lr=2 mask.learning_rate=0.01", "mask.seed=5 edit.v_lr=3 mask.learning_rate=0.1"));
  // What a run resolved to can be read again.
  write_study(study.resolved);
  EXPECT_EQ(names(read()), names(study));

  EXPECT_THAT(complaint({{}, {"edit.v_lr,mask.epochs=1,2;3"}, {}}), HasSubstr("as many lists of the same length"));
  EXPECT_THAT(complaint({{}, {"edit.v_lr,mask.epochs=1,2"}, {}}), HasSubstr("2 keys together"));
  EXPECT_THAT(complaint({{}, {"edit.v_lr=1,2;3,4"}, {}}), Not(""));
  EXPECT_THAT(complaint({{}, {"edit.v_lr,mask.epochs=1,1;3,3"}, {}}), HasSubstr("must be different"));
  EXPECT_THAT(complaint({{}, {"mask.seed,mask.epochs=1,2;3,4"}, {}}), HasSubstr("sweeps 'mask.seed' twice"));
}

TEST_F(StudyTest, AListOfSharesIsSwept) {
  write_study(study_text + "mask: {zeros: [0.1, 0.05]}\nsweep:\n  mask.seed: 0..1\n");
  auto const study = read();
  EXPECT_THAT(names(study), ElementsAre("mask.seed=0 mask.zeros=0.1", "mask.seed=0 mask.zeros=0.05", "mask.seed=1 mask.zeros=0.1",
                                        "mask.seed=1 mask.zeros=0.05"));
  EXPECT_EQ(study.points[1].mask.zeros, 0.05);
  EXPECT_EQ(study.points[3].settings, "mask.zeros=0.05");
  EXPECT_THAT(names(read({{}, {"mask.zeros=0.3", "mask.seed=0"}, {}})), ElementsAre("mask.seed=0 mask.zeros=0.3"));
  EXPECT_EQ(read({{"mask.zeros=0.2"}, {}, {}}).points.size(), 2U);
  EXPECT_FALSE(read({{}, {}, {}, {}, false}).masks);
  EXPECT_THAT(complaint({{"mask.zeros=[0.1, 0.10]"}, {}, {}}), HasSubstr("must be different"));
  EXPECT_THAT(complaint({{"mask.zeros=[0.1, 0.2]"}, {"mask.zeros=0.3"}, {}}), HasSubstr("but the study sweeps it"));
  EXPECT_THAT(complaint({{"mask.zeros=[]"}, {}, {}}), HasSubstr("at least one"));
  EXPECT_THAT(complaint({{"mask.zeros=[0.1, 1]"}, {}, {}}), HasSubstr("'mask.zeros' must be between 0 and 1"));
  EXPECT_THAT(complaint({{"mask.threshold=0.7"}, {}, {}}), HasSubstr("'mask.threshold' is given together with 'zeros'"));
  // What a run resolved to, and what it prints with all defaults, can be read again.
  for (auto const& text : {study.resolved, with_defaults(study)}) {
    write_study(text);
    EXPECT_EQ(names(read()), names(study)) << text;
  }
}

TEST_F(StudyTest, AConsensusIsOfMasksOfOneSizeAndSeveralSeeds) {
  write_study(study_text + "  consensus: true\n");
  EXPECT_THAT(complaint({{}, {"mask.seed=0..1"}, {}}), HasSubstr("Set 'mask.zeros'"));
  EXPECT_THAT(complaint({{"mask.zeros=0.1"}, {}, {}}), HasSubstr("Sweep 'mask.seed'"));
  EXPECT_THAT(complaint({{"mask.zeros=0.1"}, {"mask.seed,mask.epochs=0,1;2,3"}, {}}), HasSubstr("Sweep 'mask.seed'"));
  EXPECT_THAT(complaint({{"mask=none"}, {}, {}}), HasSubstr("the study trains none"));
  EXPECT_EQ(complaint({{"mask.zeros=[0.1, 0.2]"}, {"mask.seed=0..1"}, {}}), "");
}

TEST_F(StudyTest, PointsSayWhatTheirEditsAndMasksDifferIn) {
  write_study(study_text + "sweep:\n  mask.seed: 0..1\n  edit.v_lr: [0.5, 1]\n  mask.layers: ['[1]', last]\n");
  auto const study = read();
  ASSERT_EQ(study.points.size(), 8U);
  EXPECT_EQ(study.points[2].name, "mask.seed=0 edit.v_lr=1 mask.layers=[1]");
  EXPECT_EQ(study.points[2].edits, "edit.v_lr=1");
  EXPECT_EQ(study.points[2].settings, "mask.layers=[1]");
  EXPECT_EQ(study.points[6].settings, "mask.layers=[1]");  // of the other seed
  EXPECT_EQ(read({{}, {"mask.seed=5", "edit.v_lr=2", "mask.layers=last"}, {}}).points.front().settings, "mask.layers=last");
}

TEST_F(StudyTest, ASweptListOfLayersIsOneName) {
  write_study(study_text + "moments: {text: corpus.txt}\nsweep:\n  edit.layers: ['[0, 1]', '[1]']\n  edit.method: [memit]\n");
  EXPECT_EQ(read().points.front().edits, "edit.layers=[0, 1] edit.method=memit");
}

TEST_F(StudyTest, ASweptKeyNeedsNoValueOfItsOwn) {
  auto text = study_text;
  text.erase(text.find("edit:\n"));
  write_study(text + "sweep:\n  edit.hparams: [rome.yaml, ./rome.yaml]\n");
  EXPECT_EQ(read().points.size(), 2U);
  EXPECT_EQ(read().points[1].edits, "edit.hparams=./rome.yaml");
}

TEST_F(StudyTest, MethodsThatMasksAreTrainedFor) {
  EXPECT_TRUE(read({{"mask.methods=[rome, memit]"}, {}, {}}).points.front().masked);
  EXPECT_THROW(read({{"mask.methods=[memit]"}, {}, {}}), UserError);  // the study edits by ROME alone
  write_study(study_text + "moments: {text: corpus.txt}\nsweep:\n  edit.method: [memit, rome]\n  mask.seed: 0..1\n");
  auto const study = read({{"mask.methods=[rome]"}, {}, {}});
  EXPECT_TRUE(study.masks);
  std::vector<bool> masked;
  for (auto const& point : study.points) masked.push_back(point.masked);
  EXPECT_THAT(masked, ElementsAre(false, false, true, true));
}

TEST_F(StudyTest, Perplexity) {
  EXPECT_TRUE(read().perplexity.text.empty());
  auto const perplexity =
      read({{"perplexity.text=[a.txt, b.txt]", "perplexity.tokens=500", "perplexity.segment=64", "perplexity.stride=32"}, {}, {}})
          .perplexity;
  EXPECT_THAT(perplexity.text, ElementsAre(folder_ / "a.txt", folder_ / "b.txt"));
  EXPECT_EQ(perplexity.tokens, 500);
  EXPECT_EQ(perplexity.segment, 64);
  EXPECT_EQ(perplexity.stride, 32);
  EXPECT_THAT(complaint({{"perplexity.tokens=5"}, {}, {}}), HasSubstr("'perplexity.text' is missing"));
  EXPECT_THAT(complaint({{"perplexity.texts=a"}, {}, {}}), HasSubstr("Did you mean 'text'?"));
  EXPECT_THAT(complaint({{"perplexity.text=a", "perplexity.stride=-1"}, {}, {}}), HasSubstr("perplexity.stride"));
}

TEST_F(StudyTest, PublishedFigures) {
  std::string const figure = "published.figures=[{split: train, model: mask, metric: rsr, value: 80, note: over}]";
  auto const published = read({{"published.source=A paper", figure}, {}, {}}).published;
  EXPECT_EQ(published.source, "A paper");
  ASSERT_EQ(published.figures.size(), 1U);
  EXPECT_EQ(published.figures[0].split, "train");
  EXPECT_EQ(published.figures[0].value, 80);
  EXPECT_EQ(published.figures[0].note, "over");
  EXPECT_THAT(complaint({{figure}, {}, {}}), HasSubstr("'published.source' is missing"));
  EXPECT_THAT(complaint({{"published.source=A paper"}, {}, {}}), HasSubstr("published.figures"));
  for (auto const& [from, to, said] : {std::tuple("train", "trian", "published.figures[0].split"),
                                       {"mask", "maks", "original_masked"},
                                       {"rsr", "rrs", "success"},
                                       {"80", ".nan", "finite"},
                                       {"80", "high", "must be a number"},
                                       {"note", "notes", "Did you mean 'note'?"},
                                       {"value: 80", "value: ", "value"}}) {
    auto text = figure;
    text.replace(text.find(from), std::string(from).size(), to);
    EXPECT_THAT(complaint({{"published.source=A paper", text}, {}, {}}), HasSubstr(said)) << text;
  }
}

TEST_F(StudyTest, SpacesInAListDoNotMatter) {
  write_study(study_text + "sweep:\n  mask.seed: 0, 1\n");
  EXPECT_THAT(names(read()), ElementsAre("mask.seed=0", "mask.seed=1"));
}

TEST_F(StudyTest, ListsInBracketsAreSwept) {
  EXPECT_THAT(names(read({{}, {"mask.seed=[0, 1]"}, {}})), ElementsAre("mask.seed=0", "mask.seed=1"));
  write_study(study_text + "moments: {text: corpus.txt}\n");
  EXPECT_THAT(names(read({{"edit.method=memit", "mask.layers=last"}, {"edit.layers=[[0, 1], [1]]"}, {}})),
              ElementsAre("edit.layers=[0, 1] mask", "edit.layers=[1] mask"));
  EXPECT_THAT(complaint({{}, {"mask.seed=[0, 1"}, {}}), AllOf(HasSubstr("--sweep mask.seed"), Not(HasSubstr("yaml-cpp"))));
}

TEST_F(StudyTest, FormsOfOtherProgramsAreRefusedWithTheRightOne) {
  for (auto const* list : {"range(0,3)", "choice(0,1)", "linspace(0,1,5)", "shuffle(range(3))"})
    EXPECT_THAT(complaint({{}, {std::string("mask.seed=") + list}, {}}), AllOf(HasSubstr(list), HasSubstr("0..2"))) << list;
  EXPECT_THAT(complaint({{"mask.seed=0,1,2"}, {}, {}}),
              AllOf(HasSubstr("'mask.seed' must be a whole number from 0"), HasSubstr("--sweep")));
  EXPECT_THAT(complaint({{"mask.learning_rate=0,05"}, {}, {}}), HasSubstr("decimals have a point"));
  EXPECT_THAT(complaint({{"mask.seed=-1"}, {}, {}}), HasSubstr("from 0, but is '-1'"));
  EXPECT_THAT(complaint({{"mask.seed=[1"}, {}, {}}), AllOf(HasSubstr("line 1"), Not(HasSubstr("yaml-cpp"))));
}

TEST_F(StudyTest, SettingsThatDecideNothingAreRefused) {
  EXPECT_THAT(complaint({{"edit.num_steps=9"}, {}, {}}),
              AllOf(HasSubstr("'edit.num_steps' is a setting of ft-l;"), HasSubstr("edit.method")));
  EXPECT_THAT(complaint({{}, {"edit.emmet_lambda=0,1"}, {}}), HasSubstr("a setting of emmet;"));
  EXPECT_THAT(complaint({{"edit.facts_per_model=2"}, {}, {}}), HasSubstr("memit, memit-merge, emmet, alphaedit, ft-l"));
  EXPECT_THAT(complaint({{"edit.method=ft-l", "edit.v_lr=1"}, {}, {}}), HasSubstr("rome, r-rome"));
  write_study(study_text + "moments: {text: corpus.txt}\n");
  EXPECT_EQ(complaint({{"edit.emmet_lambda=0.5"}, {"edit.method=rome,emmet"}, {}}), "");  // one of them uses it
  // What --dump-study prints is a study again.
  for (auto const* method : {"rome", "memit", "alphaedit", "ft-l"}) {
    write_study(study_text + "moments: {text: corpus.txt}\n");
    auto const study = read({{std::string("edit.method=") + method}, {}, {}});
    write_study(with_defaults(study));
    EXPECT_EQ(describe_solve(read().points.front().edit.hparams), describe_solve(study.points.front().edit.hparams)) << method;
  }
}

class FinishedEditsStudyTest : public StudyTest {
 protected:
  static std::string importing(std::string const& edit) {
    return study_text.substr(0, study_text.find("edit:")) + "edit: {" + edit + "}\n";
  }
};

TEST_F(FinishedEditsStudyTest, TheyHaveNoSettingsOfAMethod) {
  write_study(importing("files: 'adapters/{case_id}', rank: 2"));
  auto const point = read().points.front();
  EXPECT_EQ(point.edit.hparams.method, EditMethod::imported);
  EXPECT_EQ(point.edit.files.name, (folder_ / "adapters/{case_id}").string());
  EXPECT_EQ(point.edit.rank, 2);
  EXPECT_EQ(point.edits, "imported");
  EXPECT_EQ(point.name, "mask");
  EXPECT_TRUE(point.mask.layers.empty());
  for (auto const* key : {"hparams: rome.yaml", "method: rome", "layers: [1]", "layer: 1", "templates: t.json"})
    EXPECT_THAT(complaint_about(importing(std::string("files: a, ") + key)), HasSubstr("is given together with 'files'")) << key;
  EXPECT_THAT(complaint_about(importing("files: a, v_lr: 3")), HasSubstr("'edit.v_lr' is a setting of rome"));
  EXPECT_THAT(complaint_about(importing("files: a, batch: 3")), HasSubstr("'edit.batch'"));
  EXPECT_THAT(complaint_about(importing("hparams: rome.yaml, rank: 3")),
              HasSubstr("'edit.rank' is a setting of finished edits (edit.files); it decides nothing here. Remove it."));
  for (auto const* files : {"''", "[a, b]", "{}", "{x: a}"})
    EXPECT_THAT(complaint_about(importing(std::string("files: ") + files)), HasSubstr("'edit.files' must")) << files;
  write_study(importing("files: a") + "sweep: {edit.files: [a, b], mask.layers: [last, all]}\n");
  auto const study = read();
  EXPECT_EQ(study.points[1].edits, "edit.files=a");
  EXPECT_TRUE(study.points[1].masks_all_layers);
  write_study(with_defaults(study));
  EXPECT_EQ(read().points[3].edit.files.name, (folder_ / "b").string());
}

TEST_F(FinishedEditsStudyTest, OnlyTheGivenPathHasPlaceholders) {
  auto const files_in = [&](std::string const& folder, std::string const& path) {
    auto const place = folder_ / folder;
    std::filesystem::create_directory(place);
    std::filesystem::copy(folder_.path(), place, std::filesystem::copy_options::overwrite_existing);
    write_file_atomically(place / "study.yaml", importing("files: '" + path + "'"));
    return read_study(place / "study.yaml").points.front().edit.files;
  };
  EXPECT_FALSE(is_pattern(files_in("{case_id} {x}", "edits")));
  EXPECT_TRUE(is_pattern(files_in("{case_id} {x}", "edits/{split}")));
  EXPECT_FALSE(is_pattern({"", 0, {{1, "{case_id}"}}}));
  for (auto const* path : {"edits/{caseid}", "edits/{", "}/{case_id}"})
    EXPECT_THAT(complaint_about(importing(std::string("files: '") + path + "'")),
                HasSubstr("only {case_id} and {split} stand for"))
        << path;
  EXPECT_THAT(complaint_about(importing("files: 'edits/{split}/{caseid}'")), HasSubstr("'{caseid}'"));
}

TEST_F(FinishedEditsStudyTest, AnIndexNamesThem) {
  write_file_atomically(folder_ / "index.json", R"({"3": "x/3", "104": "/y"})");
  write_study(importing("files: index.json"));
  auto const study = read();
  auto const& files = study.points.front().edit.files;
  EXPECT_EQ(files.of_facts, (std::map<std::int64_t, std::string>{{3, (folder_ / "x/3").string()}, {104, "/y"}}));
  SplitFact fact;
  fact.fact.case_id = 104;
  EXPECT_EQ(edit_file_of(files, fact), "/y");
  fact.fact.case_id = 4;
  EXPECT_EQ(edit_file_of(files, fact), "");
  fact.split = "validation", fact.held_back_from = "train";
  EXPECT_EQ(edit_file_of({"{split}/{case_id}/{split}.safetensors", 0, {}}, fact), "train/4/train.safetensors");
  EXPECT_EQ(edit_file_of({"{split}/{case_id}", 8, {}}, fact), "{split}/4");
  for (auto const* index : {"[]", "{}", R"({"a": "x"})", R"({"1": 2})", R"({"1": ""})", "{"}) {
    write_file_atomically(folder_ / "index.json", index);
    EXPECT_THAT(complaint(), HasSubstr("index.json")) << index;
  }
}

TEST_F(StudyTest, HparamsThatNameNoMethodAreOfTheStudys) {
  auto text = hparams_text;
  write_file_atomically(folder_ / "rome.yaml", text.erase(text.find("alg_name: ROME\n"), 15));
  EXPECT_THAT(complaint(), AllOf(HasSubstr("rome.yaml"), HasSubstr("'alg_name'"), HasSubstr("edit.method")));
  write_study(study_text + "moments: {text: corpus.txt}\n");
  auto const study = read({{}, {"edit.method=memit,rome,r-rome"}, {}});
  EXPECT_THAT(study.points[0].edit.hparams.context_template_length_params, ElementsAre(std::pair(10, 5)));  // MEMIT's default
  EXPECT_EQ(study.points[1].edit.hparams.method, EditMethod::rome);
  EXPECT_THAT(complaint({{"edit.method=menit"}, {}, {}}), HasSubstr("'edit.method' is 'menit'"));
}

TEST_F(StudyTest, TheBatchOfAFileIsTheFactsOfAModel) {
  write_study(study_text + "moments: {text: corpus.txt}\n");
  write_file_atomically(folder_ / "rome.yaml", hparams_text + "batch_size: 3\n");
  EXPECT_THAT(complaint(), HasSubstr("'batch_size' must be 1 or absent"));
  auto memit = hparams_text + "batch_size: 3\n";
  write_file_atomically(folder_ / "rome.yaml", memit.replace(memit.find("ROME"), 4, "MEMIT"));
  EXPECT_EQ(read().points.front().edit.facts_per_model, 3);
  EXPECT_EQ(read({{"edit.facts_per_model=0"}, {}, {}}).points.front().edit.facts_per_model, 0);
}

TEST_F(StudyTest, FilesWithDotsInTheirPathsCanBeSwept) {
  std::filesystem::create_directory(folder_ / "sub");
  write_file_atomically(folder_ / "other.yaml", hparams_text);
  EXPECT_THAT(names(read({{}, {"edit.hparams=sub/../rome.yaml,sub/../other.yaml"}, {}})),
              ElementsAre("edit.hparams=sub/../rome.yaml mask", "edit.hparams=sub/../other.yaml mask"));
}

TEST_F(StudyTest, WhatIsSaidOfMasksIsLeftOutOnRequest) {
  StudyOverrides overrides;
  overrides.set = {"mask={layers: [0], epochs: none}"};
  overrides.sweep = {"mask.seed=0..2", "edit.v_lr,mask.epochs=0.5,1;2,3"};
  overrides.masks = false;
  auto const study = read(overrides);
  EXPECT_FALSE(study.masks);
  EXPECT_THAT(names(study), ElementsAre("edit.v_lr=0.5 mask", "edit.v_lr=1 mask"));
  EXPECT_THAT(study.resolved, AllOf(HasSubstr("mask: none"), HasSubstr("edit.v_lr"), Not(HasSubstr("mask."))));
}

TEST_F(StudyTest, MasksOfSeveralSplits) {
  auto const study = read({{}, {"mask.train_split=heldout,train"}, {}});
  EXPECT_THAT(names(study), ElementsAre("mask.train_split=heldout", "mask.train_split=train"));
  EXPECT_EQ(study.points[0].training.split, "heldout");
  EXPECT_THAT(study.training_splits(), ElementsAre("train", "heldout"));  // in the order of the file
  EXPECT_THAT(complaint({{}, {"mask.train_split=train,ood"}, {}}), HasSubstr("'mask.train_split' is 'ood'"));
  // What they share is allowed by the later one.
  EXPECT_EQ(complaint({{"facts.heldout.allow_overlap=[case]"}, {"mask.train_split=train,heldout"}, {}}), "");
  EXPECT_THAT(complaint({{"facts.train.allow_overlap=[case]"}, {"mask.train_split=heldout,train"}, {}}),
              HasSubstr("decides nothing here"));
  StudyOverrides unmasked{{}, {"mask.train_split=train,heldout"}, {}};
  unmasked.masks = false;
  EXPECT_TRUE(read(unmasked).training_splits().empty());
}

TEST_F(StudyTest, FiguresMayBeOfTheTrainingFactsWithThoseHeldBack) {
  auto const figure = [](std::string const& split, std::string const& metric) {
    return study_text + "published: {source: x, figures: [{split: " + split + ", model: mask, metric: " + metric +
           ", value: 1}]}\n";
  };
  EXPECT_EQ(complaint_about(figure("train+validation", "rsr")), "");
  EXPECT_EQ(read().published.figures.front().split, "train+validation");
  StudyOverrides unmasked;
  unmasked.masks = false;
  EXPECT_EQ(complaint(unmasked), "");
  EXPECT_THAT(complaint({{"mask.train_split=heldout"}, {}, {}}),
              HasSubstr("'train+validation', but no mask is trained on the split 'train'. Masks are trained on: heldout."));
  EXPECT_EQ(complaint({{"facts.heldout.allow_overlap=[case]"}, {"mask.train_split=train,heldout"}, {}}), "");
  EXPECT_THAT(complaint_about(figure("train+validation", "perplexity")), HasSubstr("no perplexity is taken"));
  write_study(study_text);
  EXPECT_THAT(complaint({{"facts.train+validation.files=train.json"}, {}, {}}), HasSubstr("give the split another name"));
}

TEST_F(StudyTest, WhatIsSweptIsNotSet) {
  EXPECT_THAT(complaint({{"mask.seed=7"}, {}, {}}), "");
  write_study(study_text + "sweep:\n  mask.seed: 0..1\n  'mask.epochs, mask.batch': [[1, 2], [3, 4]]\n");
  EXPECT_THAT(complaint({{"mask.seed=7"}, {}, {}}), AllOf(HasSubstr("'mask.seed'"), HasSubstr("--sweep mask.seed=7")));
  EXPECT_THAT(complaint({{"mask.batch=7"}, {}, {}}), HasSubstr("'mask.batch'"));
}

TEST_F(StudyTest, ASectionWithNothingBehindItsNameIsRefused) {
  for (std::string const section : {"mask", "inject", "tracing", "analysis"})
    EXPECT_THAT(complaint_about(study_text + section + ":\n"), HasSubstr("'" + section + "' is empty. Write {}")) << section;
  EXPECT_EQ(complaint_about(study_text + "perplexity: none\npublished: none\nmoments: none\n"), "");
}

TEST_F(StudyTest, SweepsThatMakeNoSense) {
  EXPECT_THAT(complaint({{}, {"mask.seed=0,00"}, {}}), HasSubstr("must be different"));
  EXPECT_EQ(complaint({{}, {"mask.seed=9007199254740992,9007199254740993"}, {}}), "");
  EXPECT_THAT(complaint({{}, {"mask.seed,mask.seed=0..1;2..3"}, {}}), HasSubstr("names a key twice"));
  EXPECT_THAT(complaint({{}, {"model.threads=1,2"}, {}}), HasSubstr("model.threads"));
  EXPECT_THAT(complaint({{}, {"mask.sead=1,2"}, {}}), HasSubstr("Did you mean 'seed'?"));
  EXPECT_THAT(complaint({{}, {"mask.epochs=1,many"}, {}}), HasSubstr("mask.epochs"));
  EXPECT_THAT(complaint({{}, {"mask.epochs=0..2"}, {}}), HasSubstr("at least 1"));
  for (auto const* sweep : {"sweep: [1, 2]\n", "sweep: 5\n", "sweep:\n  mask.seed:\n", "sweep:\n  mask.seed: {a: 1}\n",
                            "sweep:\n  mask.seed: []\n", "sweep:\n  mask.seed: [[1, 2], {}]\n"}) {
    EXPECT_THAT(complaint_about(study_text + sweep), Not("")) << sweep;
  }
}

TEST_F(StudyTest, UnknownKeysSuggestTheNearest) {
  EXPECT_THAT(complaint({{"mask.epoch=3"}, {}, {}}),
              AllOf(HasSubstr("study.yaml"), HasSubstr("'mask.epoch'"), HasSubstr("Did you mean 'epochs'?")));
  EXPECT_THAT(complaint({{"edit.v_rl=3"}, {}, {}}), HasSubstr("Did you mean 'v_lr'?"));
  EXPECT_THAT(complaint({{"modle.device=cpu"}, {}, {}}), HasSubstr("Did you mean 'model'?"));
  EXPECT_THAT(complaint({{"model.devise=cpu"}, {}, {}}), HasSubstr("Did you mean 'device'?"));
  EXPECT_THAT(complaint({{"facts.train.file=x"}, {}, {}}), HasSubstr("Did you mean 'files'?"));
  EXPECT_THAT(complaint({{"evaluation.baseline=[random]"}, {}, {}}), HasSubstr("Did you mean 'baselines'?"));
}

TEST_F(StudyTest, ValuesThatAreWrong) {
  for (auto const* set : {"mask.epochs=0",
                          "mask.epochs=x",
                          "mask.epochs=1.5",
                          "mask.batch=0",
                          "mask.micro_batch=-1",
                          "mask.learning_rate=0",
                          "mask.learning_rate=.nan",
                          "mask.threshold=0",
                          "mask.threshold=1",
                          "mask.threshold=.nan",
                          "mask.validation_share=1",
                          "mask.validation_share=-0.1",
                          "mask.tau0=0",
                          "mask.temperature0=0",
                          "mask.temperature1=-1",
                          "mask.restoration=most",
                          "mask.temperature_schedule=step",
                          "mask.seed=-1",
                          "mask.train_split=trian",
                          "mask.methods=[rom]",
                          "mask.ranks=0",
                          "mask.max_gradient_norm=0",
                          "mask.max_gradient_norm=-1",
                          "mask.ranks=some",
                          "mask.checkpoint_every=0",
                          "edit.batch=0",
                          "edit.method=menit",
                          "edit.method=memit",  // without a section moments
                          "mask.layers=[2]",
                          "mask.layers=some",
                          "mask.layers=[]",
                          "edit.layers=[1, 1]",
                          "edit.facts_per_model=-1",
                          "edit.v_num_grad_steps=0",
                          "edit.hparams=none.yaml",
                          "edit.templates=none.json",
                          "edit.v_lr=0",
                          "edit.v_lr=-1",
                          "edit.clamp_norm_factor=0",
                          "model.threads=0",
                          "evaluation.batch=0",
                          "evaluation.neighborhood=some",
                          "evaluation.baselines=[rando]",
                          "evaluation.baselines=[random, random]",
                          "facts.train.files={a: 1}",
                          "facts.train.limit=-1",
                          "facts.train.per_relation=x",
                          "peer_compatible=perhaps",
                          "edit.context_template_length_params=[[0, 1]]"}) {
    EXPECT_THAT(complaint({{set}, {}, {}}), Not("")) << set;
  }
}

TEST_F(StudyTest, BaselinesThatAreMoreThanAName) {
  auto const baselines = [&](std::string const& list) {
    return read({{"evaluation.baselines=" + list}, {}, {}}).evaluation.baselines;
  };
  using enum BaselineScore;
  EXPECT_THAT(
      baselines("[random, {score: magnitude, scope: fact, fill: original, zeros: [0.05, 0.2]}, {score: activation}]"),
      ElementsAre(Baseline{random}, Baseline{magnitude, BaselineScope::fact, Fill::original, 0.05},
                  Baseline{magnitude, BaselineScope::fact, Fill::original, 0.2}, Baseline{activation, BaselineScope::fact}));
  EXPECT_THAT(baselines("[{score: bottom_rank, k: 2..3}, {score: shrink, alpha: 0.5}]"),
              ElementsAre(Baseline{bottom_rank, BaselineScope::fact, Fill::zero, 2},
                          Baseline{bottom_rank, BaselineScope::fact, Fill::zero, 3},
                          Baseline{shrink, BaselineScope::fact, Fill::zero, 0.5}));
  // A mapping that says no more than a name is that name.
  EXPECT_THAT(baselines("[{score: magnitude}]"), ElementsAre(Baseline{magnitude}));
  for (auto const& baseline :
       baselines("[{score: gradient, zeros: 0.1}, {score: magnitude_rows, fill: original}, {score: shrink, alpha: 2}]"))
    EXPECT_THAT(baselines("[" + yaml_text(baseline) + "]"), ElementsAre(baseline));
}

TEST_F(StudyTest, BaselinesThatCannotBe) {
  for (auto const& [list, words] : std::vector<std::pair<std::string, std::string>>{
           {"random", "must be"},
           {"[activation]", "names 'activation'; known are random, magnitude, delta_magnitude"},
           {"[{score: size}]", "has the score 'size'; known are random, magnitude"},
           {"[{scope: fact}]", "without 'score'"},
           {"[{score: random, fil: zero}]", "has the key 'fil'; known are score, scope, fill, zeros, k and alpha"},
           {"[{score: random, fill: average}]", "has the fill 'average'; known are zero, original"},
           {"[{score: gradient, scope: shared}]", "differs from fact to fact; set scope: fact"},
           {"[{score: random, zeros: 0}]", "gives 'random' zeros: 0; it must be shares above 0 and at most 1"},
           {"[{score: random, zeros: 1.5}]", "at most 1"},
           {"[{score: random, zeros: some}]", "zeros: some"},
           {"[{score: random, k: 3}]", "gives 'random' the key 'k', which decides nothing there"},
           {"[{score: bottom_rank}]", "must give 'bottom_rank' the key 'k': whole numbers from 1 to 32"},
           {"[{score: bottom_rank, k: 1.5}]", "whole numbers from 1 to 32"},
           {"[{score: bottom_rank, k: 0..3}]", "whole numbers from 1 to 32"},
           {"[{score: bottom_rank, k: 1, fill: zero}]", "prunes no entry"},
           {"[{score: shrink}]", "must give 'shrink' the key 'alpha'"},
           {"[{score: shrink, alpha: .inf}]", "finite numbers"},
           {"[magnitude, {score: magnitude}]", "names 'magnitude' twice"}}) {
    EXPECT_THAT(complaint({{"evaluation.baselines=" + list}, {}, {}}), testing::AllOf(HasSubstr("baselines"), HasSubstr(words)))
        << list;
  }
  EXPECT_THAT(complaint({{"evaluation.cover=[]"}, {}, {}}), HasSubstr("at least one of both, delta, weight"));
  EXPECT_THAT(complaint({{"evaluation.cover=[most]"}, {}, {}}), HasSubstr("names 'most'; known are both, delta, weight"));
}

TEST_F(StudyTest, ModelsWithTheAttentionOfOthers) {
  auto const patches = [&](std::string const& list) { return read({{"evaluation.patch=" + list}, {}, {}}).evaluation.patch; };
  using enum ConditionKind;
  EXPECT_THAT(patches("[edited+attention(original), mask+attention(edited) at last, original+attention(mask) at subject]"),
              ElementsAre(AttentionPatch{edited, original}, AttentionPatch{mask, edited, PatchPlace::last},
                          AttentionPatch{original, mask, PatchPlace::subject}));
  EXPECT_EQ(patch_names().size(), 18U);
  for (auto const& name : patch_names()) EXPECT_EQ(describe(patches("[" + name + "]").at(0)), name);
  for (auto const& [list, words] : std::vector<std::pair<std::string, std::string>>{
           {"edited+attention(original)", "must be"},
           {"[edit+attention(original)]",
            "names 'edit+attention(original)'; a model with the attention of another is written "
            "MODEL+attention(OTHER), both of original, edited, mask"},
           {"[edited+attention(unedited)]", "names 'edited+attention(unedited)'; the unedited model is called original here"},
           {"[edited+attention(random)]", "both of original, edited, mask"},
           {"[edited+attention(original) at first]", "' at last' or ' at subject'"},
           {"[edited+attention(edited)]", "names 'edited+attention(edited)', a model with attention of its own; name two"},
           {"[mask+attention(mask) at last]", "a model with attention of its own"},
           {"[{model: edited}]", "is written MODEL+attention(OTHER)"},
           {"[edited+attention(mask), edited+attention(mask)]", "names 'edited+attention(mask)' twice"}}) {
    EXPECT_THAT(complaint({{"evaluation.patch=" + list}, {}, {}}), testing::AllOf(HasSubstr("patch"), HasSubstr(words))) << list;
  }
}

TEST_F(StudyTest, ABatchHasAtMost2047MicroBatches) {
  EXPECT_EQ(read({{"mask.micro_batch=2", "mask.batch=4094"}, {}, {}}).points.front().mask.batch, 4094);
  EXPECT_THAT(complaint({{"mask.micro_batch=2", "mask.batch=4095"}, {}, {}}), HasSubstr("at most 2047 times 'micro_batch'"));
}

TEST_F(StudyTest, MissingAndMalformed) {
  EXPECT_THAT(complaint({{"edit.layer=1", "edit.layers=[1]"}, {}, {}}), HasSubstr("keep one of them"));
  for (auto const* key : {"name:", "model:", "  checkpoint:", "facts:", "edit:", "  hparams:"}) {
    auto text = study_text;
    auto const begin = text.find(key);
    text.erase(begin, text.find('\n', begin) - begin + 1);
    EXPECT_THAT(complaint_about(text), HasSubstr("study.yaml")) << key;
  }
  for (auto const* text : {"", "[]", "7", "{", "\t", "? [a, b]\n: 3\n", "name: [x]\n", "facts: 3\n"}) {
    EXPECT_THAT(complaint_about(text), HasSubstr("study.yaml")) << text;
  }
  EXPECT_THAT(complaint_about(study_text + "? [a, b]\n: 3\n"), HasSubstr("study.yaml"));
  EXPECT_THAT(complaint_about(study_text + "name: again\n"), HasSubstr("'name' is given twice"));
  EXPECT_THROW(read_study(folder_ / "none.yaml"), UserError);
}

TEST_F(StudyTest, SplitsMayAskForFactsThatTheModelKnows) {
  auto const study = read({{"facts.train.known=top-1", "facts.train.known_margin=0.5", "facts.train.known_paraphrases=true",
                            "facts.heldout.known=two-way"},
                           {},
                           {}});
  EXPECT_EQ(study.facts[0].known, KnownTest::top1);
  EXPECT_EQ(study.facts[0].known_margin, 0.5);
  EXPECT_TRUE(study.facts[0].known_paraphrases);
  EXPECT_EQ(study.facts[1].known, KnownTest::two_way);
  EXPECT_FALSE(study.facts[1].known_paraphrases);
  write_study(with_defaults(study));
  EXPECT_EQ(read().facts[0].known_margin, 0.5);
  EXPECT_EQ(read({{"facts.heldout.known=none"}, {}, {}}).facts[1].known, KnownTest::none);
  EXPECT_THAT(complaint({{"facts.train.known=none"}, {}, {}}), HasSubstr("facts.train.known_margin"));
  write_study(study_text);
  EXPECT_EQ(read().facts[0].known, KnownTest::none);
  write_study(with_defaults(read()));
  EXPECT_EQ(complaint(), "");

  write_study(study_text);
  for (auto const* set : {"facts.train.known_margin=0.1", "facts.train.known_paraphrases=true"})
    EXPECT_THAT(complaint({{set}, {}, {}}), AllOf(HasSubstr("facts.train.known_"), HasSubstr("Set 'known' to two-way or top-1")))
        << set;
  EXPECT_THAT(complaint({{"facts.train.known=twoway"}, {}, {}}), HasSubstr("known are none, two-way, top-1"));
  EXPECT_THAT(complaint({{"facts.train.known=top-1", "facts.train.known_margin=-1"}, {}, {}}), HasSubstr("at least 0"));
}

TEST_F(StudyTest, SplitsMayAllowFactsOfTheTrainingSplit) {
  EXPECT_TRUE(read().facts[1].allow_overlap.empty());
  auto const study = read({{"facts.heldout.allow_overlap=[case, prompt]"}, {}, {}});
  EXPECT_THAT(study.facts[1].allow_overlap, ElementsAre(FactOverlap::case_id, FactOverlap::prompt));
  EXPECT_THAT(complaint({{"facts.heldout.allow_overlap=[subjects]"}, {}, {}}), HasSubstr("known are case, subject, prompt"));
  EXPECT_THAT(complaint({{"facts.train.allow_overlap=[case]"}, {}, {}}), HasSubstr("decides nothing here"));
  EXPECT_EQ(complaint({{"facts.train.allow_overlap=[case]", "mask.train_split=heldout"}, {}, {}}), "");
}

TEST_F(StudyTest, FurtherPrompts) {
  EXPECT_THAT(read().evaluation.kinds(), ElementsAre(PromptKind::rewrite, PromptKind::paraphrase));
  EXPECT_FALSE(read().evaluation.scores_tokens());
  auto const study = read({{"evaluation.prompts=[que, attribute]", "evaluation.paraphrases=false"}, {}, {}});
  EXPECT_THAT(study.evaluation.kinds(), ElementsAre(PromptKind::rewrite, PromptKind::attribute, PromptKind::que));
  EXPECT_TRUE(study.evaluation.scores_tokens());
  EXPECT_FALSE(read({{"evaluation.prompts=[attribute, distract]"}, {}, {}}).evaluation.scores_tokens());
  EXPECT_TRUE(read({{"evaluation.token_accuracy=true"}, {}, {}}).evaluation.scores_tokens());
  EXPECT_THAT(complaint({{"evaluation.prompts=[rewrite]"}, {}, {}}), HasSubstr("known are attribute, distract, rep, que"));
}

TEST_F(StudyTest, TheSplitForValidationIsNoSplitOfTheFile) {
  EXPECT_THAT(complaint({{"facts.validation.files=heldout.json"}, {}, {}}), HasSubstr("validation"));
  EXPECT_THAT(complaint({{"facts.all.files=heldout.json"}, {}, {}}), HasSubstr("give the split another name"));
}

TEST_F(StudyTest, TheLimitIsForEverySplitAndOnlyLowers) {
  auto study = read({{"facts.heldout.limit=2"}, {}, 4});
  EXPECT_EQ(study.facts[0].limit, 4U);
  EXPECT_EQ(study.facts[1].limit, 2U);
}

TEST_F(StudyTest, GivenTemplates) {
  write_file_atomically(folder_ / "templates.json", R"(["{}", "It rained. {}"])");
  EXPECT_THAT(read({{"edit.templates=templates.json"}, {}, {}}).points.front().edit.templates,
              ElementsAre("{}", "It rained. {}"));
  for (auto const* text : {"", "{}", "[]", "[3]", R"(["x {}"])", R"(["{}", "no place"])", R"(["{}", "{} and {}"])"}) {
    write_file_atomically(folder_ / "templates.json", text);
    EXPECT_THAT(complaint({{"edit.templates=templates.json"}, {}, {}}), HasSubstr("templates.json")) << text;
  }
}

TEST_F(StudyTest, ResolvedRecordsWhatWasOverridden) {
  auto const resolved = read({{"mask.epochs=50"}, {"mask.seed=3..4"}, 7}).resolved;
  EXPECT_THAT(resolved, HasSubstr("epochs: 50"));
  EXPECT_THAT(resolved, HasSubstr("mask.seed"));
  EXPECT_THAT(resolved, HasSubstr("7"));
  EXPECT_THAT(read().resolved, Not(HasSubstr("epochs")));
  // Without a limit it is a study again, and the same one.
  auto const first = read({{"mask.epochs=50", "edit.v_lr=3"}, {"mask.seed=3..4"}, {}});
  write_study(first.resolved);
  auto const again = read();
  EXPECT_EQ(names(again), names(first));
  EXPECT_EQ(again.points[1].mask.epochs, 50);
  EXPECT_EQ(again.points[1].edit.hparams.v_lr, 3);
  EXPECT_EQ(again.resolved, first.resolved);
}

TEST(ExpandList, RangesListsAndPowers) {
  EXPECT_THAT(expand_list("0..3"), ElementsAre("0", "1", "2", "3"));
  EXPECT_THAT(expand_list("5..5"), ElementsAre("5"));
  EXPECT_THAT(expand_list("-1..1"), ElementsAre("-1", "0", "1"));
  EXPECT_THAT(expand_list("a,b,c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(expand_list("0.5"), ElementsAre("0.5"));
  EXPECT_THAT(expand_list("logspace(-3,-1,3)"), ElementsAre("0.001", "0.01", "0.1"));
  EXPECT_THAT(expand_list("logspace(2,9,1)"), ElementsAre("100"));
  auto const five = expand_list("logspace(-1,1,5)");
  ASSERT_EQ(five.size(), 5U);
  EXPECT_NEAR(std::stod(five[1]), std::pow(10, -0.5), 1e-8);
  EXPECT_EQ(expand_list("0..99999").size(), 100000U);
}

TEST(ExpandList, Nonsense) {
  for (auto const* text : {"",
                           ",",
                           "a,",
                           ",a",
                           "a,,b",
                           "3..1",
                           "..",
                           "1..",
                           "..1",
                           "a..b",
                           "0..100000",
                           "1..2..3",
                           "0..99999999999999999999",
                           "logspace()",
                           "logspace(1,2)",
                           "logspace(1,2,0)",
                           "logspace(1,2,-3)",
                           "logspace(1,2,2.5)",
                           "logspace(a,2,3)",
                           "logspace(1,2,100001)",
                           "logspace(nan,1,3)",
                           "logspace(0,inf,3)",
                           "logspace(0,999,2)"}) {
    EXPECT_THROW(expand_list(text), UserError) << text;
  }
}

}  // namespace
}  // namespace onemask::test
