// How fast a model of random weights is edited, masked and evaluated on a device; prints a JSON line for each.
//   bench_shapes MODEL WORK DEVICE DTYPE SECONDS [time]
// MODEL and WORK are folders that tests/bench/random_model.py writes. Each task is repeated for about SECONDS, in one process on
// one thread; seconds are those of the work, without loading and first use. With "time" nothing is profiled after that.
// tests/bench/peer_shapes.py does the same by the peers' code.
#include "bench/profile.hpp"
#include "support/pretend_device.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/core/file.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/trainer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

namespace onemask {
namespace {

/// The largest memory of a device's tensors since the last reset [bytes].
class MemoryPeak {
 public:
  explicit MemoryPeak(c10::Device device) : device_(device) {
    if (device_.is_cuda()) c10::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
    if (device_.is_privateuseone()) test::reset_pretend_counts();
  }
  std::int64_t bytes() const {
    if (device_.is_cuda())
      return c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index()).allocated_bytes[0].peak;
    if (device_.is_privateuseone()) return static_cast<std::int64_t>(test::pretend_memory_peak(device_));
    return 0;
  }

 private:
  c10::Device device_;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The profiler slows down what comes after it as well.
enum class Part { time, profile };

struct Bench {
  std::filesystem::path model_folder, work_folder;
  Placement placement;
  double seconds;

  Checkpoint checkpoint = Checkpoint::open(model_folder);
  std::unique_ptr<CausalLM> model = load_causal_lm(checkpoint, placement);
  Tokenizer tokenizer = Tokenizer::open(model_folder);
  EditHparams hparams = read_edit_hparams(model_folder / "hparams.yaml");
  nlohmann::json work = nlohmann::json::parse(read_file(work_folder / "work.json"));
  std::vector<Fact> facts = read_counterfact(work_folder / "facts.json");
  std::size_t edit_batch = 1;

  /// Calls `round` again and again, about as long as was asked for, and says how long all took, and one.
  template <class Round>
  nlohmann::json timed(char const* task, Round round) const {
    MemoryPeak const peak(placement.device);
    auto const start = std::chrono::steady_clock::now();
    auto const passed = [&] { return seconds_since(start); };
    std::size_t n = 0;
    std::int64_t rounds = 0;
    do {
      n += round();
      ++rounds;
    } while (passed() < seconds);
    return {{"task", task}, {"seconds", passed()}, {"n", n}, {"rounds", rounds}, {"peak_bytes", peak.bytes()}};
  }

  int layer() const { return hparams.layer(); }
  std::size_t size(char const* of) const { return work.at(of).get<std::size_t>(); }

  /// A change that is small beside the weights; which one makes no difference to the time.
  std::vector<Edit> random_edits(std::size_t number) const {
    auto const& config = model->config();
    std::vector<Edit> edits(number);
    for (std::size_t i = 0; i < number; ++i) {
      edits[i].case_id = facts[i].case_id;
      edits[i].layer = layer();
      edits[i].left = at::randn({1, config.hidden}, at::kFloat) * 0.05;
      edits[i].right = at::randn({1, config.inner}, at::kFloat) * 0.05;
    }
    return edits;
  }

  void say(nlohmann::json const& line) const { std::cout << line.dump() << std::endl; }

  /// ROME for as many facts at once as the memory holds, and few enough for a batch not to take much longer than was asked for.
  void edit(Part part) {
    auto const templates = work.at("templates").get<ContextTemplates>();
    std::vector<EditRequest> all;
    for (auto const& fact : facts) {
      all.push_back(make_edit_request(tokenizer, fact, templates, hparams, model->config().positions));
    }
    auto const with_steps = [&](int number) {
      auto few = hparams;
      few.v_num_grad_steps = number;
      rome(*model, std::span(all).first(edit_batch), few);
    };
    if (part == Part::time) {
      find_edit_batch([&] { with_steps(2); });
      std::int64_t steps = 0, failed = 0;
      std::size_t next = 0;
      auto line = timed("edit", [&] {
        if (next + edit_batch > all.size()) next = 0;
        for (auto const& result : rome(*model, std::span(all).subspan(next, edit_batch), hparams)) {
          steps += result.edit.steps;
          failed += result.edit.failure.empty() ? 0 : 1;
        }
        next += edit_batch;
        return edit_batch;
      });
      line["batch"] = edit_batch;
      line["steps"] = static_cast<double>(steps) / line.at("n").get<double>();
      line["failed"] = failed;
      say(line);
    } else {
      count("edit", edit_batch, profile_of(placement.device, [&] { with_steps(hparams.v_num_grad_steps); }));
      auto const less = profile_of(placement.device, [&] { with_steps(3); });
      tell("a step of a search", edit_batch, (profile_of(placement.device, [&] { with_steps(11); }) - less) / 8);
    }
  }

