#include <onemask/core/invariant.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/data/fact_prompts.hpp>
#include <onemask/plan/task_list.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <unordered_map>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::array<char const*, task_kinds> id_prefixes{
    "moments",     "null space",    "edit",         "solve",     "mask",    "evaluation", "perplexity",
    "masked edit", "masked values", "masked solve", "injection", "tracing", "analysis"};

constexpr auto nobody = std::numeric_limits<std::uint32_t>::max();

std::uint32_t number(std::size_t value) {
  invariant(value < nobody, "there are ", value, " tasks");
  return static_cast<std::uint32_t>(value);
}

/// Builds the graph, kind after kind.
class Lister {
 public:
  Lister(Plan const& plan, Study const& study, TaskRates const& rates) : plan_(plan), study_(study), rates_(rates) {
    list_.graph.kinds.assign(kind_names().begin(), kind_names().end());
  }

  TaskList make(Stage last) {
    edits();
    if (last != Stage::edit) masks();
    if (last != Stage::edit && last != Stage::mask) {
      evaluations();
      perplexity();
      injections();
      tracing();
      analyses();
    }
    invariant(list_.planned.size() == list_.graph.tasks.size(), "of ", list_.graph.tasks.size(), " tasks, ", list_.planned.size(),
              " are planned");
    return std::move(list_);
  }

 private:
  using Tasks = std::vector<std::uint32_t>;

  std::uint32_t add(TaskKind kind, std::size_t index, Tasks after) {
    PlannedTask const planned{kind, number(index)};
    // A task without a duration would be a join.
    auto const seconds = std::max(1e-6, units_of(plan_, study_, planned) * rates_.seconds[static_cast<std::size_t>(kind)]);
    list_.graph.tasks.push_back({.kind = static_cast<std::uint32_t>(kind), .seconds = seconds, .after = std::move(after)});
    list_.planned.push_back(planned);
    return number(list_.planned.size() - 1);
  }

  /// Passed when all these are done; of one task that task itself.
  std::uint32_t join(Tasks after) {
    std::sort(after.begin(), after.end());
    after.erase(std::unique(after.begin(), after.end()), after.end());
    if (after.size() == 1) return after.front();
    list_.graph.tasks.push_back({.after = std::move(after)});
    list_.planned.push_back({});
    return number(list_.planned.size() - 1);
  }

  /// The task that makes the first of its objects, added when there is none yet.
  std::uint32_t add_once(TaskKind kind, std::size_t index, Tasks after) {
    auto const key = objects_of(plan_, {kind, number(index)}).front();
    auto const found = by_object_.find(key);
    if (found != by_object_.end()) return found->second;
    return by_object_[key] = add(kind, index, std::move(after));
  }

  /// What a solve for many facts waits for beside their values.
  Tasks needed_for_solve(std::size_t set) const {
    auto const& hparams = plan_.sets[set].options.hparams;
    Tasks after;
    if (needs_moments(hparams)) after = moments_;
    if (hparams.method == EditMethod::alphaedit) after.insert(after.end(), spaces_.begin(), spaces_.end());
    return after;
  }

  void edits() {
    if (!plan_.moments.empty()) {
      moments_.push_back(add(TaskKind::moments, 0, {}));
      list_.graph.tasks.back().parts = 1U << 20;  // any number of ranks can share a corpus
    }
    for (std::size_t t = 0; t < plan_.null_spaces.size(); ++t) spaces_.push_back(add_once(TaskKind::null_space, t, moments_));
    // Rounds of a sequence of batches come one after the other, whatever order the plan lists them in.
    makers_.assign(plan_.sets.size(), Tasks(plan_.facts.size(), nobody));
    std::unordered_map<std::string, std::uint32_t> values;
    for (std::size_t round = 0; round < plan_.rounds; ++round) {
      for (std::size_t t = 0; t < plan_.edits.size(); ++t) {
        auto const& task = plan_.edits[t];
        if (task.round != round) continue;
        auto const& hparams = plan_.sets[task.set].options.hparams;
        Tasks after;
        if (task.key.empty() && needs_moments(hparams)) after = moments_;
        if (!task.previous.empty()) after.push_back(by_object_.at(task.previous));
        auto const id = add_once(TaskKind::edit, t, std::move(after));
        if (!task.key.empty()) values[task.key] = id;
        if (task.key.empty()) {
          for (auto fact : task.facts) makers_[task.set][fact] = id;
        }
      }
      for (std::size_t t = 0; t < plan_.solves.size(); ++t) {
        auto const& task = plan_.solves[t];
        if (task.round != round) continue;
        auto after = needed_for_solve(task.set);
        for (auto const& key : task.values) after.push_back(values.at(key));
        if (!task.previous.empty()) after.push_back(by_object_.at(task.previous));
        auto const id = add_once(TaskKind::batch_edit, t, std::move(after));
        for (auto fact : task.facts) makers_[task.set][fact] = id;
      }
    }
    // In a sequence a fact is in the model that its last batch makes.
    for (std::size_t s = 0; s < plan_.sets.size(); ++s) {
      if (!plan_.sets[s].in_batches) continue;
      for (std::size_t f = 0; f < plan_.facts.size(); ++f) makers_[s][f] = by_object_.at(plan_.sets[s].keys[f]);
    }
    for (auto const& makers : makers_)
      invariant(std::find(makers.begin(), makers.end(), nobody) == makers.end(), "no task makes the edit of a fact");
  }

