// The work that tests/bench/peer.py does, done by onemask; prints one JSON line with seconds and n.
//   mpirun -n 2 ours rome|mask|eval|stats SHARED [epochs of mask, threads of stats]
// Seconds are the slowest rank's, without start-up and loading, as the peer's are.
#include "support/golden_mask.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/trainer.hpp>
#include <onemask/sweep/moments.hpp>

#include <chrono>
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
    if (static_cast<int>(index++ % static_cast<std::size_t>(world.size())) != world.rank()) continue;
    Fact fact;
    fact.prompt = record.at("prompt_template").get<std::string>();
    fact.subject = record.at("subject").get<std::string>();
    fact.target_new = record.at("target_new").get<std::string>();
    requests.push_back(make_edit_request(golden.tokenizer, fact, templates, hparams, 256));
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
  test::GoldenEdits const edits(golden.json("mask_edits_train.json"), golden.tensors("mask_edits_train.safetensors"));
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
  test::GoldenEdits const edits(golden.json("mask_edits_train.json"), golden.tensors("mask_edits_train.safetensors"));
  std::vector<EvaluationFact> mine;
  for (std::size_t i = 0; i < 50; ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(world.size())) == world.rank())
      mine.push_back({static_cast<std::int64_t>(i), &edits.facts[i], &edits.edits[i]});
  }
  auto const keep = golden.tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool);
  std::vector<Condition> const conditions{{"original", false, {}}, {"edited", true, {}}, {"pruned", true, keep}};
  evaluate(*golden.model, golden.tokenizer, 2, {mine.front()}, conditions, {false});  // warm
  return {timed(world, [&] { evaluate(*golden.model, golden.tokenizer, 2, mine, conditions, {false}); }), 50 * conditions.size()};
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

}  // namespace
}  // namespace onemask

int main(int argc, char** argv) {
  onemask::Environment const environment(argc, argv);
  if (argc < 3) {
    std::cerr << "usage: ours rome|mask|eval|stats SHARED [epochs of mask, threads of stats]\n";
    return 2;
  }
  onemask::set_threads(1);
  std::string const what = argv[1];
  onemask::Golden const golden{argv[2]};
  auto const world = environment.world();
  auto const work = what == "rome"    ? onemask::edit_facts(golden, world)
                    : what == "mask"  ? onemask::train_mask(golden, world, argc > 3 ? std::atoi(argv[3]) : 2)
                    : what == "stats" ? onemask::second_moments(golden, world, argc > 3 ? std::atoi(argv[3]) : 1)
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
