#include "report/fact_insides.hpp"
#include "report/markup.hpp"
#include "report/page_context.hpp"
#include "report/page_parts.hpp"
#include "report/paired_scores.hpp"
#include "report/study_parts.hpp"
#include <onemask/settings/prompt_kind.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

// The data of the list of facts and of their pages, which the script makes (page/page.js). Lists have a value for each fact, in
// the order of the file, or null. Numbers are whole: thousandths of nats, ten-thousandths of shares.
using Json = nlohmann::ordered_json;

/// Scores of facts that a page holds, in bytes: those of a fact under a model after its rewrite prompt, and after each other
/// kind.
constexpr std::size_t most_bytes = 11'000'000, bytes_of_rewrite = 30, bytes_of_kind = 16;

Json whole(double value, double unit) {
  auto const scaled = value * unit;
  return std::isfinite(scaled) && std::abs(scaled) < 1e15 ? Json(std::llround(scaled)) : Json();
}

/// A list with a null for each fact.
Json::array_t nothing(std::size_t facts) {
  return Json::array_t(facts);
}

/// Texts by their number in a list of the different ones.
Json numbered(std::vector<std::string> const& texts, Json& names) {
  std::map<std::string, std::size_t> numbers;
  Json list = Json::array();
  names = Json::array();
  for (auto const& text : texts) {
    auto const [place, is_new] = numbers.emplace(text, numbers.size());
    if (is_new) names.push_back(valid_text(text));
    list.push_back(place->second);
  }
  return list;
}

Json texts(std::vector<std::string> const& values) {
  Json list = Json::array();
  for (auto const& value : values) list.push_back(valid_text(value));
  return list;
}

/// What is there under one model, by kind of prompts.
struct ModelScores {
  Json::array_t lp_true, lp_new, kl, rank_true, rank_new, changed;  ///< of the rewrite prompt
  struct OfKind {
    std::vector<std::int64_t> prompts, restored;
    std::vector<double> p_true, p_new;
  };
  std::map<std::int64_t, OfKind> kinds;  ///< of the others, sums over prompts
};

class FactData {
 public:
  explicit FactData(PageContext const& context)
      : study_(context.study), context_(context), facts_(need_table(study_, "facts").rows()) {}

  /// The data as JSON, and how many models it leaves out.
  std::pair<Json, std::size_t> make() {
    Json data;
    add_facts(data);
    add_edits(data);
    auto const left_out = add_scores(data);
    add_injections(data);
    add_insides(study_, facts_, data);
    return {std::move(data), left_out};
  }

 private:
  void add_facts(Json& data) const {
    auto const& table = need_table(study_, "facts");
    auto const column = [&](char const* name) -> auto const& {
      return table.values<std::string>(name);
    };
    data["split"] = numbered(column("split"), data["splits"]);
    data["relation"] = numbered(column("relation"), data["relations"]);
    data["case"] = table.values<std::int64_t>("case_id");
    data["subject"] = texts(column("subject"));
    data["prompt"] = texts(column("prompt"));
    data["true"] = texts(column("target_true"));
    data["new"] = texts(column("target_new"));
  }

  /// A place in the list of ways of editing, made where there is none.
  Json& edits_of(Json& list, std::string const& set) const {
    for (auto& edits : list) {
      if (edits["set"] == set) return edits;
    }
    return list.emplace_back(Json{{"set", set}});
  }

  void put(Json& of, char const* name, std::int64_t fact, Json value) const {
    if (fact < 0 || static_cast<std::size_t>(fact) >= facts_) return;
    if (!of.contains(name)) of[name] = nothing(facts_);
    of[name][static_cast<std::size_t>(fact)] = std::move(value);
  }

