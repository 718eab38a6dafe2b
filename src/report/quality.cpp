#include "report/quality.hpp"

#include "report/cells.hpp"
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace onemask {
namespace {

constexpr std::size_t most_figures = 2;  // of a line

/// Scores of one kind of prompts, one beside the other.
struct Line {
  char const* label;
  char const* prompts;
  std::array<char const*, most_figures> metrics;  ///< null: none
};

/// A table of such lines.
struct Form {
  char const* name;
  std::array<char const*, most_figures> figures;  ///< headings; null: the table has fewer
  std::vector<Line> lines;
  std::size_t decides;  ///< the table is there where the summary has this line, or (number of lines) one of them
  char const* definition;

  bool shows_all_lines() const { return decides < lines.size(); }
};

std::vector<Form> const forms{
    {"editing quality",
     {"success %", "magnitude %"},
     {{"rewrite (ES, EM)", "rewrite", {"success", "magnitude"}},
      {"paraphrase (PS, PM)", "paraphrase", {"success", "magnitude"}},
      {"neighborhood (NS, NM)", "neighborhood", {"success", "magnitude"}},
      {"score", "all", {"score"}}},
     2,
     "editing quality: CounterFact's definitions; P(object) is exp of the mean log-probability of the object's tokens.\n"
     "success: share of prompts with P(new) > P(true), in the neighborhood P(true) > P(new). magnitude: their difference.\n"
     "rewrite: the edit's own prompt; paraphrase: it in other words; neighborhood: prompts about other subjects with the same "
     "true\n"
     "object. score: harmonic mean of the three successes, over the facts that have all three kinds of prompts.\n"},
    {"further prompts",
     {"success %", "magnitude %"},
     {{"attribute", "attribute", {"success", "magnitude"}}, {"distract (DNS)", "distract", {"success", "magnitude"}}},
     2,
     "attribute: prompts about other subjects whose object is the new one by rights; success: P(new) > P(true). distract: the\n"
     "neighborhood behind the statement of the edit; success: P(true) > P(new). P as in editing quality.\n"},
    {"superficial editing",
     {"OP %", "OM %"},
     {{"rep", "rep", {"rsr", "match"}}, {"que", "que", {"rsr", "match"}}},
     2,
     "superficial editing: the rewrite prompt behind the repeated true object (rep), or behind a question that names it (que).\n"
     "OP: share with P(true) > P(new), of the whole objects. OM: share behind which each token of the true object is the "
     "likeliest.\n"},
    {"token accuracy",
     {"new object %", "true object %"},
     {{"rewrite", "rewrite", {"acc_new", "acc_true"}}, {"paraphrase", "paraphrase", {"acc_new", "acc_true"}}},
     2,
     "token accuracy: share of the object's tokens that are the likeliest in their places, the tokens before them given.\n"},
    {"generation",
     {"new object %", "true object %"},
     {{"rewrite", "rewrite", {"gen_new", "gen_true"}}},
     1,
     "generation: share of rewrite prompts whose continuation by the model itself states the object.\n"},
    {"generation entropy",
     {"bits x 100", nullptr},
     {{"GE", "rewrite", {"entropy"}}},
     1,
     "GE: 2/3 and 4/3 of the entropies of pairs and triples of words in what follows generation prompts, half of their sum.\n"},
    {"took",
     {"share %", nullptr},
     {{"known", "rewrite", {"known_top1"}},
      {"took", "rewrite", {"took"}},
      {"took, top-1", "rewrite", {"took_top1"}},
      {"RSR given took", "rewrite", {"rsr_took"}},
      {"RSR given took, top-1", "rewrite", {"rsr_took_top1"}}},
     5,
     "known: the unedited model's likeliest token is the first of the true object. took: after the edit P(new) > P(true), of "
     "the\n"
     "whole objects; took, top-1: and the likeliest token is the first of the new object. RSR given took: RSR over the facts "
     "whose\n"
     "edit took, of which there are as many as are planned.\n"}};

/// The lines of one model, from what `find(prompts, metric)` knows.
template <class Find>
void add_model(TextTable& table, Form const& form, std::string const& label, std::string const& indent, Find const& find) {
  table.add({indent + label});
  for (auto const& line : form.lines) {
    std::optional<Estimate> const first = find(line.prompts, line.metrics.front());
    if (!first && !form.shows_all_lines()) continue;
    std::vector<std::string> cells{indent + "  " + line.label};
    for (std::size_t i = 0; i < most_figures && form.figures[i]; ++i) {
      std::optional<Estimate> figure;
      if (line.metrics[i]) figure = find(line.prompts, line.metrics[i]);
      std::string const none = line.metrics[i] ? "-" : "";
      cells.push_back(figure ? percent(figure->mean) : none);
      cells.push_back(figure ? interval(*figure) : none);
    }
    cells.push_back(first ? counts(*first) : "-");
    table.add(std::move(cells));
  }
}

bool is_shown(Form const& form, Summary const& summary, EditedModels const& edits, Group const& group) {
  auto const has = [&](Line const& line) {
    return std::any_of(edits.kinds.begin(), edits.kinds.end(),
                       [&](auto const& kind) { return summary.mean(kind, group, line.prompts, line.metrics.front()); });
  };
  return form.shows_all_lines() ? has(form.lines[form.decides]) : std::any_of(form.lines.begin(), form.lines.end(), has);
}

}  // namespace

std::vector<QualityBlock> quality_blocks(Summary const& summary, EditedModels const& edits, Group const& group, bool per_mask) {
  std::vector<QualityBlock> blocks;
  for (auto const& form : forms) {
    if (!is_shown(form, summary, edits, group)) continue;
    TextTable table;
    std::vector<std::string> heading{form.name};
    for (auto const* figure : form.figures) {
      if (figure) heading.insert(heading.end(), {figure, "95 % interval"});
    }
    heading.emplace_back("n/planned");
    table.add(std::move(heading));
    for (auto const& kind : edits.kinds) {
      add_model(table, form, label_of(kind, summary.scored(kind, group).size()), "",
                [&](auto prompts, auto metric) { return summary.mean(kind, group, prompts, metric); });
      if (!per_mask || kind.models.size() < 2) continue;
      for (auto const& model : kind.models) {
        add_model(table, form, model.point.empty() ? model.name : model.point, "  ",
                  [&](auto prompts, auto metric) { return summary.find(model.name, group, prompts, metric); });
      }
    }
    blocks.push_back({{"", std::move(table), ""}, form.definition});
  }
  return blocks;
}

}  // namespace onemask
