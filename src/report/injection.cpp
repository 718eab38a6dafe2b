#include "report/injection.hpp"

#include "report/cells.hpp"
#include "report/estimate_columns.hpp"
#include "report/fact_metrics.hpp"
#include "report/paired_scores.hpp"
#include "report/phrases.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The rewrite prompt of a fact that is edited under a mask.
struct InjectedFact {
  PromptScore prompt;
  double token_accuracy, update_norm;
};

/// A row of the table "injections", with its scores by fact.
struct InjectionModel {
  std::string point;
  double zeros;
  std::int64_t planned;
  std::map<std::int64_t, InjectedFact> facts;
};

/// Models that differ in the seed of their mask alone.
struct InjectionKind {
  std::string edits, settings, split, mask, variant;
  bool sequential;
  std::vector<InjectionModel> models = {};

  bool is_alike(InjectionKind const& other) const {
    return edits == other.edits && settings == other.settings && split == other.split && mask == other.mask &&
           variant == other.variant && sequential == other.sequential;
  }
};

constexpr char const* no_mask = "none";
constexpr std::size_t longest_label = 38;  // leaves 92 of the 130 columns to the numbers

struct InjectionMetric {
  char const* name;
  bool yes_no;
  double (*value)(InjectedFact const&);
};

double of_prompt(char const* metric, PromptScore const& prompt) {
  return fact_metric(metric, PromptKind::rewrite).value(prompt, ConditionKind::edited);
}

double new_is_likelier(InjectedFact const& fact) {
  auto swapped = fact.prompt;
  std::swap(swapped.lp_true, swapped.lp_new);
  return of_prompt("rsr", swapped);
}

constexpr InjectionMetric success{"success", true, [](InjectedFact const& f) { return of_prompt("success", f.prompt); }};
constexpr InjectionMetric success_by_sum{"success_by_sum", true, new_is_likelier};
constexpr InjectionMetric token_accuracy{"token_accuracy", false, [](InjectedFact const& f) { return f.token_accuracy; }};
constexpr InjectionMetric p_new{"p_new", false, [](InjectedFact const& f) { return of_prompt("p_new", f.prompt); }};
constexpr InjectionMetric known{"rsr", true, [](InjectedFact const& f) { return of_prompt("rsr", f.prompt); }};
constexpr InjectionMetric update_norm{"update_norm", false, [](InjectedFact const& f) { return f.update_norm; }};

std::vector<InjectionKind> read_kinds(StudyFile const& study) {
  std::vector<InjectionKind> kinds;
  if (!study.tables.contains("injections")) return kinds;
  auto const& table = need_table(study, "injections");
  auto const text = [&](char const* column, std::size_t row) { return table.values<std::string>(column)[row]; };
  auto const whole = [&](char const* column, std::size_t row) { return table.values<std::int64_t>(column)[row]; };
  std::vector<std::pair<std::size_t, std::size_t>> place;  // kind and model of each row
  for (std::size_t row = 0; row < table.rows(); ++row) {
    InjectionKind kind{text("set", row),  text("settings", row), text("split", row),
                       text("mask", row), text("variant", row),  whole("sequential", row) != 0};
    auto found = std::find_if(kinds.begin(), kinds.end(), [&](auto const& other) { return other.is_alike(kind); });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), std::move(kind));
    place.emplace_back(found - kinds.begin(), found->models.size());
    found->models.push_back({text("point", row), table.values<double>("zeros")[row], whole("planned", row), {}});
  }
  auto const& scores = need_table(study, "injection_scores");
  auto const& injection = scores.values<std::int64_t>("injection");
  auto const& fact = scores.values<std::int64_t>("fact");
  for (std::size_t row = 0; row < scores.rows(); ++row) {
    auto const number = static_cast<std::size_t>(injection[row]);
    if (number >= place.size()) throw UserError("The study file has a score of no row of its table 'injections'.");
    auto const real = [&](char const* column) { return scores.values<double>(column)[row]; };
    auto const count = [&](char const* column) { return static_cast<double>(scores.values<std::int64_t>(column)[row]); };
    PromptScore prompt{};
    prompt.lp_true = real("lp_true"), prompt.lp_new = real("lp_new");
    prompt.tokens_true = count("tokens_true"), prompt.tokens_new = count("tokens_new");
    kinds[place[number].first].models[place[number].second].facts[fact[row]] = {prompt, real("token_accuracy"),
                                                                                real("update_norm")};
  }
  return kinds;
}

using Models = std::vector<InjectionModel const*>;

