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

/// What is in the plan already, by object or hash.
struct Known {
  std::set<std::string> values, null_spaces;
  std::map<std::string, std::size_t> sets;
};

/// Plans the search for the facts' values in a model that carries `previous`; the units' objects, and which of them has each
/// fact.
std::map<std::size_t, std::string> plan_values(std::vector<std::size_t> const& facts, EditTask const& like, EditSet const& set,
                                               std::vector<std::string> const& requests, Plan& plan, Known& known) {
  std::map<std::size_t, std::string> unit_of;
  for (auto& part : value_parts(facts, set, plan)) {
    auto task = like;
    task.key = Hasher().text("values").text(like.previous).text(joined_key(part, requests)).hex();
    for (auto fact : part) unit_of[fact] = task.key;
    task.facts = std::move(part);
    // Ways of editing that differ only in the solve share their values.
    if (known.values.insert(task.key).second) plan.edits.push_back(std::move(task));
  }
  return unit_of;
}

/// Facts are written into models in batches: values first, in units, then one solve per batch. Splits never share a batch.
void plan_batch_edits(EditSet& set, std::size_t index, std::vector<std::string> const& requests, std::string const& train_split,
                      Plan& plan, Known& known) {
  auto const& options = set.options;
  auto const method = options.hparams.method;
  bool const searches = method != EditMethod::ft_l;
  // Values do not depend on the batch, unless it goes into a model that others changed, or facts of a batch share them.
  bool const by_batch = options.sequential || method == EditMethod::memit_merge;
  for (auto const& group : split_groups(plan, train_split)) {
    std::map<std::size_t, std::string> unit_of;
    if (searches && !by_batch) unit_of = plan_values(group, {index, 0, {}, {}, {}}, set, requests, plan, known);
    std::string previous;
    std::size_t round = 0;
    for (auto& batch : parts_of(group, options.facts_per_model > 0 ? options.facts_per_model : static_cast<int>(group.size()))) {
      if (searches && by_batch) unit_of = plan_values(batch, {index, round, {}, previous, {}}, set, requests, plan, known);
      SolveTask solve{index, round, std::move(batch), {}, previous, {}};
      std::set<std::string> units;
      for (auto fact : solve.facts) {
        if (searches && units.insert(unit_of[fact]).second) solve.values.push_back(unit_of[fact]);
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
std::size_t add_set(EditSet set, std::string const& train_split, Fingerprints const& fingerprints, Plan& plan, Known& known) {
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
  auto const [same, is_new] = known.sets.try_emplace(set.id, plan.sets.size());
  if (!is_new) return same->second;
  set.keys.resize(plan.facts.size());
  if (edits_in_batches(options.hparams.method)) {
    plan_batch_edits(set, plan.sets.size(), requests, train_split, plan, known);
  } else {
    plan_single_edits(set, plan.sets.size(), requests, plan);
  }
  if (set.options.hparams.method == EditMethod::alphaedit) {
    for (auto layer : set.options.hparams.layers) {
      NullSpaceTask task{layer, set.options.hparams.nullspace_threshold, {}};
      task.key = null_space_key(plan.moments.at(layer), task.threshold);
      if (known.null_spaces.insert(task.key).second) plan.null_spaces.push_back(std::move(task));
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

std::string with_name(std::string const& what, std::string const& name) {
  return name.empty() ? what : what + " (" + name + ")";
}

/// What the facts of the training split, with those held back, add to the name of a mask over their edits.
std::string training_key(EditSet const& set, Plan const& plan, std::string const& train_split) {
  Hasher hasher;
  for (auto const& split : {train_split, std::string("validation")}) {
    auto const facts = plan.facts_of(split);
    hasher.integer(static_cast<long long>(facts.size()));
    for (auto fact : facts) {
      auto const& record = plan.facts[fact].fact;
      hasher.text(set.keys[fact]).text(record.target_true);
      for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    }
  }
  return hasher.hex();
}

std::string mask_key(MaskTask const& mask, std::string const& training, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin(hasher, "mask", fingerprints);
  return hasher.text(describe(mask.options)).integer(static_cast<long long>(mask.seed)).text(training).hex();
}

/// What some facts of a set add to the name of their scores.
std::string scored_key(EditSet const& set, std::size_t first, std::size_t count, Plan const& plan, bool neighborhood) {
  Hasher hasher;
  for (auto fact = first; fact < first + count; ++fact) {
    auto const& record = plan.facts[fact].fact;
    hasher.text(set.keys[fact]).text(record.target_true).integer(std::ssize(record.paraphrase_prompts));
    for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    if (!neighborhood) continue;
    hasher.integer(std::ssize(record.neighborhood_prompts));
    for (auto const& neighbor : record.neighborhood_prompts) hasher.text(neighbor);
  }
  return hasher.hex();
}

/// What the conditions of a mask (-1: of none) add to the name of the scores under them.
std::string conditions_key(std::size_t set, std::ptrdiff_t mask, Plan const& plan) {
  Hasher hasher;
  for (auto c : plan.conditions_of(set, mask)) hasher.text(plan.conditions[c].kind);
  if (mask >= 0) {
    auto const& task = plan.masks[static_cast<std::size_t>(mask)];
    hasher.text(task.key).number(task.options.threshold);
  }
  return hasher.hex();
}

/// The conditions of all sets and masks.
void plan_conditions(EvaluationPlan const& evaluation, Plan& plan) {
  std::vector<std::vector<std::size_t>> masks_of(plan.sets.size());
  for (std::size_t m = 0; m < plan.masks.size(); ++m) masks_of[plan.masks[m].set].push_back(m);
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto& set = plan.sets[s];
    set.first_condition = plan.conditions.size();
    plan.conditions.push_back({with_name("original", set.name), "original", s, -1});
    plan.conditions.push_back({with_name("edited", set.name), "edited", s, -1});
    for (auto m : masks_of[s]) {
      auto& mask = plan.masks[m];
      mask.first_condition = plan.conditions.size();
      auto const add = [&](std::string const& kind, std::string const& name) {
        plan.conditions.push_back({name, kind, s, static_cast<std::ptrdiff_t>(m)});
      };
      add("mask", mask.name);
      for (auto const& baseline : evaluation.baselines) add(baseline, with_name(baseline, mask.name));
      if (evaluation.masked_original) add("original_masked", with_name("original", mask.name));
      mask.conditions = plan.conditions.size() - mask.first_condition;
    }
  }
}

void plan_evaluations(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  auto const& options = study.evaluation;
  auto const batch = static_cast<std::size_t>(options.batch);
  Hasher common;
  begin(common, "scores", fingerprints);
  auto const settings = common.integer(study.peer_compatible).integer(options.paraphrases).integer(options.neighborhood).hex();
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    std::vector<std::string> scored;  // by batch
    for (std::size_t first = 0; first < plan.facts.size(); first += batch) {
      auto const count = std::min(batch, plan.facts.size() - first);
      scored.push_back(Hasher().text(settings).text(scored_key(plan.sets[s], first, count, plan, options.neighborhood)).hex());
    }
    std::vector<std::ptrdiff_t> masks{-1};
    for (std::size_t m = 0; m < plan.masks.size(); ++m) {
      if (plan.masks[m].set == s) masks.push_back(static_cast<std::ptrdiff_t>(m));
    }
    for (auto mask : masks) {
      auto const conditions = conditions_key(s, mask, plan);
      for (std::size_t b = 0; b < scored.size(); ++b) {
        auto const first = b * batch;
        plan.evaluations.push_back(
            {s, mask, first, std::min(batch, plan.facts.size() - first), Hasher().text(scored[b]).text(conditions).hex()});
      }
    }
  }
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

}  // namespace

std::vector<std::size_t> Plan::conditions_of(std::size_t set, std::ptrdiff_t mask) const {
  auto const first = mask < 0 ? sets[set].first_condition : masks[static_cast<std::size_t>(mask)].first_condition;
  std::vector<std::size_t> places(mask < 0 ? 2 : masks[static_cast<std::size_t>(mask)].conditions);
  std::iota(places.begin(), places.end(), first);
  return places;
}

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
  Known known;
  std::map<std::string, std::size_t> set_of;         // by the swept edit keys
  std::map<std::size_t, std::string> training_keys;  // by set
  for (std::size_t p = 0; p < study.points.size(); ++p) {
    auto const& point = study.points[p];
    if (point.mask.validation_share != study.points.front().mask.validation_share) {
      throw UserError("The study '" + study.name +
                      "' sweeps mask.validation_share, but all its masks share one split. Run it once per value.");
    }
    auto const [found, is_new] = set_of.try_emplace(point.edits, plan.sets.size());
    if (is_new)
      found->second = add_set({point.edits, point.edit, templates[p], {}, {}}, study.train_split, fingerprints, plan, known);
    auto const set = found->second;
    if (!point.masked) continue;
    if (!training_keys.contains(set)) require_one_model(plan, plan.sets[set], study);
    MaskTask mask{set, point.name, point.settings, point.mask, point.mask_seed, {}};
    auto& key = training_keys[set];
    if (key.empty()) key = training_key(plan.sets[set], plan, study.train_split);
    mask.key = mask_key(mask, key, fingerprints);
    plan.masks.push_back(std::move(mask));
  }
  plan_conditions(study.evaluation, plan);
  plan_evaluations(study, fingerprints, plan);
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