  void masks() {
    std::map<std::pair<std::size_t, std::vector<std::size_t>>, std::uint32_t> edited;  // by set and training facts
    for (std::size_t m = 0; m < plan_.masks.size(); ++m) {
      auto const& task = plan_.masks[m];
      if (!task.members.empty()) {
        Tasks members;
        for (auto const member : task.members) members.push_back(trained_[member]);
        trained_.push_back(add_once(TaskKind::mask, m, std::move(members)));
        continue;
      }
      auto training = task.training;
      training.insert(training.end(), task.held_back.begin(), task.held_back.end());
      auto const [found, is_new] = edited.try_emplace({task.set, training}, nobody);
      if (is_new) {
        Tasks makers;
        for (auto fact : training) makers.push_back(makers_[task.set][fact]);
        found->second = join(std::move(makers));
      }
      auto const id = add_once(TaskKind::mask, m, {found->second});
      auto& shared = list_.graph.tasks[id];
      auto const batch = std::min<std::size_t>(static_cast<std::size_t>(task.options.batch), training.size());
      shared.parts = std::max(1U, number((batch + static_cast<std::size_t>(task.options.micro_batch) - 1) /
                                         static_cast<std::size_t>(task.options.micro_batch)));
      shared.ranks = number(static_cast<std::size_t>(study_.ranks_per_mask));
      if (shared.ranks > 1) shared.parts = std::max(shared.parts, 2U);
      trained_.push_back(id);
    }
    invariant(trained_.size() == plan_.masks.size(), trained_.size(), " of ", plan_.masks.size(), " masks are trained");
  }

  /// Of each mask the first one that scores as it does.
  std::vector<std::size_t> first_masks_alike() const {
    std::vector<std::size_t> first;
    std::map<std::tuple<std::string, double, std::optional<double>, std::size_t, std::vector<bool>>, std::size_t> known;
    for (std::size_t m = 0; m < plan_.masks.size(); ++m) {
      auto const& mask = plan_.masks[m];
      auto const& options = mask.options;
      first.push_back(known.try_emplace({mask.key, options.threshold, options.zeros, mask.set, mask.left_out}, m).first->second);
    }
    return first;
  }

  void evaluations() {
    std::map<std::pair<std::size_t, std::size_t>, std::uint32_t> edited;  // by set and first fact
    std::map<std::pair<std::size_t, std::size_t>, std::uint32_t> affinities;
    auto const first_like = first_masks_alike();
    for (std::size_t t = 0; t < plan_.evaluations.size(); ++t) {
      auto const& task = plan_.evaluations[t];
      auto const place = std::pair(task.set, task.first);
      Tasks after;
      auto const found = edited.find(place);
      if (found == edited.end()) {
        auto const& makers = makers_[task.set];
        auto const first = makers.begin() + static_cast<std::ptrdiff_t>(task.first);
        after = {join({first, first + static_cast<std::ptrdiff_t>(task.count)})};
        edited[place] = after.front();
        affinities[place] = number(affinities.size() + 1);
      } else {
        after = {found->second};
      }
      if (task.mask >= 0) {
        auto const m = static_cast<std::size_t>(task.mask);
        if (first_like[m] != m) continue;
        after.push_back(trained_[m]);
      }
      list_.graph.tasks[add(TaskKind::evaluation, t, std::move(after))].affinity = affinities[place];
    }
  }

