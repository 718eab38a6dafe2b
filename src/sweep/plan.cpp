#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/random.hpp>
#include <onemask/sweep/plan.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace onemask {
namespace {

/// Raised when the meaning of stored objects changes, so that old ones are not found.
constexpr int object_version = 1;

void begin(Hasher& hasher, char const* kind, Fingerprints const& fingerprints) {
  hasher.text(kind).integer(object_version).text(fingerprints.model).text(fingerprints.tokenizer).text(fingerprints.execution);
}

/// What decides an edit or a value but for rounding.
std::string request_key(Fact const& fact, EditSet const& set, Plan const& plan, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin(hasher, "edit", fingerprints);
  auto const& hparams = set.options.hparams;
  if (!edits_in_batches(hparams.method) && needs_moments(hparams)) hasher.text(plan.moments.at(hparams.layer()));
  hasher.text(describe(hparams)).text(fact.prompt).text(fact.subject).text(fact.target_new).integer(fact.case_id);
  for (auto const& text : set.templates) hasher.text(text);
  return hasher.hex();
}

/// Cuts `facts` into parts of at most `size`.
std::vector<std::vector<std::size_t>> parts_of(std::vector<std::size_t> const& facts, int size) {
  std::vector<std::vector<std::size_t>> parts;
  for (auto fact : facts) {
    if (parts.empty() || std::ssize(parts.back()) == size) parts.emplace_back();
    parts.back().push_back(fact);
  }
  return parts;
}

/// The facts, those that share a subject one after the other.
std::vector<std::size_t> by_subject(std::vector<std::size_t> const& facts, Plan const& plan) {
  std::map<std::string, std::vector<std::size_t>> same;
  for (auto fact : facts) same[plan.facts[fact].fact.subject].push_back(fact);
  std::vector<std::size_t> result;
  for (auto fact : facts) {
    auto& group = same[plan.facts[fact].fact.subject];
    result.insert(result.end(), group.begin(), group.end());
    group.clear();
  }
  return result;
}

/// Units of facts whose values are searched for together; facts that share a value stay in one.
std::vector<std::vector<std::size_t>> value_parts(std::vector<std::size_t> const& facts, EditSet const& set, Plan const& plan) {
  if (set.options.hparams.method != EditMethod::memit_merge) return parts_of(facts, set.options.batch);
  std::vector<std::vector<std::size_t>> parts;
  auto const ordered = by_subject(facts, plan);
  auto const subject = [&](std::size_t fact) { return plan.facts[fact].fact.subject; };
  for (auto fact : ordered) {
    bool const full = parts.empty() || std::ssize(parts.back()) >= set.options.batch;
    if (full && (parts.empty() || subject(parts.back().back()) != subject(fact))) parts.emplace_back();
    parts.back().push_back(fact);
  }
  return parts;
}

std::string joined_key(std::vector<std::size_t> const& facts, std::vector<std::string> const& requests) {
  Hasher whole;
  for (auto fact : facts) whole.text(requests[fact]);
  return whole.hex();
}

/// Every fact is edited by itself: one object per fact. Facts that are edited in one unit move each other's last bits, so a key
/// names the whole unit and the place in it.
void plan_single_edits(EditSet& set, std::size_t index, std::vector<std::string> const& requests, Plan& plan) {
  std::vector<std::size_t> all(plan.facts.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (auto& facts : parts_of(all, set.options.batch)) {
    auto const name = joined_key(facts, requests);
    for (std::size_t i = 0; i < facts.size(); ++i)
      set.keys[facts[i]] = Hasher().text(name).integer(static_cast<long long>(i)).hex();
    plan.edits.push_back({index, 0, std::move(facts), {}, {}});
  }
}

std::string solve_key(SolveTask const& solve, EditSet const& set, std::vector<std::string> const& requests, Plan const& plan) {
  auto const& hparams = set.options.hparams;
  Hasher hasher;
  hasher.text("batch edit").integer(object_version).text(describe_solve(hparams)).text(solve.previous);
  for (auto const& key : solve.values) hasher.text(key);
  if (needs_moments(hparams)) {
    for (auto layer : hparams.layers) hasher.text(plan.moments.at(layer));
  }
  return hasher.text(joined_key(solve.facts, requests)).hex();
}

/// The facts of each split in order, those held back from training with the training split.
std::vector<std::vector<std::size_t>> split_groups(Plan const& plan, std::string const& train_split) {
  std::vector<std::vector<std::size_t>> groups;
  std::map<std::string, std::size_t> place;
  for (std::size_t f = 0; f < plan.facts.size(); ++f) {
    auto const& split = plan.facts[f].split == "validation" ? train_split : plan.facts[f].split;
    auto const [found, is_new] = place.try_emplace(split, groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(f);
  }
  return groups;
}

/// Plans the search for the facts' values in a model that carries `previous`; the units' objects, and which of them has each
/// fact.
std::map<std::size_t, std::string> plan_values(std::vector<std::size_t> const& facts, EditTask const& like, EditSet const& set,
                                               std::vector<std::string> const& requests, Plan& plan) {
  std::map<std::size_t, std::string> unit_of;
  for (auto& part : value_parts(facts, set, plan)) {
    auto task = like;
    task.key = Hasher().text("values").text(like.previous).text(joined_key(part, requests)).hex();
    for (auto fact : part) unit_of[fact] = task.key;
    // Ways of editing that differ only in the solve share their values.
    bool const known =
        std::any_of(plan.edits.begin(), plan.edits.end(), [&](auto const& other) { return other.key == task.key; });
    task.facts = std::move(part);
    if (!known) plan.edits.push_back(std::move(task));
  }
  return unit_of;
}

/// Facts are written into models in batches: values first, in units, then one solve per batch. Splits never share a batch.
void plan_batch_edits(EditSet& set, std::size_t index, std::vector<std::string> const& requests, std::string const& train_split,
                      Plan& plan) {
  auto const& options = set.options;
  auto const method = options.hparams.method;
  bool const searches = method != EditMethod::ft_l;
  // Values do not depend on the batch, unless it goes into a model that others changed, or facts of a batch share them.
  bool const by_batch = options.sequential || method == EditMethod::memit_merge;
  for (auto const& group : split_groups(plan, train_split)) {
    std::map<std::size_t, std::string> unit_of;
    if (searches && !by_batch) unit_of = plan_values(group, {index, 0, {}, {}, {}}, set, requests, plan);
    std::string previous;
    std::size_t round = 0;
    for (auto& batch : parts_of(group, options.facts_per_model > 0 ? options.facts_per_model : static_cast<int>(group.size()))) {
      if (searches && by_batch) unit_of = plan_values(batch, {index, round, {}, previous, {}}, set, requests, plan);
      SolveTask solve{index, round, std::move(batch), {}, previous, {}};
      for (auto fact : solve.facts) {
        if (searches && std::find(solve.values.begin(), solve.values.end(), unit_of[fact]) == solve.values.end())
          solve.values.push_back(unit_of[fact]);
      }
      solve.key = solve_key(solve, set, requests, plan);
      for (auto fact : solve.facts) set.keys[fact] = solve.key;
      plan.rounds = std::max(plan.rounds, round + 1);
      if (options.sequential) {
        previous = solve.key;
        ++round;
      }
      plan.solves.push_back(std::move(solve));
    }
    // All facts of a sequence are in the model that it ends with.
    if (options.sequential) {
      for (auto fact : group) set.keys[fact] = previous;
    }
  }
}

/// Adds the way of editing, or finds the equal one, and plans its tasks.
std::size_t add_set(EditSet set, std::string const& train_split, Fingerprints const& fingerprints, Plan& plan) {
  std::vector<std::string> requests;
  for (auto const& item : plan.facts) requests.push_back(request_key(item.fact, set, plan, fingerprints));
  auto const& options = set.options;
  Hasher hasher;
  for (auto const& request : requests) hasher.text(request);
  hasher.text(describe_solve(options.hparams))
      .integer(options.batch)
      .integer(options.facts_per_model)
      .integer(options.sequential);
  set.id = hasher.hex();
  auto const same = std::find_if(plan.sets.begin(), plan.sets.end(), [&](auto const& other) { return other.id == set.id; });
  if (same != plan.sets.end()) return static_cast<std::size_t>(same - plan.sets.begin());
  set.keys.resize(plan.facts.size());
  if (edits_in_batches(options.hparams.method)) {
    plan_batch_edits(set, plan.sets.size(), requests, train_split, plan);
  } else {
    plan_single_edits(set, plan.sets.size(), requests, plan);
  }
  if (set.options.hparams.method == EditMethod::alphaedit) {
    for (auto layer : set.options.hparams.layers) {
      NullSpaceTask task{layer, set.options.hparams.nullspace_threshold, {}};
      task.key = null_space_key(plan.moments.at(layer), task.threshold);
      auto const known = [&](auto const& other) { return other.key == task.key; };
      if (std::none_of(plan.null_spaces.begin(), plan.null_spaces.end(), known)) plan.null_spaces.push_back(std::move(task));
    }
  }
  plan.sets.push_back(std::move(set));
  return plan.sets.size() - 1;
}

/// A mask over a batch-edited model needs its training facts in one model.
void require_one_model(Plan const& plan, EditSet const& set, Study const& study) {
  if (!edits_in_batches(set.options.hparams.method)) return;
  std::set<std::string> models;
  for (auto const& split : {study.train_split, std::string("validation")}) {
    for (auto fact : plan.facts_of(split)) models.insert(set.keys[fact]);
  }
  if (models.size() == 1) return;
  throw UserError("The study '" + study.name + "' trains masks on the split '" + study.train_split + "', whose facts " +
                  to_string(set.options.hparams.method) + " spreads over " + std::to_string(models.size()) +
                  " edited models. Set edit.facts_per_model to 0, so that one model holds them all, or 'mask: none'.");
}

std::string mask_key(MaskTask const& mask, Plan const& plan, Fingerprints const& fingerprints, std::string const& train_split) {
  Hasher hasher;
  begin(hasher, "mask", fingerprints);
  hasher.text(describe(mask.options)).integer(static_cast<long long>(mask.seed));
  for (auto const& split : {train_split, std::string("validation")}) {
    auto const facts = plan.facts_of(split);
    hasher.integer(static_cast<long long>(facts.size()));
    for (auto fact : facts) {
      auto const& record = plan.facts[fact].fact;
      hasher.text(plan.sets[mask.set].keys[fact]).text(record.target_true);
      for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    }
  }
  return hasher.hex();
}

std::string evaluation_key(EvaluationTask const& task, Plan const& plan, Study const& study, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin(hasher, "evaluation", fingerprints);
  hasher.integer(study.peer_compatible).integer(study.evaluation.paraphrases).integer(study.evaluation.neighborhood);
  for (std::size_t c = 0; c < plan.conditions.size(); ++c) {
    auto const& condition = plan.conditions[c];
    if (condition.set != task.set) continue;
    hasher.integer(static_cast<long long>(c)).text(condition.kind);
    if (condition.mask >= 0) {
      auto const& mask = plan.masks[static_cast<std::size_t>(condition.mask)];
      hasher.text(mask.key).number(mask.options.threshold);
    }
  }
  for (auto fact = task.first; fact < task.first + task.count; ++fact) {
    auto const& record = plan.facts[fact].fact;
    hasher.integer(static_cast<long long>(fact)).text(plan.sets[task.set].keys[fact]).text(record.target_true);
    for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    if (!study.evaluation.neighborhood) continue;
    hasher.integer(static_cast<long long>(record.neighborhood_prompts.size()));
    for (auto const& neighbor : record.neighborhood_prompts) hasher.text(neighbor);
  }
  return hasher.hex();
}

/// Who the text is scored under: the unedited model, it under every mask; and, where all facts of a split share an edited model,
/// that one, and it under every mask.
std::vector<TextModel> text_models(Plan const& plan) {
  std::vector<std::string> splits;                                              // in the order of the facts
  std::map<std::pair<std::size_t, std::string>, std::set<std::string>> edited;  // by set and split
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    if (!edits_in_batches(plan.sets[s].options.hparams.method)) continue;
    for (std::size_t f = 0; f < plan.facts.size(); ++f) {
      auto const& split = plan.facts[f].split;
      if (split == "validation") continue;  // in the training split's model
      if (std::find(splits.begin(), splits.end(), split) == splits.end()) splits.push_back(split);
      edited[{s, split}].insert(plan.sets[s].keys[f]);
    }
  }
  std::vector<TextModel> models;
  for (std::size_t c = 0; c < plan.conditions.size(); ++c) {
    auto const& condition = plan.conditions[c];
    if (condition.kind == "original" || condition.kind == "original_masked") models.push_back({c, "all", {}, {}});
    if (condition.kind != "edited" && condition.kind != "mask") continue;
    for (auto const& split : splits) {
      auto const found = edited.find({condition.set, split});
      if (found != edited.end() && found->second.size() == 1) models.push_back({c, split, *found->second.begin(), {}});
    }
  }
  return models;
}

void plan_perplexity(std::vector<TextPiece> const& text, Fingerprints const& fingerprints, Plan& plan) {
  if (text.empty()) return;
  for (auto const& piece : text) plan.text_tokens += piece.tokens;
  plan.text_models = text_models(plan);
  std::set<std::string> known;
  for (std::size_t m = 0; m < plan.text_models.size(); ++m) {
    auto& model = plan.text_models[m];
    auto const mask = plan.conditions[model.condition].mask;
    for (std::size_t p = 0; p < text.size(); ++p) {
      Hasher hasher;
      begin(hasher, "perplexity", fingerprints);
      hasher.text(model.edited).text(text[p].id);
      if (mask >= 0) {
        auto const& task = plan.masks[static_cast<std::size_t>(mask)];
        hasher.text(task.key).number(task.options.threshold);
      }
      model.keys.push_back(hasher.hex());
      if (known.insert(model.keys.back()).second) plan.text_tasks.push_back({m, p, model.keys.back()});
    }
  }
}

std::string with_name(std::string const& what, std::string const& name) {
  return name.empty() ? what : what + " (" + name + ")";
}

}  // namespace

std::vector<std::size_t> Plan::facts_of(std::string const& split) const {
  std::vector<std::size_t> indices;
  for (std::size_t f = 0; f < facts.size(); ++f) {
    if (facts[f].split == split) indices.push_back(f);
  }
  return indices;
}

std::vector<SplitFact> study_facts(Study const& study) {
  auto facts = select_facts(study.facts, study.base);
  std::vector<std::size_t> training;
  for (std::size_t f = 0; f < facts.size(); ++f) {
    if (facts[f].split == study.train_split) training.push_back(f);
  }
  auto const share = study.masks ? study.points.front().mask.validation_share : 0;
  auto const held_back = static_cast<std::size_t>(std::floor(share * static_cast<double>(training.size())));
  auto const order = RandomStream({stream::split, training.size()}).permutation(training.size());
  for (std::size_t i = 0; i < held_back; ++i) facts[training[order[i]]].split = "validation";
  return facts;
}

std::vector<int> moment_layers(Study const& study) {
  std::set<int> layers;
  for (auto const& point : study.points) {
    auto const& hparams = point.edit.hparams;
    if (needs_moments(hparams)) layers.insert(hparams.layers.begin(), hparams.layers.end());
  }
  return {layers.begin(), layers.end()};
}

std::string null_space_key(std::string const& moment, double threshold) {
  return Hasher().text("null space").integer(object_version).text(moment).number(threshold).hex();
}

Plan make_plan(Study const& study, Fingerprints const& fingerprints, std::vector<ContextTemplates> const& templates,
               std::map<int, std::string> const& moments, std::vector<TextPiece> const& text) {
  Plan plan;
  plan.facts = study_facts(study);
  plan.moments = moments;
  if (study.masks && plan.facts_of(study.train_split).empty()) {
    throw UserError("The study '" + study.name + "' leaves no fact in its split '" + study.train_split + "' to train masks on.");
  }
  for (std::size_t p = 0; p < study.points.size(); ++p) {
    auto const& point = study.points[p];
    if (point.mask.validation_share != study.points.front().mask.validation_share) {
      throw UserError("The study '" + study.name +
                      "' sweeps mask.validation_share, but all its masks share one split. Run it once per value.");
    }
    auto const set = add_set({point.edits, point.edit, templates[p], {}, {}}, study.train_split, fingerprints, plan);
    if (!point.masked) continue;
    require_one_model(plan, plan.sets[set], study);
    MaskTask mask{set, point.name, point.settings, point.mask, point.mask_seed, {}};
    mask.key = mask_key(mask, plan, fingerprints, study.train_split);
    plan.masks.push_back(std::move(mask));
  }
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto const& set = plan.sets[s];
    plan.conditions.push_back({with_name("original", set.name), "original", s, -1});
    plan.conditions.push_back({with_name("edited", set.name), "edited", s, -1});
    for (std::size_t m = 0; m < plan.masks.size(); ++m) {
      if (plan.masks[m].set != s) continue;
      auto const add = [&](std::string const& kind, std::string const& name) {
        plan.conditions.push_back({name, kind, s, static_cast<std::ptrdiff_t>(m)});
      };
      auto const& name = plan.masks[m].name;
      add("mask", name);
      for (auto const& baseline : study.evaluation.baselines) add(baseline, with_name(baseline, name));
      if (study.evaluation.masked_original) add("original_masked", with_name("original", name));
    }
  }
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto const batch = static_cast<std::size_t>(study.evaluation.batch);
    for (std::size_t first = 0; first < plan.facts.size(); first += batch) {
      EvaluationTask task{s, first, std::min(batch, plan.facts.size() - first), {}};
      task.key = evaluation_key(task, plan, study, fingerprints);
      plan.evaluations.push_back(std::move(task));
    }
  }
  plan_perplexity(text, fingerprints, plan);
  Hasher hasher;
  for (auto const& set : plan.sets) {
    for (auto const& key : set.keys) hasher.text(key);
  }
  for (auto const& task : plan.solves) hasher.text(task.key);
  for (auto const& mask : plan.masks) hasher.text(mask.key);
  for (auto const& task : plan.evaluations) hasher.text(task.key);
  for (auto const& task : plan.text_tasks) hasher.text(task.key);
  plan.id = hasher.hex();
  return plan;
}

}  // namespace onemask
