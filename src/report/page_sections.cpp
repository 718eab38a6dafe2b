#include "report/markup.hpp"
#include "report/page_context.hpp"
#include "report/page_parts.hpp"
#include "report/split_counts.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

void warn_of_parts(PageContext const& context, std::vector<std::string>& warnings) {
  if (need_status(context.study) != "PARTIAL") return;
  warnings.push_back("The run is PARTIAL: " + need_attribute(context.study, "tasks_done") + " of " +
                     need_attribute(context.study, "tasks_planned") +
                     " tasks are done. All numbers are of what is there so far; n/planned says of how many facts.");
  for (auto const& [split, scores, facts] : counts_by_split(context.study)) {
    if (scores.n < scores.planned)
      warnings.push_back(fmt::format("Split {}: {} of {} scores of facts under models are missing.", split,
                                     scores.planned - scores.n, scores.planned));
  }
}

void warn_of_failures(PageContext const& context, std::vector<std::string>& warnings) {
  auto const& tables = context.study.tables;
  if (tables.contains("edits")) {
    auto const& failures = need_table(context.study, "edits").values<std::string>("failure");
    auto const count = std::count_if(failures.begin(), failures.end(), [](auto const& failure) { return !failure.empty(); });
    if (count > 0)
      warnings.push_back(
          fmt::format("{} of {} edits failed. Their facts are left out of all means after the edit.", count, failures.size()));
  }
  if (!tables.contains("provenance/tasks")) return;
  auto const& tasks = need_table(context.study, "provenance/tasks");
  std::set<std::string> done, failed;
  for (std::size_t row = 0; row < tasks.rows(); ++row)
    (tasks.values<std::string>("status")[row] == "done" ? done : failed).insert(tasks.values<std::string>("task")[row]);
  auto const count = std::count_if(failed.begin(), failed.end(), [&](auto const& task) { return !done.contains(task); });
  if (count > 0) warnings.push_back(fmt::format("{} tasks failed in every attempt; see Provenance.", count));
}

void warn_of_facts(PageContext const& context, std::vector<std::string>& warnings) {
  for (auto const& warning : context.parts.few_facts) warnings.push_back(warning);
  if (context.study.tables.contains("tracing_facts")) {
    auto const traced = need_table(context.study, "tracing_facts").rows();
    if (traced < static_cast<std::size_t>(few_facts))
      warnings.push_back(fmt::format("Only {} are traced: their intervals are wide.", counted(traced, "fact")));
  }
  if (!context.settings) return;
  auto const splits = context.settings->at("facts");
  for (auto const& split : splits.keys()) {
    auto const allowed = splits.at(split).at("allow_overlap");
    if (!allowed.is_null())
      warnings.push_back("Split " + split + " may have facts in common with the training split (allow_overlap: " +
                         allowed.text() + "). Its scores do not show what a mask does to facts that it was not trained on.");
  }
}

void warn_of_seeds(PageContext const& context, std::vector<std::string>& warnings) {
  std::size_t least = 0;
  for (auto const& edits : context.summary.edits()) {
    for (auto const& kind : edits.kinds) {
      bool const counts = kind.kind == ConditionKind::mask && kind.variant.empty();
      if (counts) least = least == 0 ? kind.models.size() : std::min(least, kind.models.size());
    }
  }
  if (least == 1) warnings.emplace_back("There is one mask of a kind: how masks of different seeds differ is not known.");
}

void warn_of_machines(PageContext const& context, std::vector<std::string>& warnings) {
  if (!context.parts.mixture.empty()) warnings.push_back(context.parts.mixture);
  auto const revision = context.study.attributes.find("revision");
  if (revision != context.study.attributes.end() && revision->second.ends_with("-dirty"))
    warnings.push_back("The program was built from sources that had been changed (revision " + revision->second +
                       "), so the revision alone does not give it again.");
}

/// The settings of a study, "mask.epochs" and its value.
void add_settings(YamlValue const& value, std::string const& key, TextTable& table) {
  if (value.is_list()) {
    table.add({key, "[" + join(value.elements(), ", ", [](auto const& element) { return element.text(); }) + "]"});
  } else if (!value.is_mapping()) {
    table.add({key, value.text()});
  }
  for (auto const& name : value.keys()) add_settings(value.at(name), key.empty() ? name : key + "." + name, table);
}

std::string facts_in_words(PageContext const& context) {
  std::map<std::string, std::int64_t> by_split;
  std::set<std::string> relations;
  auto const& facts = need_table(context.study, "facts");
  std::vector<std::string> order;
  for (std::size_t row = 0; row < facts.rows(); ++row) {
    auto const& split = facts.values<std::string>("split")[row];
    if (by_split[split]++ == 0) order.push_back(split);
    relations.insert(facts.values<std::string>("relation")[row]);
  }
  return fmt::format("{} facts of {} ({})", facts.rows(), counted(relations.size(), "relation"),
                     join(order, ", ", [&](auto const& split) { return fmt::format("{} of split {}", by_split[split], split); }));
}

std::string models_in_words(PageContext const& context) {
  std::vector<std::string> labels;
  for (auto const& edits : context.summary.edits()) {
    for (auto const& kind : edits.kinds) {
      if (std::find(labels.begin(), labels.end(), kind.label) == labels.end()) labels.push_back(kind.label);
    }
  }
  constexpr std::size_t most_labels = 16;
  if (labels.size() <= most_labels) return join(labels, "; ");
  auto const more = labels.size() - most_labels;
  labels.resize(most_labels);
  return join(labels, "; ") + fmt::format("; and {} more", more);
}

