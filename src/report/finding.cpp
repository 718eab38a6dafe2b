#include "report/finding.hpp"

#include "report/cells.hpp"
#include "report/compared_rsr.hpp"
#include "report/injection.hpp"
#include "report/patching.hpp"
#include "report/perplexity.hpp"
#include "report/phrases.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/tracing.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

class Narrator {
 public:
  explicit Narrator(StudyFile const& study)
      : summary_(study), perplexities_(study), train_split_(train_split_of(study)), partial_(so_far(study)) {
    if (study.tables.contains("metrics") && study.tables.contains("facts")) scores_.emplace(study, FactScores::Of::rsr);
  }

  std::vector<std::string> tell() const {
    std::vector<std::string> sentences;
    if (summary_.groups().empty()) return sentences;
    for (auto const& edits : summary_.edits()) {
      auto const before = sentences.size();
      for (auto const& kind : edits.kinds) {
        if (kind.kind != ConditionKind::mask) continue;
        bool const several = kind.label.ends_with(", " + kind.settings);
        sentences.push_back(sentence({edits.edits, kind.variant, several ? kind.settings : ""}, about_mask(edits, kind)));
      }
      if (sentences.size() == before) sentences.push_back(sentence({edits.edits}, about_edits(edits)));
    }
    return sentences;
  }

 private:
  std::string sentence(std::vector<std::string> const& names, std::string const& statement) const {
    std::string text;
    for (auto const& name : names) text += name.empty() ? "" : (text.empty() ? "with " : " ") + name;
    for (auto const& part : {partial_, statement}) text += part.empty() ? "" : (text.empty() ? "" : ", ") + part;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text + ".";
  }

  std::optional<Estimate> rsr(ModelKind const* kind, Group const& group) const {
    return kind ? summary_.mean(*kind, group, "rewrite", "rsr") : std::nullopt;
  }

  /// The splits to speak of: facts held back for validation only where there are no others that a mask has not seen.
  std::vector<Group> splits(ModelKind const& mask) const {
    std::vector<Group> scored, without;
    for (auto const& group : summary_.splits()) {
      if (!rsr(&mask, group)) continue;
      scored.push_back(group);
      if (group.split != validation_split) without.push_back(group);
    }
    auto const is_unseen = [&](auto const& group) { return group.split != mask.train_split; };
    return std::any_of(without.begin(), without.end(), is_unseen) ? without : scored;
  }

  std::string about_mask(EditedModels const& edits, ModelKind const& mask) const {
    auto const groups = splits(mask);
    if (groups.empty()) return "no mask is scored yet";
    auto const seen_alone = groups.size() == 1;
    auto models = summary_.scored(mask, groups.front());
    for (auto const& group : groups) {
      if (auto others = summary_.scored(mask, group); others.size() < models.size()) models = std::move(others);
    }
    auto text = (mask.models.size() == 1 ? "one mask with " : "a mask with ") + percent(mean_zeros(models)) + " % zeros" +
                mean_of(mask, models.size());
    for (auto const& group : groups) {
      auto const value = *rsr(&mask, group);
      bool const compared = group.split != mask.train_split || seen_alone;
      text += (&group == &groups.front() ? " restores " : ". It restores ") + share_text(value) + " of " +
              facts_text(mask.train_split, group.split, value) + (compared ? comparison(edits, mask, group) : "");
    }
    Group reference = groups.front();
    for (auto const& group : groups) {
      if (reference.split == mask.train_split) reference = group;
    }
    return text + unedited(edits, mask, reference) + without_matrices(edits, groups, mask.train_split) +
           bottom_rank(edits, groups, mask.train_split);
  }