  void add_edits(Json& data) const {
    auto& list = data["edits"] = Json::array();
    if (study_.tables.contains("flags")) {
      auto const& table = need_table(study_, "flags");
      for (std::size_t row = 0; row < table.rows(); ++row) {
        auto& of = edits_of(list, table.values<std::string>("set")[row]);
        for (auto const* name : {"known", "took", "took_top1"}) {
          auto const value = table.values<std::int64_t>(name)[row];
          put(of, name, table.values<std::int64_t>("fact")[row], value < 0 ? Json() : Json(value));
        }
      }
    }
    if (!study_.tables.contains("edits")) return;
    auto const& table = need_table(study_, "edits");
    for (std::size_t row = 0; row < table.rows(); ++row) {
      auto& of = edits_of(list, table.values<std::string>("set")[row]);
      auto const fact = table.values<std::int64_t>("fact")[row];
      put(of, "layer", fact, table.values<std::int64_t>("layer")[row]);
      put(of, "steps", fact, table.values<std::int64_t>("steps")[row]);
      for (auto const* name : {"loss", "p_new", "delta_norm", "value_norm"})
        put(of, name, fact, whole(table.values<double>(name)[row], 1000));
      if (auto const& failure = table.values<std::string>("failure")[row]; !failure.empty())
        put(of, "failure", fact, valid_text(failure));
    }
  }

  /// Returns how many models are left out.
  std::size_t add_scores(Json& data) const {
    auto& models = data["models"] = Json::array();
    if (!study_.tables.contains("metrics")) return 0;
    auto const& metrics = need_table(study_, "metrics");
    auto const& conditions = need_table(study_, "conditions");
    auto const kept = models_kept(metrics);
    std::vector<ModelScores> scores(kept);
    for (auto& of : scores)
      of = {nothing(facts_), nothing(facts_), nothing(facts_), nothing(facts_), nothing(facts_), nothing(facts_), {}};
    auto const& condition = metrics.values<std::int64_t>("condition");
    auto const& fact = metrics.values<std::int64_t>("fact");
    for (std::size_t row = 0; row < metrics.rows(); ++row) {
      auto const model = static_cast<std::size_t>(condition[row]), place = static_cast<std::size_t>(fact[row]);
      if (model < kept && place < facts_) add_row(scores[model], metrics, row, place);
    }
    for (std::size_t model = 0; model < kept; ++model) {
      auto& entry = models.emplace_back(description_of(conditions, model));
      auto& of = scores[model];
      entry["lp_true"] = std::move(of.lp_true), entry["lp_new"] = std::move(of.lp_new), entry["kl"] = std::move(of.kl);
      entry["rank_true"] = std::move(of.rank_true), entry["rank_new"] = std::move(of.rank_new);
      entry["changed"] = std::move(of.changed);
      for (auto const& [kind, sums] : of.kinds) entry["kinds"].push_back(kind_of_prompts(kind, sums));
    }
    return conditions.rows() - kept;
  }

  /// As many models as the page holds scores of: all of them, unless there are very many.
  std::size_t models_kept(Table const& metrics) const {
    auto const all = need_table(study_, "conditions").rows();
    auto const& numbers = metrics.values<std::int64_t>("kind");
    std::set<std::int64_t> const kinds(numbers.begin(), numbers.end());
    auto const bytes = std::max<std::size_t>(1, facts_) * (bytes_of_rewrite + bytes_of_kind * kinds.size());
    return std::min(all, std::max<std::size_t>(2, most_bytes / bytes));
  }

  void add_row(ModelScores& of, Table const& metrics, std::size_t row, std::size_t fact) const {
    auto const real = [&](char const* name) { return metrics.values<double>(name)[row]; };
    auto const count = [&](char const* name) { return metrics.values<std::int64_t>(name)[row]; };
    auto const lp_true = real("lp_true"), lp_new = real("lp_new");
    auto const kind = count("kind");
    if (kind == static_cast<std::int64_t>(PromptKind::rewrite)) {
      of.lp_true[fact] = whole(lp_true, 1000), of.lp_new[fact] = whole(lp_new, 1000), of.kl[fact] = whole(real("kl"), 1000);
      of.rank_true[fact] = count("rank_true"), of.rank_new[fact] = count("rank_new");
      of.changed[fact] = count("top1_changed");
      return;
    }
    auto& sums = of.kinds[kind];
    if (sums.prompts.empty()) {
      sums.prompts.resize(facts_), sums.restored.resize(facts_);
      sums.p_true.resize(facts_), sums.p_new.resize(facts_);
    }
    ++sums.prompts[fact], sums.restored[fact] += lp_true > lp_new ? 1 : 0;
    sums.p_true[fact] += std::exp(lp_true), sums.p_new[fact] += std::exp(lp_new);
  }