std::string description(TextTable const& table) {
  return "<dl>\n" +
         join(
             table.rows(), "",
             [](auto const& row) { return "<dt>" + escaped_markup(row[0]) + "</dt><dd>" + escaped_markup(row[1]) + "</dd>\n"; }) +
         "</dl>\n";
}

std::string study_source(PageContext const& context) {
  auto const study = context.study.attributes.find("study");
  return study == context.study.attributes.end() ? "" : study->second;
}

std::string study_name(PageContext const& context) {
  auto const name = context.study.attributes.find("name");
  return name == context.study.attributes.end() ? "study" : name->second;
}

/// What has to be typed for the same results.
std::string commands(PageContext const& context) {
  std::int64_t ranks = 1;
  if (context.study.tables.contains(stages_table)) {
    for (auto const count : need_table(context.study, stages_table).values<std::int64_t>("ranks")) ranks = std::max(ranks, count);
  }
  auto const name = study_name(context), folder = "results/" + name;
  auto const launcher = ranks > 1 ? fmt::format("mpirun -n {} ", ranks) : "";
  return launcher + "onemask sweep " + name + ".yaml --out " + folder + "\nonemask report " + folder + " --html " + name +
         ".html\n";
}

std::string escaped_lines(std::string const& text) {
  return join(split_text(text, '\n'), "\n", escaped_markup);
}

/// How often which host has worked.
TextTable hosts(Table const& tasks) {
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::int64_t, double>> of;
  for (std::size_t row = 0; row < tasks.rows(); ++row) {
    auto& [count, seconds] = of[{tasks.values<std::string>("host")[row], tasks.values<std::int64_t>("rank")[row]}];
    ++count, seconds += tasks.values<double>("seconds")[row];
  }
  TextTable table;
  table.add({"host", "rank", "attempts at tasks", "seconds"});
  for (auto const& [place, work] : of)
    table.add({place.first, std::to_string(place.second), std::to_string(work.first), fmt::format("{:.1f}", work.second)});
  return table;
}

TextTable failures(Table const& tasks) {
  TextTable table;
  for (std::size_t row = 0; row < tasks.rows(); ++row) {
    if (tasks.values<std::string>("status")[row] == "done") continue;
    if (table.rows().empty()) table.add({"failed attempt at", "host", "why"});
    table.add(
        {tasks.values<std::string>("task")[row], tasks.values<std::string>("host")[row], tasks.values<std::string>("note")[row]});
  }
  return table;
}

TextTable objects(Table const& made) {
  TextTable table;
  table.add({"objects made by", "number"});
  for (std::size_t row = 0; row < made.rows(); ++row) {
    auto const& by = made.values<std::string>("made_by")[row];
    table.add({by.empty() ? "unknown" : by, std::to_string(made.values<std::int64_t>("objects")[row])});
  }
  return table;
}

}  // namespace

std::string warnings_section(PageContext const& context) {
  std::vector<std::string> warnings;
  warn_of_parts(context, warnings);
  warn_of_failures(context, warnings);
  warn_of_facts(context, warnings);
  warn_of_seeds(context, warnings);
  warn_of_machines(context, warnings);
  return warnings.empty() ? "" : html_list(warnings);
}

std::string asked_section(PageContext const& context) {
  std::string html;
  if (context.study.tables.contains("facts") && need_table(context.study, "facts").find("subject")) {
    auto const checkpoint = context.settings ? context.settings->at("model").at("checkpoint").text() : "";
    auto const facts = facts_in_words(context) + (checkpoint.empty() ? "" : " in the model " + checkpoint);
    bool const edits = !context.settings || !context.settings->at("edit").is("none");
    html += html_paragraph(
        edits ? "The study edits " + facts +
                    ", and asks how often a model prefers the true object of a fact to the one that the edit states."
              : "The study looks at " + facts + ", and asks where the model keeps them. Nothing is edited.");
  }
  if (!context.summary.edits().empty()) html += html_paragraph("Models that are scored: " + models_in_words(context) + ".");
  if (!context.settings) return html;
  TextTable table;
  add_settings(*context.settings, "", table);
  return html + "<h3>Settings of the study</h3>\n" + description(table) +
         "<p>All other settings have their default values.</p>\n";
}

std::string provenance_section(PageContext const& context) {
  auto const& study = context.study;
  std::string html;
  if (auto const source = study_source(context); !source.empty()) {
    auto const file = study_name(context) + ".yaml";
    html += "<h3>The same results again</h3>\n<p>Save " + html_download(file, file, "text/yaml", source) +
            " in the folder of the study, where the paths in it begin, and run</p>\n<pre class=\"command\">" +
            escaped_lines(commands(context)) + "</pre>\n";
    if (auto const hash = study.attributes.find("results_sha256"); hash != study.attributes.end())
      html += html_paragraph("Equal results have the attribute results_sha256 " + hash->second +
                             ", on any number of ranks of one kind of machine.");
    html += html_details("The study file", "<pre>" + escaped_lines(source) + "</pre>\n");
  }
  html += "<h3>Program and inputs</h3>\n";
  TextTable attributes;
  for (auto const& [name, value] : study.attributes) {
    if (name != "study") attributes.add({name, value});
  }
  html += description(attributes);
  html += html_blocks(context.parts.stages);
  std::vector<DocumentBlock> blocks;
  if (study.tables.contains(objects_table)) blocks.push_back({"", objects(need_table(study, objects_table)), ""});
  if (study.tables.contains("provenance/tasks")) {
    auto const& tasks = need_table(study, "provenance/tasks");
    blocks.push_back({"", hosts(tasks), ""});
    blocks.push_back({"", failures(tasks), ""});
  }
  return html + html_blocks(blocks);
}

}  // namespace onemask