/// Facts that have a finite value under all models.
std::vector<std::size_t> common_facts(Models const& models, InjectionMetric const& metric) {
  std::vector<std::size_t> facts;
  for (auto const& [fact, score] : models.front()->facts) {
    bool const everywhere = std::all_of(models.begin(), models.end(), [&, number = fact](auto const* model) {
      auto const found = model->facts.find(number);
      return found != model->facts.end() && std::isfinite(metric.value(found->second));
    });
    if (everywhere) facts.push_back(static_cast<std::size_t>(fact));
  }
  return facts;
}

SeededScores scores_of(Models const& models, std::vector<std::size_t> const& facts, InjectionMetric const& metric) {
  SeededScores scores{models.size(), {}};
  for (auto const fact : facts) {
    for (auto const* model : models) scores.values.push_back(metric.value(model->facts.at(static_cast<std::int64_t>(fact))));
  }
  return scores;
}

/// Those that have scores.
Models scored_models(InjectionKind const& kind) {
  Models models;
  for (auto const& model : kind.models) {
    if (!model.facts.empty()) models.push_back(&model);
  }
  return models;
}

std::optional<Estimate> estimate(InjectionKind const& kind, InjectionMetric const& metric) {
  auto const models = scored_models(kind);
  if (models.empty()) return std::nullopt;
  auto const facts = common_facts(models, metric);
  if (facts.empty()) return std::nullopt;
  auto const scores = scores_of(models, facts, metric);
  auto const n = std::ssize(facts);
  auto const mean = scores.mean();
  auto const interval = [&] {
    if (metric.yes_no && models.size() == 1) return clopper_pearson(std::llround(mean * static_cast<double>(n)), n);
    auto const resamples = models.size() > 1 ? resamples_of_p : resamples_of_intervals;
    auto const resampled = interval_of_mean(scores, resamples);
    return metric.yes_no ? interval_of_share(mean, resampled, n) : resampled;
  }();
  return Estimate{mean, interval.low, interval.high, n, models.front()->planned};
}

struct Difference {
  double mean, p;
};

/// Of the success of two kinds, on the facts that both are scored on.
std::optional<Difference> difference(InjectionKind const& a, InjectionKind const& b) {
  Models of_a, of_b;
  for (auto const& model : a.models) {
    for (auto const& other : b.models) {
      bool const pair = b.models.size() == 1 || other.point == model.point;
      if (!pair || model.facts.empty() || other.facts.empty()) continue;
      of_a.push_back(&model), of_b.push_back(&other);
    }
  }
  if (of_a.empty()) return std::nullopt;
  auto all = of_a;
  all.insert(all.end(), of_b.begin(), of_b.end());
  PairedScores paired{common_facts(all, success), of_a.size(), a.models.size(), {}, {}};
  if (paired.facts.empty()) return std::nullopt;
  if (b.models.size() == 1) of_b.resize(1);
  paired.a = scores_of(of_a, paired.facts, success), paired.b = scores_of(of_b, paired.facts, success);
  return Difference{paired.difference().mean(), p_of_yes_no(paired)};
}

/// Holm's p of comparisons, some of which are not there.
std::vector<std::optional<double>> holms(std::vector<std::optional<Difference>> const& differences) {
  std::vector<double> p;
  for (auto const& one : differences) {
    if (one) p.push_back(one->p);
  }
  auto const adjusted = holm(p);
  std::vector<std::optional<double>> result;
  std::size_t next = 0;
  for (auto const& one : differences) result.push_back(one ? std::optional(adjusted[next++]) : std::nullopt);
  return result;
}

InjectionKind const* find(std::vector<InjectionKind> const& kinds, InjectionKind const& like, std::string const& mask,
                          std::string const& variant) {
  for (auto const& kind : kinds) {
    bool const same = kind.edits == like.edits && kind.sequential == like.sequential && kind.mask == mask &&
                      kind.variant == variant && (mask == no_mask || kind.settings == like.settings);
    if (same) return &kind;
  }
  return nullptr;
}

InjectionKind const* control_of(std::vector<InjectionKind> const& kinds, InjectionKind const& kind) {
  return find(kinds, kind, no_mask, "edit");
}

/// Of the models that have scores; others may have a mask that is not trained yet.
double mean_zeros(InjectionKind const& kind) {
  double sum = 0;
  auto const models = scored_models(kind);
  for (auto const* model : models) sum += model->zeros;
  return sum / static_cast<double>(models.size());
}

std::string label_of(InjectionKind const& kind) {
  return kind.mask + ", " + kind.variant + (kind.sequential ? ", sequential" : "") +
         (kind.settings.empty() ? "" : ", " + kind.settings);
}

