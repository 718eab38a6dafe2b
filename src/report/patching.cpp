#include "report/patching.hpp"

#include "report/cells.hpp"
#include "report/compared_rsr.hpp"
#include "report/phrases.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/settings/attention_patch.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// A model with the attention of another, and the same with its own.
struct PatchedRsr {
  AttentionPatch patch;
  Estimate value, own;
  RsrTest test;  ///< of the two
};

bool is_one(ConditionKind kind) {
  return kind == ConditionKind::original;
}

std::string name_of_model(ConditionKind kind) {
  return is_one(kind) ? "the unedited model" : kind == ConditionKind::edited ? "the edited models" : "the models under the mask";
}

std::string name_of_attention(AttentionPatch const& patch) {
  auto const place = patch.at == PatchPlace::last      ? " at the prompt's last token"
                     : patch.at == PatchPlace::subject ? " from the prompt's last token to the subject"
                                                       : "";
  return "the attention of " + name_of_model(patch.attention) + place;
}

std::string share_of_facts(double value) {
  return number(100 * value, 0) + " %";
}

class PatchingStory {
 public:
  explicit PatchingStory(StudyFile const& study) : study_(study), summary_(study) {
    if (study.tables.contains("metrics") && study.tables.contains("facts")) scores_.emplace(study, FactScores::Of::rsr);
  }

  std::vector<std::string> tell() const {
    std::vector<std::string> paragraphs;
    for (auto const& edits : summary_.edits()) {
      std::vector<std::optional<std::string>> all{std::nullopt};
      for (auto const& settings : settings_of_masks(edits)) all.emplace_back(settings);
      for (auto const& settings : all) {
        for (auto const& group : summary_.splits()) {
          if (!tells_of(edits, group, settings)) continue;
          if (auto text = paragraph(edits, group, settings); !text.empty()) paragraphs.push_back(std::move(text));
        }
      }
    }
    return paragraphs;
  }

 private:
  /// Of patches without a mask, every scored split. Of others, whether the split is one that the masks were not trained on, or
  /// there is no such split.
  bool tells_of(EditedModels const& edits, Group const& group, std::optional<std::string> const& settings) const {
    auto const is_of = [&](ModelKind const& kind) {
      auto const patch = kind.kind == ConditionKind::patched ? patch_of(kind.variant) : std::nullopt;
      return patch && belongs_to_mask(*patch) == settings.has_value() && (!settings || kind.settings == *settings);
    };
    auto const is_scored = [&](Group const& other) {
      return other.split != validation_split && std::any_of(edits.kinds.begin(), edits.kinds.end(), [&](auto const& kind) {
               return is_of(kind) && summary_.mean(kind, other, "rewrite", "rsr");
             });
    };
    auto const is_trained_on = [&](Group const& other) {
      return std::any_of(edits.kinds.begin(), edits.kinds.end(),
                         [&](auto const& kind) { return is_of(kind) && kind.train_split == other.split; });
    };
    auto const splits = summary_.splits();
    return is_scored(group) && (!settings || !is_trained_on(group) ||
                                std::none_of(splits.begin(), splits.end(),
                                             [&](auto const& other) { return is_scored(other) && !is_trained_on(other); }));
  }

  /// Masks that patches are scored with.
  static std::vector<std::string> settings_of_masks(EditedModels const& edits) {
    std::vector<std::string> all;
    for (auto const& kind : edits.kinds) {
      auto const patch = kind.kind == ConditionKind::patched ? patch_of(kind.variant) : std::nullopt;
      if (patch && belongs_to_mask(*patch) && std::find(all.begin(), all.end(), kind.settings) == all.end())
        all.push_back(kind.settings);
    }
    return all;
  }

  std::optional<Estimate> rsr(ModelKind const* kind, Group const& group) const {
    return kind ? summary_.mean(*kind, group, "rewrite", "rsr") : std::nullopt;
  }

  static ModelKind const* with_own_attention(EditedModels const& edits, ConditionKind model, std::string const& settings) {
    return edits.find(model, model == ConditionKind::mask ? settings : "");
  }