  Json description_of(Table const& conditions, std::size_t row) const {
    auto const& name = conditions.values<std::string>("name")[row];
    for (auto const& edits : context_.summary.edits()) {
      for (auto const& kind : edits.kinds) {
        for (auto const& model : kind.models) {
          if (model.name != name) continue;
          auto const seed = kind.models.size() > 1 ? seed_of(model) : "";
          auto const label = kind.label + (seed.empty() ? "" : ", " + seed);
          return {{"label", valid_text(label)},
                  {"set", valid_text(edits.edits)},
                  {"kind", to_string(kind.kind)},
                  {"zeros", whole(model.zeros, 10000)}};
        }
      }
    }
    return {{"label", valid_text(name)}, {"set", ""}, {"kind", ""}, {"zeros", Json()}};
  }

  Json kind_of_prompts(std::int64_t kind, ModelScores::OfKind const& sums) const {
    bool const known = kind >= 0 && kind < static_cast<std::int64_t>(prompt_kind_names.size());
    Json of{{"kind", known ? prompt_kind_names[static_cast<std::size_t>(kind)].name : "other"}};
    of["prompts"] = sums.prompts, of["restored"] = sums.restored;
    for (auto const& [name, values] : {std::pair("p_true", &sums.p_true), std::pair("p_new", &sums.p_new)}) {
      auto list = nothing(facts_);
      for (std::size_t fact = 0; fact < facts_; ++fact) {
        if (sums.prompts[fact] > 0) list[fact] = whole((*values)[fact] / static_cast<double>(sums.prompts[fact]), 10000);
      }
      of[name] = std::move(list);
    }
    return of;
  }

  /// Only the facts that are edited under masks, which are few.
  void add_injections(Json& data) const {
    if (!study_.tables.contains("injections")) return;
    auto const& rows = need_table(study_, "injections");
    auto& list = data["injections"] = Json::array();
    for (std::size_t row = 0; row < rows.rows(); ++row) {
      auto const text = [&](char const* column) { return rows.values<std::string>(column)[row]; };
      auto const sequential = rows.values<std::int64_t>("sequential")[row] != 0;
      auto const where = text("point") + (text("set").empty() ? "" : " " + text("set"));
      list.push_back({{"label", text("mask") + ", " + text("variant") + (sequential ? ", sequential" : "") +
                                    (where.empty() ? "" : ", " + where)},
                      {"facts", Json::object()}});
    }
    auto const& scores = need_table(study_, "injection_scores");
    for (std::size_t row = 0; row < scores.rows(); ++row) {
      auto const injection = static_cast<std::size_t>(scores.values<std::int64_t>("injection")[row]);
      if (injection >= list.size()) continue;
      auto const real = [&](char const* column) { return whole(scores.values<double>(column)[row], 1000); };
      list[injection]["facts"][std::to_string(scores.values<std::int64_t>("fact")[row])] = {
          real("lp_true"), real("lp_new"), real("token_accuracy"), real("update_norm")};
    }
  }

  StudyFile const& study_;
  PageContext const& context_;
  std::size_t facts_;
};

/// JSON between the tags of a script: no tag can begin in it.
std::string within_script(Json const& data) {
  std::string result;
  for (char const letter : data.dump(-1, ' ', false, Json::error_handler_t::replace))
    result += letter == '<' ? std::string("\\u003c") : std::string(1, letter);
  return result;
}

}  // namespace

std::string facts_section(PageContext const& context) {
  auto const& tables = context.study.tables;
  if (!tables.contains("facts") || !need_table(context.study, "facts").find("subject")) return "";
  auto const [data, left_out] = FactData(context).make();
  std::string html = html_paragraph("Every fact has a page with its probabilities under every model" +
                                    std::string(data.contains("traces") || data.contains("tracing") || data.contains("maps")
                                                    ? ", and what happens inside of the models."
                                                    : "."));
  if (left_out > 0)
    html +=
        html_paragraph(fmt::format("This page holds the scores under {} of {} models; the table 'metrics' of study.h5 has all.",
                                   data["models"].size(), data["models"].size() + left_out));
  return html +
         "<noscript><p>The list of facts needs scripts. The tables 'facts' and 'metrics' of study.h5 have its "
         "numbers.</p></noscript>\n"
         "<div id=\"fact-list\"></div>\n<script type=\"application/json\" id=\"fact-data\">" +
         within_script(data) + "</script>\n";
}

}  // namespace onemask