  void perplexity() {
    for (std::size_t t = 0; t < plan_.text_tasks.size(); ++t) {
      auto const& model = plan_.text_models[plan_.text_tasks[t].model];
      Tasks after;
      auto const& condition = plan_.conditions[model.condition];
      if (model.fact) after.push_back(makers_[condition.set][*model.fact]);
      if (!model.fact && !model.edited.empty()) after.push_back(by_object_.at(model.edited));
      auto const mask = condition.mask;
      if (mask >= 0) after.push_back(trained_[static_cast<std::size_t>(mask)]);
      auto const id = add(TaskKind::perplexity, t, std::move(after));
      // The first affinities are those of the evaluation, one for each batch of facts. Models of one fact each share what is
      // below their edits.
      auto const shared = model.fact ? plan_.text_models.size() + plan_.text_tasks[t].piece : plan_.text_tasks[t].model;
      list_.graph.tasks[id].affinity = number(plan_.evaluations.size() + 1 + shared);
    }
  }

  /// Edits under a mask wait for the mask, in a sequence also for those before them; scores wait for their edits.
  void injections() {
    for (std::size_t t = 0; t < plan_.masked_values.size(); ++t)
      add_once(TaskKind::masked_values, t, {trained_[static_cast<std::size_t>(plan_.masked_values[t].under.mask)]});
    for (std::size_t t = 0; t < plan_.masked_solves.size(); ++t) {
      auto const& task = plan_.masked_solves[t];
      auto after = needed_for_solve(task.set);
      for (auto const& key : task.values) after.push_back(by_object_.at(key));
      add_once(TaskKind::masked_solve, t, std::move(after));
    }
    for (std::size_t t = 0; t < plan_.injections.size(); ++t) {
      auto const& task = plan_.injections[t];
      Tasks after;
      if (needs_moments(plan_.sets[task.set].options.hparams)) after = moments_;
      if (task.under.mask >= 0) after.push_back(trained_[static_cast<std::size_t>(task.under.mask)]);
      if (task.earlier > 0) after.push_back(by_object_.at(plan_.injections[t - 1].edits.front()));
      if (task.in_one_model) {
        after.clear();
        for (auto const* keys : {&task.edits, &task.adaptive_edits}) {
          for (auto const& key : *keys) after.push_back(by_object_.at(key));
        }
      } else if (task.makes_edits()) {
        after = {add_once(TaskKind::masked_edit, t, std::move(after))};
      } else {
        Tasks makers;
        for (auto fact : task.facts) makers.push_back(makers_[task.set][fact]);
        after = {join(std::move(makers))};
      }
      add_once(TaskKind::injection, t, std::move(after));
    }
  }

  /// Of the unedited model. Those of the same facts share the states that they restore.
  void tracing() {
    // The affinities before these are those of the evaluation and of perplexity.
    auto const taken = plan_.evaluations.size() + 1 + plan_.text_models.size() + plan_.text_tasks.size();
    for (std::size_t t = 0; t < plan_.tracings.size(); ++t)
      list_.graph.tasks[add(TaskKind::tracing, t, {})].affinity = number(taken + plan_.tracings[t].facts.front() + 1);
  }

  /// Facts of a task are looked at under every mask; what is below the edits is shared.
  void analyses() {
    std::map<std::pair<std::size_t, std::vector<std::size_t>>, std::uint32_t> affinities;
    // Behind those of the evaluation, of perplexity and of tracing.
    auto const taken = plan_.evaluations.size() + plan_.text_models.size() + plan_.text_tasks.size() + plan_.facts.size() + 2;
    for (std::size_t t = 0; t < plan_.analyses.size(); ++t) {
      auto const& task = plan_.analyses[t];
      Tasks makers;
      for (auto fact : task.facts) makers.push_back(makers_[task.set][fact]);
      Tasks after{join(std::move(makers))};
      if (task.mask >= 0) after.push_back(trained_[static_cast<std::size_t>(task.mask)]);
      auto const id = add_once(TaskKind::analysis, t, std::move(after));
      auto const next = number(taken + affinities.size());
      list_.graph.tasks[id].affinity = affinities.try_emplace({task.set, task.facts}, next).first->second;
    }
  }

