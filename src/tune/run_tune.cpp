#include "tune/climb.hpp"
#include "tune/measured_rate.hpp"
#include "tune/probes.hpp"
#include "tune/products.hpp"
#include "tune/quality_text.hpp"
#include "tune/rung_study.hpp"
#include "tune/tune_plan.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/run_folder.hpp>
#include <onemask/store/study_file.hpp>
#include <onemask/sweep/known_survey.hpp>
#include <onemask/sweep/run.hpp>
#include <onemask/tune/tune.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using TuneClock = std::chrono::steady_clock;

std::set<std::string> const tables_of_quality{"conditions", "summary", "metrics", "perplexity"};

constexpr double unknown_score = std::numeric_limits<double>::quiet_NaN();

/// Of settings with which no fact could be edited.
EditQuality no_quality(std::size_t facts) {
  Estimate const none{unknown_score, unknown_score, unknown_score, 0, static_cast<std::int64_t>(facts)};
  return {none, none, none, none, unknown_score, {}};
}

class Tune {
 public:
  Tune(Environment const& environment, Study const& study, TuneOptions const& options)
      : environment_(environment), world_(environment.world()), study_(study), options_(options), begin_(TuneClock::now()) {
    agree(world_, [&] {
      require_start();
      prepare();
      if (leads()) require_own_folder();
    });
    auto const scoring = scoring_of_facts();
    auto const selected = facts_of_splits(environment, study_, scoring);
    auto const known = known_probes(scoring);
    agree(world_, [&] {
      probes_ = choose_probes(study_, selected, options_.probes, options_.facts, known);
      plan_.probes = fingerprint(probes_);
    });
  }

  TuneOutcome run() {
    std::optional<RunLock> lock;
    bool measures = false;
    agree(world_, [&] {
      if (leads()) measures = open_folder(lock);
    });
    if (world_.all_reduce_max(measures) != 0) {
      auto const ending = measure();
      if (!may_go_on(ending)) return {ending};
    }
    std::string text;
    agree(world_, [&] {
      if (leads()) text = frozen_plan();
    });
    plan_ = tune_plan_from_json(world_.broadcast(std::move(text), 0), plan_file(options_.folder).string());
    if (leads()) log_info(fmt::format("ladder of {} edits: {}", edits_of(plan_.ladder), describe(plan_.ladder)));
    for (std::size_t rung = 0; rung < plan_.ladder.size(); ++rung) {
      auto const ending = climb(rung);
      if (!may_go_on(ending)) return {ending};
    }
    TuneOutcome outcome{{.end = RunEnding::End::complete}};
    agree(world_, [&] {
      if (leads()) outcome.text = write_products();
    });
    outcome.chosen = winner(final_trials(trials_)) != nullptr;
    return outcome;
  }

 private:
  bool leads() const { return world_.rank() == 0; }
  std::filesystem::path probes_file() const { return options_.folder / "probes.json"; }
  std::filesystem::path objects_folder() const { return options_.folder / "objects"; }

  /// What can be refused before the model is read.
  void require_start() {
    invariant(!study_.points.empty(), "a tune begins with no way of editing");
    require_tunable(study_.points.front().edit.hparams.method);
    for (auto const& point : study_.points) {
      if (point.edits == study_.points.front().edits) continue;
      throw UserError("The study '" + study_.name +
                      "' edits in several ways, but a tune begins with one. Leave the keys under edit. out of its sweep.");
    }
    study_.points.resize(1);
    auto& start = study_.points.front().edit.hparams;
    model_ = read_model_config(study_.model.checkpoint);
    start = for_model(start, model_);
    check_target();
  }

  /// What scores facts before there are probe facts: into the folder, so that it goes on there, and within the time limit.
  SurveyOptions scoring_of_facts() const {
    auto const must_stop = [limit = options_.time_limit, begin = begin_] {
      return interrupted() || (limit > 0 && std::chrono::duration<double>(TuneClock::now() - begin).count() > limit);
    };
    return {objects_folder(), must_stop};
  }

  /// The facts that probes may be where a split asks for facts that the model knows: those that pass the test of the first such
  /// split. Collective.
  std::optional<std::vector<Fact>> known_probes(SurveyOptions const& scoring) const {
    for (auto const& selection : study_.facts) {
      if (selection.known == KnownTest::none) continue;
      auto all = study_;
      all.facts = {{.split = "probe",
                    .files = probe_files(study_, options_.probes),
                    .known = selection.known,
                    .known_margin = selection.known_margin,
                    .known_paraphrases = selection.known_paraphrases}};
      return survey_known(environment_, all, "", scoring).front().known;
    }
    return std::nullopt;
  }