  /// Of patches with masks of these settings, or without a mask.
  std::string paragraph(EditedModels const& edits, Group const& group, std::optional<std::string> const& settings) const {
    std::vector<PatchedRsr> all;
    std::vector<double> p;
    for (auto const& kind : edits.kinds) {
      auto const patch = kind.kind == ConditionKind::patched ? patch_of(kind.variant) : std::nullopt;
      if (!patch || belongs_to_mask(*patch) != settings.has_value() || (settings && kind.settings != *settings)) continue;
      auto const* const own = with_own_attention(edits, patch->model, settings.value_or(""));
      auto const value = rsr(&kind, group), before = rsr(own, group);
      if (!value || !before) continue;
      all.push_back({*patch, *value, *before, compare_rsr(summary_, scores_ ? &*scores_ : nullptr, kind, *own, group)});
      p.push_back(all.back().test.p);
    }
    if (all.empty()) return "";
    auto const adjusted = holm(p);
    std::string text = "Attention" + std::string(settings ? " under the mask" : "");
    for (auto const& name : {edits.edits, settings.value_or("")}) text += name.empty() ? "" : ", " + name;
    if (auto const part = so_far(study_); !part.empty()) text += ", " + part;
    text += ":";
    for (std::size_t i = 0; i < all.size(); ++i) {
      text += " " + sentence(all[i], group, adjusted[i] < error_rate) + ".";
      if (auto const more = conclusion(edits, all[i], group, settings.value_or(""), adjusted[i] < error_rate); !more.empty())
        text += " " + more + ".";
    }
    return text;
  }

  /// "With the attention of the unedited model, the edited models prefer the true object for 48 % [38, 58] of the 100 held-out
  /// facts, more than with their own (3 % [0, 7])"
  std::string sentence(PatchedRsr const& of, Group const& group, bool clear) const {
    bool const one = is_one(of.patch.model);
    auto const verdict = clear && of.test.difference > 0   ? "more than"
                         : clear && of.test.difference < 0 ? "less than"
                                                           : "not clearly other than";
    return "With " + name_of_attention(of.patch) + ", " + name_of_model(of.patch.model) + (one ? " prefers" : " prefer") +
           " the true object for " + share_text(of.value) + " of " + facts_text(train_split_of(study_), group.split, of.value) +
           ", " + verdict + " with " + (one ? "its" : "their") + " own (" + share_text(of.own) + ")";
  }

  /// "So no difference can be told from n = 10 facts: 40 points [-5, 71]"
  static std::string no_difference(PatchedRsr const& of) {
    auto const points = [](double value) { return number(100 * value, 0); };
    auto text = fmt::format("So no difference can be told from n = {} facts: {} points", std::min(of.value.n, of.own.n),
                            points(of.test.difference));
    auto const& interval = of.test.interval;
    return interval ? text + fmt::format(" [{}, {}]", points(interval->low), points(interval->high)) : text;
  }

  /// What a patch of all attention says of overattention.
  std::string conclusion(EditedModels const& edits, PatchedRsr const& of, Group const& group, std::string const& settings,
                         bool clear) const {
    if (!clear) return no_difference(of);
    auto const gain = of.test.difference;
    if (of.patch == AttentionPatch{ConditionKind::edited, ConditionKind::original}) {
      return gain > 0 ? "So the edits of " + share_of_facts(gain) + " of the facts need the attention that they bring"
                      : "So there is no sign that the edits need the attention that they bring";
    }
    if (of.patch == AttentionPatch{ConditionKind::original, ConditionKind::edited}) {
      return gain < 0 ? "So that attention alone loses " + share_of_facts(-gain) + " of the facts"
                      : "So there is no sign that this attention alone makes an edit";
    }
    auto const masked = rsr(edits.find(ConditionKind::mask, settings), group);
    if (!masked || of.patch != AttentionPatch{ConditionKind::edited, ConditionKind::mask}) return "";
    return gain > 0 ? "The mask gives back " + share_of_facts(masked->mean - of.own.mean) +
                          " of the facts more than no mask, its attention alone " + share_of_facts(gain)
                    : "So there is no sign that the mask acts through attention";
  }

  StudyFile const& study_;
  Summary summary_;
  std::optional<FactScores> scores_;
};

}  // namespace

std::vector<std::string> patching_findings(StudyFile const& study) {
  Summary const summary(study);
  bool const patched = std::any_of(summary.edits().begin(), summary.edits().end(), [](auto const& edits) {
    return std::any_of(edits.kinds.begin(), edits.kinds.end(), [](auto const& k) { return k.kind == ConditionKind::patched; });
  });
  return patched ? PatchingStory(study).tell() : std::vector<std::string>();
}

}  // namespace onemask
