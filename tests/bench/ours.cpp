// The work that tests/bench/peer.py does, done by onemask; prints one JSON line with seconds and n.
//   mpirun -n 2 ours rome|mask|eval|stats|memit|tracing SHARED [epochs of mask, threads of stats, lambdas of memit, facts]
// Seconds are the slowest rank's, without start-up and loading, as the peer's are.
#include "support/golden_mask.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/analysis/causal_trace.hpp>
#include <onemask/comm/environment.hpp>
#include <onemask/edit/batch_solve.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/trainer.hpp>
#include <onemask/moments/moments.hpp>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <sys/resource.h>

namespace onemask {
namespace {

struct Golden {
  std::filesystem::path shared;
  std::unique_ptr<CausalLM> model = load_causal_lm(Checkpoint::open(shared / "checkpoints/cf-gpt2"), {at::kCPU, at::kFloat});
  Tokenizer tokenizer = Tokenizer::open(shared / "checkpoints/cf-gpt2");

  nlohmann::json json(std::string const& name) const { return nlohmann::json::parse(read_file(shared / "golden" / name)); }
  SafetensorsFile tensors(std::string const& name) const { return SafetensorsFile::open(shared / "golden" / name); }
};

struct Work {
  double seconds;
  std::size_t n;
  std::size_t edit_bytes = 0;  ///< of one stored edit
};

template <typename Run>
double timed(Communicator const& world, Run run) {
  world.barrier();
  auto const start = std::chrono::steady_clock::now();
  run();
  auto const mine = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return static_cast<double>(world.all_reduce_max(static_cast<std::int64_t>(mine * 1e6))) * 1e-6;
}

/// A golden record made ready for editing.
EditRequest request_of(nlohmann::json const& record, Golden const& golden, ContextTemplates const& templates,
                       EditHparams const& hparams) {
  Fact fact;
  fact.prompt = record.at("prompt_template").get<std::string>();
  fact.subject = record.at("subject").get<std::string>();
  fact.target_new = record.at("target_new").get<std::string>();
  return make_edit_request(golden.tokenizer, fact, templates, hparams, golden.model->config().positions);
}

/// Work is dealt to the ranks in turn.
bool is_mine(std::size_t index, Communicator const& world) {
  return static_cast<int>(index % static_cast<std::size_t>(world.size())) == world.rank();
}

/// All 24 golden edits with 21 contexts, 20 steps.
Work edit_facts(Golden const& golden, Communicator const& world) {
  auto const reference = golden.json("rome.json");
  auto const templates = golden.json("context_templates.json").at("rome_full").get<ContextTemplates>();
  EditHparams hparams;
  hparams.layers = {2};
  hparams.v_loss_layer = 7;
  hparams.v_lr = 2;
  hparams.clamp_norm_factor = 8;
  std::vector<EditRequest> requests;
  std::size_t index = 0;
  for (auto const& record : reference.at("records")) {
    if (is_mine(index++, world)) requests.push_back(request_of(record, golden, templates, hparams));
  }
  auto const stored = to_bytes(rome(*golden.model, std::span(requests).first(1), hparams).front().edit);  // warms up as well
  return {timed(world,
                [&] {
                  for (std::size_t first = 0; first < requests.size(); first += 12) {
                    rome(*golden.model, std::span(requests).subspan(first, std::min<std::size_t>(12, requests.size() - first)),
                         hparams);
                  }
                }),
          index, stored.size()};
}

/// Epochs over the 99 golden training facts in batches of 50.
Work train_mask(Golden const& golden, Communicator const& world, int epochs) {
  test::GoldenEdits const edits(test::Golden({"", golden.shared / "golden", golden.shared / "checkpoints/cf-gpt2"}), "train");
  std::vector<MaskFact> facts;
  for (std::size_t i = 0; i < 99; ++i)
    facts.push_back(make_mask_fact(golden.tokenizer, edits.facts[i], edits.edits[i], false, 256));
  TrainingSet const set(*golden.model, 2, facts, {});
  MaskOptions options;
  options.epochs = epochs + 1;
  auto const reducer = make_reducer(world, at::kCPU);
  MaskTrainer trainer(set, options, initial_theta(options, {320, 1280}, 0), shuffled(0, set.size()), {world.rank(), world.size()},
                      *reducer);
  trainer.run_epoch();  // warm
  return {timed(world,
                [&] {
                  while (!trainer.done()) trainer.run_epoch();
                }),
          99 * static_cast<std::size_t>(epochs)};
}

/// Original, edited and pruned for the rewrite prompts of 50 golden records.
Work evaluate_facts(Golden const& golden, Communicator const& world) {
  test::GoldenEdits const edits(test::Golden({"", golden.shared / "golden", golden.shared / "checkpoints/cf-gpt2"}), "train");
  std::vector<EvaluationFact> mine;
  for (std::size_t i = 0; i < 50; ++i) {
    if (is_mine(i, world)) mine.push_back({static_cast<std::int64_t>(i), &edits.facts[i], &edits.edits[i]});
  }
  auto const keep = golden.tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool);
  std::vector<Condition> const conditions{{"original", false, {}}, {"edited", true, {}}, {"pruned", true, keep}};
  evaluate(*golden.model, golden.tokenizer, 2, {mine.front()}, conditions, {.kinds = {PromptKind::rewrite}});  // warm
  return {timed(world, [&] { evaluate(*golden.model, golden.tokenizer, 2, mine, conditions, {.kinds = {PromptKind::rewrite}}); }),
          50 * conditions.size()};
}

/// Second moments of four layers over the golden tokens, from reading them to the objects in the store.
Work second_moments(Golden const& golden, Communicator const& world, int threads) {
  set_threads(threads);
  test::TemporaryFolder const own;
  std::filesystem::path const folder = world.broadcast(own.path().string(), 0);
  MomentsOptions options;
  options.ids = golden.shared / "golden/cov.safetensors";
  auto const make = [&](std::int64_t tokens) {
    options.tokens = tokens;
    make_moments(world, *golden.model, golden.tokenizer, options, {0, 1, 2, 3}, ObjectStore(folder / "objects"), folder, {});
  };
  make(2048);  // warms up
  Work const work{timed(world, [&] { make(32768); }), 32768 * 4};
  world.barrier();
  return work;
}

/// The values of all requests, found in units of 16 facts.
TargetValues shared_values(CausalLM const& model, std::vector<EditRequest> const& requests, EditHparams const& hparams,
                           Communicator const& world) {
  std::size_t const size = 16;
  std::vector<std::string> units((requests.size() + size - 1) / size);
  for (std::size_t u = 0; u < units.size(); ++u) {
    if (!is_mine(u, world)) continue;
    auto const facts = std::span(requests).subspan(u * size, std::min(size, requests.size() - u * size));
    units[u] = to_bytes(find_target_values(model, facts, hparams));
  }
  std::vector<TargetValues> chunks;
  for (std::size_t u = 0; u < units.size(); ++u) {
    auto const owner = static_cast<int>(u) % world.size();
    chunks.push_back(target_values_from_bytes(world.broadcast(std::move(units[u]), owner), "unit " + std::to_string(u)));
  }
  return joined(chunks);
}

/// The weight 1000 of the golden run, or several from 100 to 20000 at equal ratios.
std::vector<double> weights_of_moments(int count) {
  if (count == 1) return {1000};
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) weights.push_back(100 * std::pow(200.0, static_cast<double>(i) / (count - 1)));
  return weights;
}