  Plan const& plan_;
  Study const& study_;
  TaskRates const& rates_;
  TaskList list_;
  std::unordered_map<std::string, std::uint32_t> by_object_;
  std::vector<Tasks> makers_;  ///< of each set and fact: the task that makes its edit
  Tasks trained_;              ///< of each mask
  Tasks moments_;              ///< the task that makes all of them, if there is one
  Tasks spaces_;               ///< those that make null spaces
};

}  // namespace

std::array<std::string, task_kinds> const& kind_names() {
  static std::array<std::string, task_kinds> const names{"second moments",
                                                         "null spaces",
                                                         "edits",
                                                         "batch edits",
                                                         "masks",
                                                         "evaluation",
                                                         "perplexity",
                                                         "edits under masks",
                                                         "values under masks",
                                                         "batch edits under masks",
                                                         "injection",
                                                         "tracing",
                                                         "analysis"};
  return names;
}

std::string task_id(Plan const& plan, PlannedTask task) {
  auto const* const kind = id_prefixes[static_cast<std::size_t>(task.kind)];
  auto const index = task.index;
  switch (task.kind) {
    case TaskKind::moments:
      return fmt::format("{}/all", kind);
    case TaskKind::null_space:
      return fmt::format("{}/{}/{}", kind, plan.null_spaces[index].layer, index);
    case TaskKind::edit:
      return fmt::format("{}/{}/{}/{}", kind, plan.edits[index].set, plan.edits[index].round, plan.edits[index].facts.front());
    case TaskKind::batch_edit:
      return fmt::format("{}/{}/{}", kind, plan.solves[index].set, plan.solves[index].facts.front());
    case TaskKind::mask:
      return fmt::format("{}/{}", kind, plan.masks[index].name);
    case TaskKind::evaluation:
      return fmt::format("{}/{}/{}/{}", kind, plan.evaluations[index].set, plan.evaluations[index].mask,
                         plan.evaluations[index].first);
    case TaskKind::perplexity:
      return fmt::format("{}/{}/{}", kind, plan.text_tasks[index].model, plan.text_tasks[index].piece);
    case TaskKind::masked_values: {
      auto const& own = plan.masked_values[index];
      return fmt::format("{}/{}/{}/{}/{}", kind, own.set, own.under.mask, to_string(own.under.kind), own.facts.front());
    }
    case TaskKind::masked_solve: {
      auto const& own = plan.masked_solves[index];
      return fmt::format("{}/{}/{}/{}/{}/{}", kind, own.set, own.under.mask, to_string(own.under.kind),
                         own.adaptive ? "adaptive" : "usual", own.facts.front());
    }
    case TaskKind::masked_edit:
    case TaskKind::injection: {
      auto const& own = plan.injections[index];
      return fmt::format("{}/{}/{}/{}/{}/{}", kind, own.set, own.under.mask, to_string(own.under.kind),
                         own.sequential ? "sequential" : "single", own.facts.front());
    }
    case TaskKind::tracing: {
      auto const& own = plan.tracings[index];
      return fmt::format("{}/{}/{}", kind, name_of(trace_kind_names, own.kind), own.facts.front());
    }
    case TaskKind::analysis: {
      auto const& own = plan.analyses[index];
      return fmt::format("{}/{}/{}/{}", kind, own.set, own.mask, own.facts.front());
    }
  }
  throw std::logic_error("a task of no kind");
}

TaskKind kind_of_id(std::string const& id) {
  auto const prefix = id.substr(0, id.find('/'));
  auto const found = std::find(id_prefixes.begin(), id_prefixes.end(), prefix);
  if (found == id_prefixes.end()) throw std::out_of_range("no kind of task has the id '" + id + "'");
  return static_cast<TaskKind>(found - id_prefixes.begin());
}

