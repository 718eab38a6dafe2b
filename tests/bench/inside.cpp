// What baselines cost, what it costs to look inside of models, and to exchange their attention, beside the scores of the same
// facts and models.
//   bench_inside MODEL WORK [facts, 1000] [rounds, 3]
// MODEL and WORK are folders that tests/bench/random_model.py writes. Prints a JSON line for every kind of work: seconds for a
// fact and model, best of the rounds, without loading; their ratio to scores; and all of the work in evaluations, each of a
// model, its edits, a mask on the edits, and the mask alone. One thread; facts are taken as many at a time as a study does.
#include <onemask/analysis/model_analysis.hpp>
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/comm/environment.hpp>
#include <onemask/core/file.hpp>
#include <onemask/edit/weight_delta.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/layer_spectrum.hpp>
#include <onemask/settings/edit_hparams.hpp>
#include <onemask/settings/evaluation_options.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

struct Bench {
  std::filesystem::path model_folder, work_folder;
  std::size_t count;
  int rounds;

  std::unique_ptr<CausalLM> model = load_causal_lm(Checkpoint::open(model_folder), {at::kCPU, at::kFloat});
  Tokenizer tokenizer = Tokenizer::open(model_folder);
  std::vector<Fact> facts = read_counterfact(work_folder / "facts.json");
  int layer = read_edit_hparams(model_folder / "hparams.yaml").layer();
  std::vector<Edit> edits = {};
  at::Tensor keep = {};

  void draw() {
    auto const& config = model->config();
    edits.resize(facts.size());
    for (auto& edit : edits) {
      edit.layer = layer;
      edit.left = at::randn({1, config.hidden}) * 0.05;
      edit.right = at::randn({1, config.inner}) * 0.05;
    }
    keep = at::rand({config.hidden, config.inner}).gt(0.1);
  }

  /// Facts again and again until there are enough, as many at a time as a study takes.
  double timed(std::function<void(std::vector<std::size_t> const&)> const& work) const {
    auto const batch = static_cast<std::size_t>(EvaluationPlan().batch);
    double best = std::numeric_limits<double>::infinity();
    for (int round = 0; round < rounds; ++round) {
      auto const start = std::chrono::steady_clock::now();
      for (std::size_t first = 0; first < count; first += batch) {
        std::vector<std::size_t> some;
        for (auto i = first; i < std::min(first + batch, count); ++i) some.push_back(i % facts.size());
        work(some);
      }
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
  }

  double scores(std::vector<Condition> const& conditions) const {
    return timed([&](auto const& some) {
      std::vector<EvaluationFact> batch;
      for (auto const i : some) batch.push_back({static_cast<std::int64_t>(i), &facts[i], &edits[i]});
      evaluate(*model, tokenizer, layer, batch, conditions, {.kinds = {PromptKind::rewrite}});
    });
  }

  double analyses(AnalysisOptions const& options) const {
    auto const mask = keep.to(model->dtype());
    return timed([&](auto const& some) {
      std::vector<SubjectPrompt> prompts;
      std::vector<at::Tensor> lefts, rights;
      for (auto const i : some) {
        prompts.push_back(make_subject_prompt(tokenizer, facts[i], false, model->config().family, model->config().positions));
        lefts.push_back(edits[i].left);
        rights.push_back(edits[i].right);
      }
      FactAnalyser const analyser(*model, prompts, {layer}, options, false);
      EditedProjection const edited{stacked_factors(lefts), stacked_factors(rights), {}};
      for (bool const is_edited : {false, true}) {
        for (bool const masked : {false, true}) {
          auto change = is_edited ? edited : EditedProjection();
          if (masked) change.mask = mask;
          RecordedModel const recorded{*model, change};
          bool const known = !is_edited && !masked;
          analyser.analyse(recorded, known ? analyser.original() : analyser.record(recorded), {});
        }
      }
    });
  }

  /// Sixteen ways to prune each fact's own matrix: every score, with both fills.
  std::vector<Condition> pruned() const {
    std::vector<Condition> conditions;
    for (auto const& [score, name] : baseline_score_names) {
      for (auto const fill : {Fill::zero, Fill::original}) {
        FactBaseline own{{score, BaselineScope::fact, fill, 0.05}};
        if (!prunes(own.what) || score == BaselineScore::activation_signed) continue;
        own.zeros = pruned_entries(own.what, keep.size(0), keep.size(1), 0);
        conditions.push_back({std::string(name), true, {}, {}, Cover::both, own});
      }
    }
    return conditions;
  }

  /// Without the k = 1 … 15 largest components of each fact's own matrix.
  std::vector<Condition> bottom_ranks() const {
    auto const spectrum = std::make_shared<LayerSpectrum const>(model->projection(layer).weight);
    std::vector<Condition> conditions;
    for (double k = 1; k <= 15; ++k) {
      FactBaseline own{{BaselineScore::bottom_rank, BaselineScope::fact, Fill::zero, k}, 0, 0, spectrum};
      conditions.push_back({"bottom rank", true, {}, {}, Cover::both, own});
    }
    return conditions;
  }

  void say(char const* what, double seconds, std::size_t models, double of_scores) const {
    auto const one = seconds / static_cast<double>(count * models);
    auto const ratio = one / of_scores;
    std::cout << nlohmann::json{{"work", what},   {"facts", count}, {"models", models},
                                {"seconds", one}, {"ratio", ratio}, {"evaluations", ratio * static_cast<double>(models) / 4}}
                     .dump()
              << std::endl;
  }
};

}  // namespace
}  // namespace onemask

int main(int argc, char** argv) {
  using namespace onemask;
  Environment const environment(argc, argv);
  if (argc < 3) {
    std::cerr << "usage: bench_inside MODEL WORK [facts] [rounds]\n";
    return 2;
  }
  set_threads(1);
  at::manual_seed(1);
  Bench bench{argv[1], argv[2], argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000, argc > 4 ? std::atoi(argv[4]) : 3};
  bench.draw();
  std::vector<Condition> const four{
      {"original", false, {}}, {"edited", true, {}}, {"mask", true, bench.keep}, {"original masked", false, bench.keep}};
  auto const scores = bench.scores(four);
  auto const one = scores / static_cast<double>(bench.count * four.size());
  bench.say("scores", scores, four.size(), one);
  auto const pruned = bench.pruned(), bottom_ranks = bench.bottom_ranks();
  bench.say("pruned by each fact's own matrix", bench.scores(pruned), pruned.size(), one);
  bench.say("bottom rank", bench.scores(bottom_ranks), bottom_ranks.size(), one);
  bench.say("contributions", bench.analyses({.attention = false, .traces = false}), four.size(), one);
  bench.say("analysis as by default", bench.analyses({}), four.size(), one);
  std::vector<Condition> patched;
  for (auto const* name :
       {"edited+attention(original)", "original+attention(edited)", "edited+attention(mask)", "mask+attention(edited)",
        "edited+attention(original) at last", "edited+attention(original) at subject"}) {
    auto const patch = patch_of(name);
    Condition condition{name, true, belongs_to_mask(*patch) ? bench.keep : at::Tensor()};
    condition.patch = patch;
    patched.push_back(std::move(condition));
  }
  // A condition alone pays for both models; several share them.
  bench.say("attention of another, six conditions", bench.scores(patched), patched.size(), one);
  bench.say("attention of another, one condition", bench.scores({patched.front()}), 1, one);
  bench.say("edited alone", bench.scores({four[1]}), 1, one);
  return 0;
}