/// All 100 golden facts written into layers 0 to 2 at once, once per weight; the values are found once.
Work edit_batches(Golden const& golden, Communicator const& world, int lambdas) {
  auto const reference = golden.json("memit.json");
  auto const contexts = golden.json("context_templates.json");
  ContextTemplates templates;
  for (auto const& group : contexts.at("memit")) {
    for (auto const& text : group) templates.push_back(text.get<std::string>());
  }
  EditHparams hparams;
  hparams.method = EditMethod::memit;
  hparams.layers = {0, 1, 2};
  hparams.v_loss_layer = 7;
  hparams.v_lr = 2;
  hparams.clamp_norm_factor = 0.75;
  std::vector<EditRequest> requests;
  for (auto const& record : reference.at("records")) requests.push_back(request_of(record, golden, templates, hparams));
  auto const file = golden.tensors("cov.safetensors");
  std::vector<SecondMoment> moments;
  for (auto layer : hparams.layers) moments.push_back({layer, 32768, file.tensor("moment." + std::to_string(layer)), "", {}});
  auto const weights = weights_of_moments(lambdas);
  find_target_values(*golden.model, std::span(requests).first(1), hparams);  // warms up

  auto const seconds = timed(world, [&] {
    auto const values = shared_values(*golden.model, requests, hparams, world);
    std::map<int, KeyBasis> bases;
    for (std::size_t w = 0; w < weights.size(); ++w) {
      if (!is_mine(w, world)) continue;
      if (bases.empty()) {
        for (auto const& moment : moments) bases.emplace(moment.layer, KeyBasis::of_moment(moment));
      }
      hparams.mom2_update_weight = weights[w];
      solve_batch(*golden.model, requests, values, hparams, bases);
    }
  });
  return {seconds, requests.size()};
}