/// The cells after the label; `p` against no mask.
std::vector<std::string> cells_of(std::vector<InjectionKind> const& kinds, InjectionKind const& kind,
                                  std::optional<double> const& p) {
  auto like = kind;
  like.sequential = false;
  auto const* const unedited = find(kinds, like, kind.mask, "unedited");
  auto const share = [](std::optional<Estimate> const& value) { return value ? percent(value->mean) : std::string("-"); };
  auto const es = estimate(kind, success), norm = estimate(kind, update_norm);
  return {es ? percent(mean_zeros(kind)) : "-",
          share(es),
          es ? interval(*es) : "-",
          es ? counts(*es) : fmt::format("0/{}", kind.models.front().planned),
          share(estimate(kind, success_by_sum)),
          share(estimate(kind, token_accuracy)),
          share(estimate(kind, p_new)),
          share(unedited ? estimate(*unedited, known) : std::nullopt),
          norm ? number(norm->mean, 1) : "-",
          p ? p_text(*p) : "-"};
}

/// Ways of editing, in the order of the file.
std::vector<std::string> edits_of(std::vector<InjectionKind> const& kinds) {
  std::vector<std::string> edits;
  for (auto const& kind : kinds) {
    if (edits.empty() || edits.back() != kind.edits) edits.push_back(kind.edits);
  }
  return edits;
}

/// What is said of one way of editing and one setting of the masks.
class InjectionStory {
 public:
  InjectionStory(std::vector<InjectionKind> const& kinds, InjectionKind const& like, StudyFile const& study)
      : kinds_(kinds), like_(like), study_(study) {}

  std::string tell() const {
    auto const* const edit = control_of(kinds_, like_);
    auto const before = edit ? estimate(*edit, success) : std::nullopt;
    if (!before) return "";
    auto text = "without a mask the edits make the new object likelier than the true one for " + share_text(*before) + " of " +
                facts_text(train_split_of(study_), like_.split, *before) + under_masks(*edit) +
                variant("adaptive", "An editor that knows the mask makes it likelier for ") +
                variant("off", "Where the mask is taken off after it was edited under, the same edits make it likelier for ");
    for (auto const& name : {like_.settings, like_.edits}) {
      if (!name.empty()) text = "with " + name + ", " + text;
    }
    if (auto const part = so_far(study_); !part.empty()) text = part + ", " + text;
    return "Editing under a mask: " + text + ".";
  }

 private:
  InjectionKind const* of(std::string const& mask, std::string const& variant) const {
    return find(kinds_, like_, mask, variant);
  }
  std::vector<std::string> masks() const {
    std::vector<std::string> masks;
    for (auto const& kind : kinds_) {
      if (kind.mask != no_mask && std::find(masks.begin(), masks.end(), kind.mask) == masks.end()) masks.push_back(kind.mask);
    }
    return masks;
  }

  /// How far editing is prevented, and whether training the mask had a part in it.
  std::string under_masks(InjectionKind const& edit) const {
    auto const* const trained = of("trained", "inject");
    InjectionKind const* strongest = nullptr;
    std::vector<std::string> untrained;
    for (auto const& mask : masks()) {
      auto const* const kind = mask == "trained" ? nullptr : of(mask, "inject");
      auto const value = kind ? estimate(*kind, success) : std::nullopt;
      if (!value) continue;
      untrained.push_back(share_text(*value) + " (" + mask + ")");
      if (!strongest || value->mean < estimate(*strongest, success)->mean) strongest = kind;
    }
    auto const value = trained ? estimate(*trained, success) : std::nullopt;
    std::string text;
    if (value) {
      std::vector<std::optional<Difference>> const differences{difference(*trained, edit),
                                                               strongest ? difference(*trained, *strongest) : std::nullopt};
      auto const p = holms(differences);
      text = ". Edited and scored under the trained mask (" + percent(mean_zeros(*trained)) + " % zeros) it is likelier for " +
             share_text(*value);
      std::vector<std::string> verdicts;
      if (differences[0]) verdicts.push_back(verdict(*differences[0], *p[0]) + "without a mask");
      if (differences[1]) {
        verdicts.push_back(verdict(*differences[1], *p[1]) + "under the untrained mask that blocks most (" + strongest->mask +
                           ")");
      }
      if (!verdicts.empty()) text += ", " + enumeration(verdicts);
      auto const* const unedited = of("trained", "unedited");
      if (auto const kept = unedited ? estimate(*unedited, known) : std::nullopt)
        text += ". The unedited model prefers the true object there for " + share_text(*kept);
    }
    if (!untrained.empty()) text += ". Under untrained masks with as many zeros it is likelier for " + enumeration(untrained);
    return text;
  }

  static std::string verdict(Difference const& difference, double p) {
    bool const clear = p < error_rate;
    return clear && difference.mean < 0 ? "less than " : clear && difference.mean > 0 ? "more than " : "not clearly less than ";
  }

