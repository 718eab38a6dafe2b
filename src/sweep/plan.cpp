#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/random.hpp>
#include <onemask/core/text.hpp>
#include <onemask/sweep/plan.hpp>

#include <algorithm>
#include <cmath>

namespace onemask {
namespace {

/// Raised when the meaning of stored objects changes, so that old ones are not found.
constexpr int object_version = 1;

std::string joined(std::vector<std::string> const& words) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// The part of a point's name that is about editing.
std::string edit_name(std::string const& point) {
  std::vector<std::string> words;
  for (auto const& word : split_text(point, ' ')) {
    if (word.starts_with("edit.")) words.push_back(word);
  }
  return joined(words);
}

void begin(Hasher& hasher, char const* kind, Fingerprints const& fingerprints) {
  hasher.text(kind).integer(object_version).text(fingerprints.model).text(fingerprints.tokenizer).text(fingerprints.execution);
}

/// What decides an edit but for rounding.
std::string request_key(Fact const& fact, EditSet const& set, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin(hasher, "edit", fingerprints);
  hasher.text(describe(set.options.hparams)).text(fact.prompt).text(fact.subject).text(fact.target_new).integer(fact.case_id);
  for (auto const& text : set.templates) hasher.text(text);
  return hasher.hex();
}

/// One key per fact. Facts that are edited in one batch move each other's last bits, so a key names the whole batch and the place
/// in it.
std::vector<std::string> edit_keys(std::vector<SplitFact> const& facts, EditSet const& set, Fingerprints const& fingerprints) {
  std::vector<std::string> requests, keys;
  for (auto const& item : facts) requests.push_back(request_key(item.fact, set, fingerprints));
  auto const batch = static_cast<std::size_t>(set.options.batch);
  for (std::size_t first = 0; first < requests.size(); first += batch) {
    auto const last = std::min(first + batch, requests.size());
    Hasher whole;
    for (auto f = first; f < last; ++f) whole.text(requests[f]);
    auto const name = whole.hex();
    for (auto f = first; f < last; ++f) keys.push_back(Hasher().text(name).integer(static_cast<long long>(f - first)).hex());
  }
  return keys;
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
  hasher.integer(study.peer_compatible).integer(study.evaluation.paraphrases);
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
  }
  return hasher.hex();
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
  auto const share = study.points.front().mask.validation_share;
  auto const held_back = static_cast<std::size_t>(std::floor(share * static_cast<double>(training.size())));
  auto const order = RandomStream({stream::split, training.size()}).permutation(training.size());
  for (std::size_t i = 0; i < held_back; ++i) facts[training[order[i]]].split = "validation";
  return facts;
}

Plan make_plan(Study const& study, Fingerprints const& fingerprints, std::vector<ContextTemplates> const& templates) {
  Plan plan;
  plan.facts = study_facts(study);
  if (plan.facts_of(study.train_split).empty()) {
    throw UserError("The study '" + study.name + "' leaves no fact in its split '" + study.train_split + "' to train masks on.");
  }
  for (std::size_t p = 0; p < study.points.size(); ++p) {
    auto const& point = study.points[p];
    if (point.mask.validation_share != study.points.front().mask.validation_share) {
      throw UserError("The study '" + study.name +
                      "' sweeps mask.validation_share, but all its masks share one split. Run it once per value.");
    }
    EditSet set{edit_name(point.name), point.edit, templates[p], {}};
    set.keys = edit_keys(plan.facts, set, fingerprints);
    auto const same = [&](EditSet const& other) { return other.keys == set.keys; };
    auto found = std::find_if(plan.sets.begin(), plan.sets.end(), same);
    if (found == plan.sets.end()) found = plan.sets.insert(plan.sets.end(), std::move(set));
    MaskTask mask{static_cast<std::size_t>(found - plan.sets.begin()), point.name, point.mask, point.mask_seed, {}};
    mask.key = mask_key(mask, plan, fingerprints, study.train_split);
    plan.masks.push_back(std::move(mask));
  }
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto const& set = plan.sets[s];
    auto const batch = static_cast<std::size_t>(set.options.batch);
    for (std::size_t first = 0; first < plan.facts.size(); first += batch) {
      plan.edits.push_back({s, first, std::min(batch, plan.facts.size() - first)});
    }
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
  Hasher hasher;
  for (auto const& set : plan.sets) {
    for (auto const& key : set.keys) hasher.text(key);
  }
  for (auto const& mask : plan.masks) hasher.text(mask.key);
  for (auto const& task : plan.evaluations) hasher.text(task.key);
  plan.id = hasher.hex();
  return plan;
}

}  // namespace onemask