/// The first golden facts of ROME, traced by every kind of state as a study does it.
Work trace_facts(Golden const& golden, Communicator const& world, int limit) {
  TracingOptions const options;
  constexpr int window = 10;  // as the published loop
  std::vector<TracePrompt> prompts;
  auto const reference = golden.json("rome.json");
  for (auto const& record : reference.at("records")) {
    if (std::ssize(prompts) == limit) break;
    Fact fact;
    fact.case_id = record.at("case_id").get<std::int64_t>();
    fact.prompt = record.at("prompt_template").get<std::string>();
    fact.subject = record.at("subject").get<std::string>();
    fact.target_true = record.at("ground_truth").get<std::string>();
    prompts.push_back(make_trace_prompt(golden.tokenizer, fact, golden.model->config().positions));
  }
  TraceNoise const noise{0, options.samples, options.noise * subject_deviation(*golden.model, prompts)};
  CausalTrace(*golden.model, {prompts.front()}, noise).trace(TraceKind::state, window, options.rows);  // warms up
  auto const ranks = static_cast<std::size_t>(world.size());
  auto const batch = std::min(static_cast<std::size_t>(options.batch), (prompts.size() + ranks - 1) / ranks);
  auto const seconds = timed(world, [&] {
    for (std::size_t first = 0; first < prompts.size(); first += batch) {
      if (!is_mine(first / batch, world)) continue;
      auto const begin = prompts.begin() + static_cast<std::ptrdiff_t>(first);
      auto const count = static_cast<std::ptrdiff_t>(std::min(batch, prompts.size() - first));
      CausalTrace const trace(*golden.model, {begin, begin + count}, noise);
      for (auto const kind : options.kinds) trace.trace(kind, window, options.rows);
    }
  });
  return {seconds, prompts.size() * options.kinds.size()};
}

}  // namespace
}  // namespace onemask

int main(int argc, char** argv) {
  onemask::Environment const environment(argc, argv);
  if (argc < 3) {
    std::cerr
        << "usage: ours rome|mask|eval|stats|memit|tracing SHARED [epochs of mask, threads of stats, lambdas of memit, facts]\n";
    return 2;
  }
  onemask::set_threads(1);
  std::string const what = argv[1];
  onemask::Golden const golden{argv[2]};
  auto const world = environment.world();
  auto const number = [&](int otherwise) { return argc > 3 ? std::atoi(argv[3]) : otherwise; };
  auto const work = what == "rome"      ? onemask::edit_facts(golden, world)
                    : what == "mask"    ? onemask::train_mask(golden, world, number(2))
                    : what == "stats"   ? onemask::second_moments(golden, world, number(1))
                    : what == "memit"   ? onemask::edit_batches(golden, world, number(1))
                    : what == "tracing" ? onemask::trace_facts(golden, world, number(4))
                                        : onemask::evaluate_facts(golden, world);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  if (world.rank() == 0) {
    std::cout << nlohmann::json{{"seconds", work.seconds},
                                {"n", work.n},
                                {"ranks", world.size()},
                                {"peak_bytes", usage.ru_maxrss * 1024L},
                                {"edit_bytes", work.edit_bytes}}
                     .dump()
              << "\n";
  }
  return 0;
}