  /// A sentence on a variant under the masks.
  std::string variant(std::string const& name, std::string const& beginning) const {
    std::vector<std::string> parts;
    for (auto const& mask : masks()) {
      auto const* const kind = of(mask, name);
      if (auto const value = kind ? estimate(*kind, success) : std::nullopt)
        parts.push_back(share_text(*value) + " (" + mask + ")");
    }
    return parts.empty() ? "" : ". " + beginning + enumeration(parts);
  }

  std::vector<InjectionKind> const& kinds_;
  InjectionKind const& like_;
  StudyFile const& study_;
};

std::string heading_of_edits(std::vector<InjectionKind> const& kinds, std::string const& edits) {
  return "Editing under a mask, split " + kinds.front().split + (edits.empty() ? "" : ", " + edits);
}

/// Which kind of models has the colour of a mask.
std::string colour_kind(std::string const& mask) {
  return mask == no_mask ? to_string(ConditionKind::edited) : mask == "trained" ? to_string(ConditionKind::mask) : mask;
}

}  // namespace

std::vector<DocumentBlock> injection_blocks(StudyFile const& study, bool per_mask) {
  auto const kinds = read_kinds(study);
  std::vector<DocumentBlock> blocks;
  for (auto const& edits : edits_of(kinds)) {
    std::vector<InjectionKind const*> shown;
    std::vector<std::optional<Difference>> differences;
    for (auto const& kind : kinds) {
      if (kind.edits != edits || kind.variant == "unedited") continue;
      auto const* const control = control_of(kinds, kind);
      shown.push_back(&kind);
      differences.push_back(control && control != &kind ? difference(kind, *control) : std::nullopt);
    }
    auto const p = holms(differences);
    TextTable table;
    table.add({"mask, editing", "zeros %", "ES %", "95 % interval", "n/planned", "ES by sum %", "tokens %", "P(new) %", "knows %",
               "|dW|", "p"});
    for (std::size_t i = 0; i < shown.size(); ++i) {
      auto const& kind = *shown[i];
      auto const count = kind.models.size();
      add_row(table, label_of(kind) + mean_of(count, scored_models(kind).size()), cells_of(kinds, kind, p[i]), longest_label);
      if (!per_mask || count < 2) continue;
      for (auto const& model : kind.models) {
        auto one = kind;
        one.models = {model};
        add_row(table, "  " + model.point, cells_of(kinds, one, std::nullopt), longest_label);
      }
    }
    blocks.push_back({heading_of_edits(kinds, edits), std::move(table), ""});
  }
  return blocks;
}

std::vector<BarBlock> injection_bars(StudyFile const& study) {
  auto const kinds = read_kinds(study);
  std::vector<BarBlock> blocks;
  for (auto const& edits : edits_of(kinds)) {
    BarBlock block{heading_of_edits(kinds, edits), {}, "ES"};
    for (auto const& kind : kinds) {
      auto const value = kind.edits != edits || kind.variant == "unedited" ? std::nullopt : estimate(kind, success);
      if (!value) continue;
      auto const label = label_of(kind) + mean_of(kind.models.size(), scored_models(kind).size());
      block.rows.push_back({colour_kind(kind.mask), label + ", n " + counts(*value), *value});
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::vector<std::string> injection_findings(StudyFile const& study) {
  auto const kinds = read_kinds(study);
  std::vector<std::string> sentences;
  std::vector<std::pair<std::string, std::string>> told;
  for (auto const& kind : kinds) {
    std::pair const names(kind.edits, kind.settings);
    if (kind.mask == no_mask || kind.sequential || std::find(told.begin(), told.end(), names) != told.end()) continue;
    told.push_back(names);
    if (auto sentence = InjectionStory(kinds, kind, study).tell(); !sentence.empty()) sentences.push_back(std::move(sentence));
  }
  return sentences;
}

Table injection_summary(StudyFile const& study) {
  std::vector<std::string> condition, split, metrics;
  EstimateColumns estimates;
  for (auto const& kind : read_kinds(study)) {
    for (auto const& metric : {success, success_by_sum, token_accuracy, p_new, known, update_norm}) {
      auto const value = estimate(kind, metric);
      if (!value) continue;
      condition.push_back(label_of(kind) + (kind.edits.empty() ? "" : ", " + kind.edits));
      split.push_back(kind.split), metrics.emplace_back(metric.name);
      estimates.add(*value);
    }
  }
  std::vector<std::string> const relation(condition.size(), every_relation), prompts(condition.size(), "rewrite");
  Table table{{{"condition", condition}, {"split", split}, {"relation", relation}, {"prompts", prompts}, {"metric", metrics}}};
  estimates.append_to(table);
  return table;
}

}  // namespace onemask