  /// As in a run, a batch that the memory does not hold is halved.
  template <class TwoSteps>
  void find_edit_batch(TwoSteps const& two_steps) {
    edit_batch = std::min(size("edit_batch"), facts.size());
    for (bool warm = false; !warm;) {
      try {
        two_steps();
        warm = true;
      } catch (c10::OutOfMemoryError const&) {
        if (edit_batch == 1) throw;
        edit_batch /= 2;
      }
    }
    auto const start = std::chrono::steady_clock::now();
    two_steps();
    auto expected = seconds_since(start) / 2 * hparams.v_num_grad_steps;
    for (; expected > 3 * seconds && edit_batch > 1; expected /= 2) edit_batch /= 2;
  }

  void train_mask(Part part) {
    auto const number = size("mask_facts");
    auto const edits = random_edits(number);
    std::vector<MaskFact> set_of;
    for (std::size_t i = 0; i < number; ++i) {
      set_of.push_back(make_mask_fact(tokenizer, facts[i], edits[i], false, model->config().positions));
    }
    TrainingSet const set(*model, layer(), set_of, {});
    MaskOptions options;
    options.epochs = 1 << 20;
    options.batch = static_cast<int>(number);
    auto const& config = model->config();
    auto const reducer = make_reducer(Communicator(), placement.device);
    MaskTrainer trainer(set, options, initial_theta(options, {config.hidden, config.inner}, 0), shuffled(0, set.size()), {},
                        *reducer);
    trainer.run_epoch();
    if (part == Part::time) {
      auto line = timed("mask", [&] {
        trainer.run_epoch();
        return number;
      });
      line["batch"] = number;
      say(line);
    } else {
      auto const step = profile_of(placement.device, [&] { trainer.run_epoch(); });
      count("mask", number, step);
      tell("a step of a mask", number, step);
    }
  }

  void evaluate_facts(Part part) {
    auto const number = size("evaluated_facts");
    auto const edits = random_edits(number);
    std::vector<EvaluationFact> some;
    for (std::size_t i = 0; i < number; ++i) some.push_back({static_cast<std::int64_t>(i), &facts[i], &edits[i]});
    auto const& config = model->config();
    auto const keep = at::rand({config.hidden, config.inner}).gt(0.1);
    std::vector<Condition> const conditions{{"original", false, {}}, {"edited", true, {}}, {"pruned", true, keep}};
    auto const round = [&] {
      evaluate(*model, tokenizer, layer(), some, conditions, {.kinds = {PromptKind::rewrite}});
      return number * conditions.size();
    };
    round();
    if (part == Part::time) {
      auto line = timed("evaluation", round);
      line["batch"] = number;
      say(line);
    } else {
      count("evaluation", number * conditions.size(), profile_of(placement.device, [&] { round(); }));
    }
  }

  /// Of one item of a task.
  void count(char const* task, std::size_t items, Profile const& profile) const {
    say({{"counted", task}, {"flops", profile.flops / static_cast<double>(items)}});
  }

  void tell(char const* what, std::size_t number, Profile const& profile) const {
    auto line = profile.json(8);
    line["profile"] = what;
    line["facts"] = number;
    say(line);
  }
};

}  // namespace
}  // namespace onemask

int main(int argc, char** argv) {
  using namespace onemask;
  Environment const environment(argc, argv);
  bool const only_time = argc == 7 && std::string_view(argv[6]) == "time";
  if (argc != 6 && !only_time) {
    std::cerr << "usage: bench_shapes MODEL WORK DEVICE DTYPE SECONDS [time]\n";
    return 2;
  }
  if (std::string_view(argv[3]).starts_with("pretend")) test::install_pretend_devices();
  auto const placement = parse_placement(argv[3], argv[4], 0);
  set_threads(1);
  set_product_precision("float32");
  at::manual_seed(1);
  Bench bench{argv[1], argv[2], placement, std::atof(argv[5])};
  for (auto const part : {Part::time, Part::profile}) {
    if (part == Part::profile && only_time) break;
    bench.edit(part);
    bench.train_mask(part);
    bench.evaluate_facts(part);
  }
  return 0;
}