std::vector<std::string> objects_of(Plan const& plan, PlannedTask task) {
  auto const index = task.index;
  switch (task.kind) {
    case TaskKind::moments: {
      std::vector<std::string> keys;
      for (auto const& [layer, key] : plan.moments) keys.push_back(key);
      return keys;
    }
    case TaskKind::null_space:
      return {plan.null_spaces[index].key};
    case TaskKind::edit: {
      auto const& edit = plan.edits[index];
      if (!edit.key.empty()) return {edit.key};
      std::vector<std::string> keys;
      for (auto fact : edit.facts) keys.push_back(plan.sets[edit.set].keys[fact]);
      return keys;
    }
    case TaskKind::batch_edit:
      return {plan.solves[index].key};
    case TaskKind::mask:
      return {plan.masks[index].key};
    case TaskKind::evaluation:
      return {plan.evaluations[index].key};
    case TaskKind::perplexity:
      return {plan.text_tasks[index].key};
    case TaskKind::masked_edit: {
      auto keys = plan.injections[index].edits;
      auto const& adaptive = plan.injections[index].adaptive_edits;
      keys.insert(keys.end(), adaptive.begin(), adaptive.end());
      return keys;
    }
    case TaskKind::masked_values:
      return {plan.masked_values[index].key};
    case TaskKind::masked_solve:
      return {plan.masked_solves[index].key};
    case TaskKind::injection:
      return {plan.injections[index].key};
    case TaskKind::tracing:
      return {plan.tracings[index].key};
    case TaskKind::analysis:
      return {plan.analyses[index].key};
  }
  throw std::logic_error("a task of no kind");
}

double units_of(Plan const& plan, Study const& study, PlannedTask task) {
  auto const index = task.index;
  auto const fact_steps = [&](auto const& own) {
    return static_cast<double>(own.facts.size()) * plan.sets[own.set].options.hparams.v_num_grad_steps;
  };
  switch (task.kind) {
    case TaskKind::moments:
      return static_cast<double>(study.moments.tokens > 0 ? study.moments.tokens : 1'000'000) *
             static_cast<double>(plan.moments.size());
    case TaskKind::null_space:
      return 1;
    case TaskKind::edit: {
      auto const& edit = plan.edits[index];
      auto const& hparams = plan.sets[edit.set].options.hparams;
      auto const steps = searches_values(hparams.method) ? hparams.v_num_grad_steps : 1;  // imported: read
      return static_cast<double>(edit.facts.size()) * steps;
    }
    case TaskKind::batch_edit:
      return static_cast<double>(plan.solves[index].facts.size());
    case TaskKind::mask: {
      auto const& mask = plan.masks[index];
      return mask.members.empty() ? static_cast<double>(mask.training.size()) * mask.options.epochs : 1;
    }
    case TaskKind::evaluation: {
      auto const& evaluation = plan.evaluations[index];
      auto const kinds = study.evaluation.kinds();
      auto const& asked = study.evaluation;
      constexpr double tokens_of_a_prompt = 8;  // about; the unit is a prompt
      double prompts = 0;
      for (std::size_t f = evaluation.first; f < evaluation.first + evaluation.count; ++f) {
        auto const& fact = plan.facts[f].fact;
        for (auto const kind : kinds) prompts += static_cast<double>(count_prompts(fact, kind));
        prompts += (asked.generate + asked.entropy * static_cast<double>(fact.generation_prompts.size())) / tokens_of_a_prompt;
      }
      auto const conditions = plan.conditions_of(evaluation.set, evaluation.mask).size();
      return prompts * static_cast<double>(conditions + 1);
    }
    case TaskKind::perplexity: {
      auto const pieces = std::max<std::size_t>(1, plan.text_models.front().keys.size());
      return static_cast<double>(plan.text_tokens) / static_cast<double>(pieces);
    }
    case TaskKind::masked_edit:
      return fact_steps(plan.injections[index]);
    case TaskKind::masked_values:
      return fact_steps(plan.masked_values[index]);
    case TaskKind::masked_solve:
      return static_cast<double>(plan.masked_solves[index].facts.size());
    case TaskKind::injection:
      return static_cast<double>(plan.injections[index].facts.size() * plan.injections[index].variants.size());
    case TaskKind::tracing:
      return static_cast<double>(plan.tracings[index].facts.size()) * study.tracing->samples;
    case TaskKind::analysis:
      return static_cast<double>(plan.analyses[index].facts.size() * plan.analyses[index].models().size());
  }
  throw std::logic_error("a task of no kind");
}

TaskList make_task_list(Plan const& plan, Study const& study, TaskRates const& rates, Stage last) {
  return Lister(plan, study, rates).make(last);
}

}  // namespace onemask