  /// ", more than the best baseline (delta magnitude, 52 % [49, 55]) and more than no mask (4 % [3, 5])"
  std::string comparison(EditedModels const& edits, ModelKind const& mask, Group const& group) const {
    ModelKind const* best = nullptr;
    int baselines = 0;
    for (auto const& baseline : baseline_names) {
      auto const* const kind = edits.find(baseline.value, mask.settings, mask.variant);
      auto const other = rsr(kind, group);
      if (!other) continue;
      ++baselines;
      if (best == nullptr || rsr(best, group)->mean < other->mean) best = kind;
    }
    std::vector<std::string> names;
    std::vector<RsrTest> tests;
    auto const compare_with = [&](ModelKind const* kind, std::string const& what, std::string const& name) {
      auto const other = rsr(kind, group);
      if (!other) return;
      names.push_back(what + " (" + name + share_text(*other) + ")");
      tests.push_back(compare_rsr(summary_, scores_ ? &*scores_ : nullptr, mask, *kind, group));
    };
    if (baselines > 1 && rsr(best, group)->mean == 0) {
      names.emplace_back("the baselines (no baseline gives back any)");
      tests.push_back(compare_rsr(summary_, scores_ ? &*scores_ : nullptr, mask, *best, group));
    } else if (best != nullptr) {
      compare_with(best, baselines > 1 ? "the best baseline" : "the baseline",
                   label_of_kind(best->kind).substr(std::string("edited + ").size()) + ", ");
    }
    compare_with(edits.find(ConditionKind::edited, ""), "no mask", "");
    std::vector<double> p;
    for (auto const& test : tests) p.push_back(test.p);
    auto const adjusted = holm(p);
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < names.size(); ++i) {
      bool const clear = adjusted[i] < error_rate;
      parts.push_back((clear && tests[i].difference > 0   ? "more than "
                       : clear && tests[i].difference < 0 ? "less than "
                                                          : "not clearly more than ") +
                      names[i]);
    }
    return parts.empty() ? "" : ", " + enumeration(parts);
  }

  /// What the mask does to the unedited model.
  std::string unedited(EditedModels const& edits, ModelKind const& mask, Group const& group) const {
    auto const* const masked = edits.find(ConditionKind::original_masked, mask.settings);
    bool const told_elsewhere = !mask.variant.empty() && edits.find(mask.kind, mask.settings) != nullptr;
    if (!masked || told_elsewhere) return "";
    std::string text;
    if (auto const value = rsr(masked, group)) {
      auto const before = rsr(edits.find(ConditionKind::original, ""), group);
      text += ". Under the mask the unedited model prefers the true object for " + share_text(*value) + " of " +
              facts_text(mask.train_split, group.split, *value) +
              (before ? " (" + number(100 * before->mean, 0) + " % without it)" : "");
    }
    auto const ratio = perplexities_.ratio(edits, *masked, every_split);
    if (ratio && perplexities_.scored(*masked, every_split) == masked->models.size())
      text += ". The mask multiplies the unedited model's perplexity by " + number(*ratio, 3);
    return text;
  }

  /// What destroying the layer wins, and what it costs.
  std::string without_matrices(EditedModels const& edits, std::vector<Group> const& groups,
                               std::string const& train_split) const {
    auto const* const without = edits.find(ConditionKind::dropped, "");
    std::vector<std::string> parts;
    for (auto const& group : groups) {
      auto const value = rsr(without, group);
      auto const changed = value ? summary_.mean(*without, group, "rewrite", "top1_changed") : std::nullopt;
      if (!value) continue;
      parts.push_back(share_text(*value) + " of " + facts_text(train_split, group.split, *value) +
                      (changed ? " (the likeliest token stays for " + number(100 - 100 * changed->mean, 0) + " %)" : ""));
    }
    if (parts.empty()) return "";
    auto const ratio = perplexities_.ratio(edits, *without, every_split);
    return ". Without any edited matrix, edited or not, the model prefers the true object for " + enumeration(parts) +
           (ratio ? ", and its perplexity is multiplied by " + number(*ratio, 3) : "");
  }

  /// The best number of components to remove, chosen on the facts that it is told of.
  std::string bottom_rank(EditedModels const& edits, std::vector<Group> const& groups, std::string const& train_split) const {
    std::vector<std::string> parts;
    for (auto const& group : groups) {
      ModelKind const* best = nullptr;
      for (auto const& kind : edits.kinds) {
        auto const value = kind.kind == ConditionKind::bottom_rank ? rsr(&kind, group) : std::nullopt;
        if (value && (!best || value->mean > rsr(best, group)->mean)) best = &kind;
      }
      if (!best) continue;
      auto const value = *rsr(best, group);
      auto const changed = summary_.mean(*best, group, "rewrite", "top1_changed"),
                 kl = summary_.mean(*best, group, "rewrite", "kl");
      parts.push_back(share_text(value) + " of " + facts_text(train_split, group.split, value) + " (" + best->variant +
                      (changed ? "; the likeliest token stays for " + number(100 - 100 * changed->mean, 0) + " %" : "") +
                      (kl ? "; KL " + number(kl->mean, 3) : "") + ")");
    }
    if (parts.empty()) return "";
    return ". Without the largest components of each fact's edited matrix, their best number chosen on the same facts, the model "
           "prefers the true object for " +
           enumeration(parts);
  }

  std::string about_edits(EditedModels const& edits) const {
    auto const* const edited = edits.find(ConditionKind::edited, "");
    std::vector<std::string> parts;
    for (auto const& group : summary_.splits()) {
      auto const value = edited ? summary_.mean(*edited, group, "rewrite", "success") : std::nullopt;
      if (!value) continue;
      auto const score = summary_.mean(*edited, group, "all", "score");
      parts.push_back(share_text(*value) + " of " + facts_text(train_split_, group.split, *value) +
                      (score ? " (score " + percent(score->mean) + ")" : ""));
    }
    if (parts.empty()) return "no edit is scored yet";
    return "the edits make the new object likelier than the true one for " + enumeration(parts) +
           without_matrices(edits, summary_.splits(), train_split_) + bottom_rank(edits, summary_.splits(), train_split_);
  }

  Summary summary_;
  Perplexities perplexities_;
  std::string train_split_, partial_;
  std::optional<FactScores> scores_;
};

}  // namespace

std::vector<std::string> findings(StudyFile const& study) {
  auto sentences = Narrator(study).tell();
  for (auto const& more : {patching_findings, injection_findings, tracing_findings}) {
    for (auto& sentence : more(study)) sentences.push_back(std::move(sentence));
  }
  return sentences;
}

}  // namespace onemask