  /// The plan, but for its probe facts, and for the ladder where a time decides it.
  void prepare() {
    auto const& start = study_.points.front().edit.hparams;
    layers_ = std::clamp(start.v_loss_layer, 0, static_cast<int>(model_.layers) - 1) + 1;
    space_ = {layers_, variations_of(start).size(), options_.facts, has_solve(start.method)};
    require_reuse(study_.points.front().edit, options_.facts, unit_of(space_));
    plan_.method = to_string(start.method);
    plan_.start = hparams_text(start);
    plan_.facts = options_.facts;
    plan_.budget = options_.budget ? options_.budget->text : "";
    plan_.measure = drift_measure(study_, options_.facts);
    if (plan_.measure != DriftMeasure::perplexity) study_.perplexity = {};
    plan_.max_drift = options_.max_drift.value_or(usual_limit(plan_.measure));
    bool const timed = options_.budget && options_.budget->seconds;
    if (options_.peak && options_.peak->layers != model_.layers) {
      throw UserError(
          fmt::format("The run after --tracing traces a model of {} layers, but the model of the study '{}' has {}. Name a run "
                      "that traces this model.",
                      options_.peak->layers, study_.name, model_.layers));
    }
    if (options_.peak) plan_.peak = options_.peak->layer;
    if (!timed) plan_.ladder = choose({});
  }

  Ladder choose(std::optional<MeasuredRate> const& rate) const {
    auto ladder = choose_ladder(space_, options_.budget, rate);
    return plan_.peak ? through_layer(std::move(ladder), space_, *plan_.peak) : ladder;
  }

  /// Nothing is overwritten, but for what this tune has written itself.
  void check_target() const {
    auto const& target = options_.hparams;
    std::error_code unreadable;
    if (target.empty()) return;
    auto const parent = std::filesystem::absolute(target).parent_path();
    if (!std::filesystem::is_directory(parent, unreadable))
      throw UserError(fmt::format("There is no folder '{}' for the hparams file '{}' (--hparams). Make it first.",
                                  parent.string(), target.string()));
    if (std::filesystem::is_directory(target, unreadable))
      throw UserError("'" + target.string() + "' (--hparams) is a folder. Name the hparams file to write.");
    if (options_.overwrite || !std::filesystem::exists(target, unreadable)) return;
    auto const own = options_.folder / "hparams.yaml";
    if (std::filesystem::exists(own, unreadable) && read_file(own) == read_file(target)) return;
    throw UserError("The file '" + target.string() + "' (--hparams) exists already. Name another one, or add --overwrite.");
  }

  /// A folder without a ladder is no tune's, or that of one which has written no file of its own yet. One with a ladder is of a
  /// tune that differs in nothing but its probe facts.
  void require_own_folder() const {
    auto const& folder = options_.folder;
    auto const exists = [&](char const* name) { return std::filesystem::exists(folder / name); };
    if (exists("plan.json"))
      throw UserError("The folder " + folder.string() + " holds the run of a study. Use another folder for --out.");
    if (auto const stored = stored_plan()) {
      auto wanted = plan_;
      wanted.probes = stored->probes;
      return require_same_tune(*stored, wanted, folder);
    }
    for (auto const* product : {"probes.json", "hparams.yaml", "trials.csv", "trials.json", "layers.svg"}) {
      if (exists(product))
        throw UserError(
            fmt::format("The folder {} has a file {} that no tune with this command wrote. Use another folder for --out.",
                        folder.string(), product));
    }
  }

  /// The plan that the folder keeps.
  std::optional<TunePlan> stored_plan() const {
    auto const file = plan_file(options_.folder);
    if (!std::filesystem::exists(file)) return std::nullopt;
    return tune_plan_from_json(read_file(file), file.string());
  }

  /// Whether a rate has to be measured before there can be a ladder.
  bool open_folder(std::optional<RunLock>& lock) {
    require_own_folder();
    make_folder(options_.folder);
    lock.emplace(options_.folder, "", std::chrono::seconds(3));  // ranks of a killed start may be dying still
    if (auto const stored = stored_plan()) {
      require_same_tune(*stored, plan_, options_.folder);
      plan_ = *stored;
    }
    return plan_.ladder.empty();
  }

  RunEnding run_rung(std::string const& name, std::vector<TuneCandidate> const& candidates, std::filesystem::path const& probes,
                     std::size_t facts) {
    auto const rung =
        rung_study(study_, fmt::format("{} tune {}", study_.name, name), candidates, probes, facts, unit_of(space_));
    RunOptions run{.folder = options_.folder / name, .objects = objects_folder(), .deadline = options_.deadline};
    if (options_.time_limit > 0) {
      auto const spent = std::chrono::duration<double>(TuneClock::now() - begin_).count();
      run.time_limit = std::max(1.0, options_.time_limit - spent);
    }
    return run_study(environment_, rung, run).ending;
  }

  /// A rung is the ground of the next one only when all of it is there, and so are all ranks.
  static bool may_go_on(RunEnding const& ending) {
    return ending.end == RunEnding::End::complete && ending.dead.empty() && !ending.stuck;
  }

