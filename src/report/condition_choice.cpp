#include "report/condition_choice.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <set>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The words behind the comma must all be among those of a model.
struct Choice {
  std::string kind;
  std::vector<std::string> words;
};

std::vector<std::string> words_of(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  auto words = split_text(text, ' ');
  std::erase(words, "");
  return words;
}

Choice parse_choice(std::string const& name) {
  auto const comma = name.find(',');
  if (comma == std::string::npos) return {name, {}};
  return {name.substr(0, comma), words_of(name.substr(comma + 1))};
}

/// What tells models of a kind apart: the way of editing, the variant, the settings of the mask, its seed.
std::vector<std::string> words_of(EditedModels const& edits, ModelKind const& kind, ScoredModel const& model) {
  bool const has_covers = std::any_of(edits.kinds.begin(), edits.kinds.end(), [&](auto const& other) {
    return other.kind == kind.kind && other.variant.starts_with("cover ");
  });
  auto const variant = kind.variant.empty() && has_covers ? "cover both" : kind.variant;
  auto const is_away = [](auto const& other) { return other.settings.starts_with(trained_on); };
  auto settings = kind.settings;
  if (is_away(kind)) {
    settings.erase(0, std::string(trained_on).size());
    settings = "from:" + join(split_text(settings, ' '), " from:", [](auto const& word) { return word; });
  } else if (!model.point.empty() && std::any_of(edits.kinds.begin(), edits.kinds.end(), is_away)) {
    settings += " home";
  }
  return words_of(edits.edits + " " + variant + " " + settings + " " + seed_of(model));
}

bool are_among(std::vector<std::string> const& words, std::vector<std::string> const& all) {
  return std::all_of(words.begin(), words.end(),
                     [&](auto const& word) { return std::find(all.begin(), all.end(), word) != all.end(); });
}

std::vector<ChosenModels> choose(Summary const& summary, std::string const& name) {
  auto const [kind_name, words] = parse_choice(name);
  std::vector<ChosenModels> chosen;
  std::vector<std::string> known;
  std::set<std::string> known_words;
  for (auto const& edits : summary.edits()) {
    for (auto const& kind : edits.kinds) {
      auto const short_name = to_string(kind.kind);
      if (std::find(known.begin(), known.end(), short_name) == known.end()) known.push_back(short_name);
      bool const named = kind_name == short_name || kind_name == label_of_kind(kind.kind);
      ChosenModels found{edits.edits, kind.settings, kind.label, {kind.kind, {}}};
      for (auto const& model : kind.models) {
        for (auto const& word : words_of(edits, kind, model)) known_words.insert(word);
        if (model.name == name || kind.variant == name || kind.label == name ||
            (named && are_among(words, words_of(edits, kind, model))))
          found.models.models.push_back(model);
      }
      if (found.models.models.empty()) continue;
      if (found.models.models.size() < kind.models.size()) found.label += ", " + seed_of(found.models.models.front());
      chosen.push_back(std::move(found));
    }
  }
  if (!chosen.empty()) return chosen;
  auto const choices = known_words.empty() ? ""
                                           : fmt::format(" Behind a comma stands which of them: {}.",
                                                         join(known_words, ", ", [](auto const& w) { return w; }));
  throw UserError(fmt::format("The study has no condition '{}'.{} It has: {}.{}", name,
                              are_among({kind_name}, known) ? "" : did_you_mean(kind_name, known),
                              join(known, ", ", [](auto const& k) { return k; }), choices));
}

bool has_no_mask(ChosenModels const& chosen) {
  return chosen.models.models.front().point.empty();
}

bool same_models(ChosenModels const& a, ChosenModels const& b) {
  return a.models.kind == b.models.kind &&
         std::equal(a.models.models.begin(), a.models.models.end(), b.models.models.begin(), b.models.models.end(),
                    [](auto const& x, auto const& y) { return x.name == y.name; });
}

}  // namespace

std::vector<std::pair<ChosenModels, ChosenModels>> choose_pairs(Summary const& summary, std::string const& a,
                                                                std::string const& b) {
  auto const of_a = choose(summary, a), of_b = choose(summary, b);
  bool const only = of_a.size() == 1 && of_b.size() == 1;
  bool same = false;
  std::vector<std::pair<ChosenModels, ChosenModels>> pairs;
  for (auto const& one : of_a) {
    for (auto const& other : of_b) {
      bool const alike = one.edits == other.edits && (one.settings == other.settings || has_no_mask(one) || has_no_mask(other));
      same = same || same_models(one, other);
      if (same_models(one, other) || (!only && !alike)) continue;
      pairs.emplace_back(one, other);
      if (one.edits == other.edits) continue;
      pairs.back().first.label += ", " + one.edits, pairs.back().second.label += ", " + other.edits;
      pairs.back().first.edits.clear();
    }
  }
  if (pairs.empty() && same) throw UserError(fmt::format("'{}' and '{}' are the same models; name two that differ.", a, b));
  if (pairs.empty())
    throw UserError(fmt::format(
        "No '{}' has the way of editing and the settings of a '{}'; name one of each with words behind a comma.", a, b));
  return pairs;
}

}  // namespace onemask