  /// Edits the first unit in the lowest layer, which takes longest; the first rung uses the edits again. Its facts are beside it,
  /// for a tune whose budget is too small has no probe facts yet, and may begin again with fewer.
  RunEnding measure() {
    auto const unit = unit_of(space_);
    auto const name = fmt::format("rate-{}", unit);
    auto const folder = options_.folder / name;
    int attempt = 0;
    agree(world_, [&] {
      if (!leads()) return;
      make_folder(folder);
      write_file_atomically(folder / "probes.json",
                            counterfact_text({probes_.begin(), probes_.begin() + static_cast<std::ptrdiff_t>(unit)}));
      attempt = next_attempt(folder / "journal");
    });
    std::vector<TuneCandidate> candidates;
    auto const lowest = candidate_at(start(), 0, {});
    for (auto& hparams : solves_of(lowest.hparams)) candidates.push_back({std::move(hparams), {}});
    auto const begin = TuneClock::now();
    auto const ending = run_rung(name, candidates, folder / "probes.json", unit);
    auto const wall = std::chrono::duration<double>(TuneClock::now() - begin).count();
    agree(world_, [&] {
      if (!leads() || !may_go_on(ending)) return;
      plan_.rate = rate_of(read_journals(folder / "journal"), attempt, wall, world_.size());
      plan_.ladder = choose(plan_.rate);
    });
    return ending;
  }

  /// The plan as the folder keeps it, and from now on does, with the probe facts.
  std::string frozen_plan() const {
    auto const file = plan_file(options_.folder);
    if (!std::filesystem::exists(file)) write_file_atomically(file, to_json(plan_));
    write_file_atomically(probes_file(), counterfact_text(probes_));
    return read_file(file);
  }

  RunEnding climb(std::size_t place) {
    auto const& rung = plan_.ladder[place];
    auto const candidates = candidates_of(rung, trials_, start(), layers_, model_.mlp_norm ? 1 : layers_);
    if (candidates.empty()) return {.end = RunEnding::End::complete};  // no layer lies between
    if (leads()) {
      log_info(fmt::format("rung {} of {}: {}, {} on {}", place + 1, plan_.ladder.size(), name_of_kind(rung.kind),
                           counted(candidates.size(), "candidate"), counted(rung.facts, "fact")));
    }
    auto const name = fmt::format("rung-{}", place + 1);
    auto const ending = run_rung(name, candidates, probes_file(), rung.facts);
    if (!may_go_on(ending)) return ending;
    std::string text;
    agree(world_, [&] {
      if (leads())
        text =
            qualities_text(edit_qualities(read_study_file(options_.folder / name / "study.h5", tables_of_quality), probe_split));
    });
    add_trials(place, candidates, qualities_of(world_.broadcast(std::move(text), 0)));
    return ending;
  }

  void add_trials(std::size_t place, std::vector<TuneCandidate> const& candidates, Qualities const& qualities) {
    auto const facts = plan_.ladder[place].facts;
    for (auto const& candidate : candidates) {
      auto const found = qualities.find(name_of_settings(candidate.hparams));
      TuneTrial trial{candidate, place, facts, found == qualities.end() ? no_quality(facts) : found->second};
      auto const& quality = trial.quality;
      trial.drift =
          plan_.measure == DriftMeasure::perplexity ? quality.perplexity_ratio.value_or(unknown_score) : quality.neighborhood_kl;
      trial.fits = quality.score.n == static_cast<std::int64_t>(facts) && trial.drift <= plan_.max_drift;
      trials_.push_back(std::move(trial));
    }
  }

  std::string write_products() const {
    TuneResults const results{
        plan_, study_.name, options_.command, study_.model.checkpoint, study_.points.front().edit.facts_per_model, trials_};
    auto const& folder = options_.folder;
    write_file_atomically(folder / "trials.csv", trials_csv(results));
    write_file_atomically(folder / "trials.json", trials_json(results));
    write_file_atomically(folder / "layers.svg", layers_svg(results));
    auto text = table_text(results);
    auto const final = final_trials(trials_);
    auto const* const chosen = winner(final);
    if (chosen == nullptr) return text;
    auto const file = hparams_file(results, *chosen);
    check_target();  // again: it took a while
    write_file_atomically(folder / "hparams.yaml", file);
    if (!options_.hparams.empty()) write_file_atomically(options_.hparams, file);
    return text + "hparams file: " + (options_.hparams.empty() ? folder / "hparams.yaml" : options_.hparams).string() + "\n";
  }

  EditHparams const& start() const { return study_.points.front().edit.hparams; }

  Environment const& environment_;
  Communicator world_;
  Study study_;
  TuneOptions options_;
  TuneClock::time_point begin_;
  ModelConfig model_;
  int layers_ = 1;  ///< that may be edited
  std::vector<Fact> probes_;
  LadderSpace space_;
  TunePlan plan_;
  std::vector<TuneTrial> trials_;
};

}  // namespace

TuneOutcome tune_study(Environment const& environment, Study const& study, TuneOptions const& options) {
  auto outcome = Tune(environment, study, options).run();
  auto& ending = outcome.ending;
  if (ending.end == RunEnding::End::complete && (ending.stuck || !ending.dead.empty())) {
    ending.end = RunEnding::End::interrupted;
    ending.sentence = "Ranks were lost. The same command continues the tune.";
  }
  return outcome;
}

}  // namespace onemask
