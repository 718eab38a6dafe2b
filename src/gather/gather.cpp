#include "gather/analysis_tables.hpp"
#include "gather/gather_tables.hpp"
#include <onemask/core/build_info.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/fact_prompts.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/gather/gather.hpp>
#include <onemask/plan/task_list.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/core.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace onemask {
namespace {

ByteMatrix matrix_of(MaskTask const& task, std::vector<int> const& layers, at::Tensor const& kept) {
  auto const keep = kept.to(at::kByte).contiguous();
  auto const* bytes = keep.data_ptr<std::uint8_t>();
  ByteMatrix matrix{static_cast<std::size_t>(keep.size(0)),
                    static_cast<std::size_t>(keep.size(1)),
                    {bytes, bytes + keep.numel()},
                    {{"name", task.name},
                     {"seed", task.members.empty() ? std::to_string(task.seed) : "consensus"},
                     {"layers", join(layers, " ")},
                     {"object", task.key}}};
  if (task.options.zeros) {
    matrix.attributes["zeros"] = fmt::format("{}", *task.options.zeros);
  } else {
    matrix.attributes["threshold"] = std::to_string(task.options.threshold);
  }
  return matrix;
}

std::vector<FactPlace> places_of(Plan const& plan, EvaluationPlan const& evaluation) {
  std::vector<FactPlace> places;
  for (auto const& item : plan.facts) {
    auto kinds = evaluation.kinds();
    std::erase_if(kinds, [&](auto kind) { return count_prompts(item.fact, kind) == 0; });
    places.push_back({item.split, item.fact.relation, std::move(kinds)});
  }
  return places;
}

/// Gives freed memory back. The parts of large objects lie between small ones that stay, where the allocator would not use them
/// again for the next large object, so that a run's masks would add up.
void trim_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

/// Writes a study file part by part, and counts the tasks whose results it found.
class Gatherer {
 public:
  Gatherer(GatherSource const& source, std::filesystem::path const& file)
      : source_(source), plan_(source.plan), file_(file), writer_(file) {}

  bool run() {
    write_masks();
    write_edits();
    write_scores();
    write_perplexity();
    write_injections();
    write_tracing();
    write_analyses();
    write_result("facts", facts_table(plan_));
    if (!plan_.known.empty()) write_result("known", known_table(plan_, source_.study));
    count_done(plan_.moments, [](auto const& moment) { return moment.second; });
    count_done(plan_.null_spaces, [](auto const& task) { return task.key; });
    for (auto const& key : source_.inputs) find(key);

    // Results only: equal for every number of ranks and after any interruption. Where and how fast they were made is provenance.
    Hasher results;
    for (auto const& [name, checksum] : checksums_) results.text(name).text(checksum);
    auto const& published = source_.study.published;
    if (!published.figures.empty()) writer_.write("published", published_table(published));
    writer_.write("provenance/stages", stages_table(source_.stages));
    writer_.write("provenance/tasks", tasks_table(read_journals(source_.journals)));
    writer_.write("provenance/objects", makers_table(objects_by_maker_));
    invariant(done_ <= plan_.tasks(), done_, " tasks are done of ", plan_.tasks());
    bool const complete = done_ == plan_.tasks();
    if (!complete && is_complete_already()) return true;
    auto attributes = source_.runtime;
    attributes["hdf5"] = hdf5_version();
    attributes.merge(build_info());
    attributes["results_sha256"] = results.hex();
    attributes["schema"] = "4";
    attributes["name"] = source_.study.name;
    attributes["train_split"] = join(source_.study.training_splits(), ", ");
    auto const& points = source_.study.points;
    auto const relations = points.empty() ? std::vector<std::string>() : points.front().training.relations;
    bool const swept =
        std::any_of(points.begin(), points.end(), [&](auto const& point) { return point.training.relations != relations; });
    if (!relations.empty() && !swept) attributes["train_relations"] = join(relations, ", ");
    if (auto const& tracing = source_.study.tracing) {
      attributes["tracing_noise"] = fmt::format("{}", tracing->noise);
      attributes["tracing_samples"] = std::to_string(tracing->samples);
      attributes["tracing_window"] = std::to_string(window_of(*tracing, plan_.layers));
    }
    attributes["study"] = source_.study.resolved;
    attributes["plan"] = plan_.id;
    attributes["model"] = source_.model;
    attributes["tokenizer"] = source_.tokenizer;
    attributes["tasks_planned"] = std::to_string(plan_.tasks());
    attributes["tasks_done"] = std::to_string(done_);
    attributes["status"] = complete ? "COMPLETE" : "PARTIAL";
    writer_.finish(attributes);
    return complete;
  }

 private:
  /// A run may have ended while this was on its way; its file is not replaced by less.
  bool is_complete_already() const {
    if (!std::filesystem::exists(file_)) return false;
    try {
      auto const attributes = read_study_file(file_, {}).attributes;
      return attributes.at("plan") == plan_.id && attributes.at("status") == "COMPLETE";
    } catch (std::exception const&) {
      return false;  // whatever it is, it is replaced
    }
  }

  /// An object made of its bytes, where they are there and whole.
  template <typename FromBytes>
  auto read(std::string const& key, FromBytes from_bytes) -> std::optional<decltype(from_bytes(std::string(), std::string()))> {
    auto object = source_.objects.read(key);
    if (!object) return std::nullopt;
    count(key, object->made_by);
    return from_bytes(std::move(object->payload), "object " + key);
  }

  /// Whether an object is there that is not read.
  bool find(std::string const& key) {
    auto const made_by = source_.objects.maker_of(key);
    if (made_by) count(key, *made_by);
    return made_by.has_value();
  }

  /// Several tasks may name one object: masks that differ in their cut alone, ways of editing that come to the same.
  void count(std::string const& key, std::string const& made_by) {
    if (counted_.insert(key).second) ++objects_by_maker_[made_by];
  }

  [[noreturn]] static void refuse(std::string const& key, std::string const& what) {
    throw UserError("object " + key + " holds " + what + " that its task does not have. Delete it; it will be made again.");
  }

  void write_result(std::string const& name, Table const& table) { checksums_[name] = writer_.write(name, table); }

  template <typename Tasks, typename Key>
  void count_done(Tasks const& tasks, Key key) {
    for (auto const& task : tasks) done_ += find(key(task));
  }

  void write_masks() {
    std::vector<EpochRow> epochs;
    zeros_.resize(plan_.masks.size());
    for (std::size_t m = 0; m < plan_.masks.size(); ++m) {
      auto const& task = plan_.masks[m];
      auto const mask = read(task.key, shared_mask_from_bytes);
      if (!mask) continue;
      ++done_;
      auto const keep = mask->keep(task.options);
      zeros_[m] = zeros_share(keep);
      invariant(zeros_[m] >= 0 && zeros_[m] <= 1, "the mask '", task.name, "' has a share of ", zeros_[m], " zeros");
      auto const name = fmt::format("masks/{}", m);
      checksums_[name] = writer_.write(name, matrix_of(task, mask->layers, keep));
      for (auto const& epoch : mask->epochs)
        epochs.push_back({task.name, &epoch - mask->epochs.data(), epoch,
                          task.options.zeros.value_or(epoch.zeros_below(task.options.threshold))});
      trim_memory();
    }
    write_result("mask_epochs", epochs_table(epochs));
    write_result("conditions", conditions_table(plan_, zeros_));
  }

  void write_edits() {
    std::vector<EditRow> rows;
    std::vector<std::vector<bool>> found(plan_.sets.size(), std::vector<bool>(plan_.facts.size()));
    for (std::size_t s = 0; s < plan_.sets.size(); ++s) {
      auto const& set = plan_.sets[s];
      if (set.in_batches) continue;
      for (std::size_t f = 0; f < plan_.facts.size(); ++f) {
        auto const edit = read(set.keys[f], edit_from_bytes);
        if (!edit) continue;
        found[s][f] = true;
        rows.push_back({s, f, &set.keys[f], *edit});
      }
    }
    for (auto const& solve : plan_.solves) {
      auto const edit = read(solve.key, batch_edit_from_bytes);
      if (!edit) continue;
      ++done_;
      if (edit->facts.size() != solve.facts.size()) refuse(solve.key, "facts");
      for (std::size_t i = 0; i < solve.facts.size(); ++i)
        rows.push_back({solve.set, solve.facts[i], &solve.key, edit->facts[i]});
    }
    for (auto const& task : plan_.edits) {
      auto const is_found = [&](std::size_t fact) { return found[task.set][fact]; };
      done_ += task.key.empty() ? std::all_of(task.facts.begin(), task.facts.end(), is_found) : find(task.key);
    }
    std::sort(rows.begin(), rows.end(),
              [](auto const& a, auto const& b) { return std::tie(a.set, a.fact) < std::tie(b.set, b.fact); });
    auto const twice = std::adjacent_find(rows.begin(), rows.end(), [](auto const& a, auto const& b) {
      return std::tie(a.set, a.fact) == std::tie(b.set, b.fact);
    });
    invariant(twice == rows.end(), "a fact has two edits in one way of editing");
    write_result("edits", edits_table(plan_, rows));
  }

  /// The metrics task by task, and the summary whenever all tasks of some conditions are through.
  void write_scores() {
    auto const& evaluation = source_.study.evaluation;
    TableStream metrics(writer_, "metrics", metrics_columns(evaluation));
    TableStream summary(writer_, "summary", summary_columns(plan_));
    Aggregator aggregator(places_of(plan_, evaluation), evaluation);
    auto const& tasks = plan_.evaluations;
    for (std::size_t first = 0, last = 0; first < tasks.size(); first = last) {
      auto const conditions = plan_.conditions_of(tasks[first].set, tasks[first].mask);
      std::vector<std::string> names;
      for (auto const c : conditions) names.push_back(plan_.conditions[c].name);
      auto const mask = tasks[first].mask;
      aggregator.begin(names, mask < 0 ? std::vector<bool>() : plan_.masks[static_cast<std::size_t>(mask)].left_out);
      for (; last < tasks.size() && tasks[last].set == tasks[first].set && tasks[last].mask == tasks[first].mask; ++last) {
        auto rows = read(tasks[last].key, metrics_from_bytes);
        if (!rows) continue;
        ++done_;
        for (auto& row : *rows) {
          if (static_cast<std::size_t>(row.fact) >= tasks[last].count) refuse(tasks[last].key, "facts");
          if (static_cast<std::size_t>(row.condition) >= conditions.size()) refuse(tasks[last].key, "conditions");
          row.fact += static_cast<std::int64_t>(tasks[last].first);
          aggregator.add(row);
          row.condition = static_cast<std::int64_t>(conditions[static_cast<std::size_t>(row.condition)]);
          if (mask < 0) flag(row);
        }
        metrics.append(metrics_block(*rows, evaluation));
      }
      summary.append(summary_block(aggregator.end()));
    }
    checksums_["metrics"] = metrics.close();
    checksums_["summary"] = summary.close();
    writer_.write("flags", flags_table(plan_, flags_));
  }

  /// Notes what a row of the unedited or the edited model says of its fact.
  void flag(PromptMetrics const& row) {
    auto const& condition = plan_.conditions[static_cast<std::size_t>(row.condition)];
    if (row.kind != PromptKind::rewrite || std::isnan(row.lp_true) || std::isnan(row.lp_new)) return;
    auto& flags = flags_[{condition.set, static_cast<std::size_t>(row.fact)}];
    if (condition.kind == ConditionKind::original) flags.known = row.rank_true == 1;
    if (condition.kind == ConditionKind::edited) {
      flags.took = row.lp_new > row.lp_true;
      flags.took_top1 = flags.took && row.rank_new == 1;
    }
  }

  void write_perplexity() {
    if (plan_.text_models.empty()) return;
    std::vector<TextScore> scores;
    std::map<std::string, TextScore> found;  // models that differ in edits alone share some
    for (auto const& model : plan_.text_models) {
      auto& score = scores.emplace_back();
      for (auto const& key : model.keys) {
        auto piece = found.find(key);
        if (piece == found.end()) {
          auto const score_of_piece = read(key, text_score_from_bytes);
          if (!score_of_piece) continue;
          piece = found.emplace(key, *score_of_piece).first;
        }
        score.nll += piece->second.nll;
        score.tokens += piece->second.tokens;
      }
      if (score.tokens > plan_.text_tokens) refuse(model.keys.front(), "tokens");
    }
    for (auto const& task : plan_.text_tasks) done_ += found.contains(task.key);
    write_result("perplexity", perplexity_table(plan_, scores));
  }

  void write_injections() {
    auto const& tasks = plan_.injections;
    if (tasks.empty()) return;
    count_done(plan_.masked_values, [](auto const& task) { return task.key; });
    count_done(plan_.masked_solves, [](auto const& task) { return task.key; });
    std::vector<InjectionScore> rows;
    std::size_t first = 0;  // row of the table of injections
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      auto const& task = tasks[t];
      if (t > 0 && !are_alike(task, tasks[t - 1])) first += tasks[t - 1].variants.size();
      if (task.makes_edits()) {
        bool edited = true;
        for (auto const& key : objects_of(plan_, {TaskKind::masked_edit, static_cast<std::uint32_t>(t)}))
          edited = find(key) && edited;
        done_ += edited;
      }
      auto const scores = read(task.key, injection_scores_from_bytes);
      if (!scores) continue;
      ++done_;
      for (auto row : *scores) {
        if (static_cast<std::size_t>(row.fact) >= task.facts.size()) refuse(task.key, "facts");
        if (static_cast<std::size_t>(row.variant) >= task.variants.size()) refuse(task.key, "variants");
        row.fact = static_cast<std::int64_t>(task.facts[static_cast<std::size_t>(row.fact)]);
        row.variant += static_cast<std::int64_t>(first);
        rows.push_back(row);
      }
    }
    write_result("injections", injections_table(plan_, zeros_));
    write_result("injection_scores", injection_scores_table(rows));
  }

  /// Every kind of restored state has the probabilities where nothing is restored; they are equal.
  void write_tracing() {
    if (plan_.tracings.empty()) return;
    constexpr auto none = std::numeric_limits<double>::quiet_NaN();
    std::map<std::size_t, FactTrace> unrestored;
    for (auto const fact : plan_.traced) unrestored[fact] = {none, none, none, none, none, {}};
    TableStream rows(writer_, "tracing", tracing_columns());
    for (auto const& task : plan_.tracings) {
      auto const traces = read(task.key, fact_traces_from_bytes);
      if (!traces) continue;
      ++done_;
      if (traces->size() != task.facts.size()) refuse(task.key, "facts");
      rows.append(tracing_block(task, *traces));
      for (std::size_t i = 0; i < traces->size(); ++i) {
        auto& known = unrestored[task.facts[i]];
        known = (*traces)[i];
        known.restored.clear();
      }
    }
    checksums_["tracing"] = rows.close();
    std::vector<FactTrace> traces;
    for (auto const fact : plan_.traced) traces.push_back(unrestored[fact]);
    write_result("tracing_facts", tracing_facts_table(plan_.traced, traces));
  }

  void write_analyses() {
    if (plan_.analyses.empty()) return;
    AnalysisTables tables(writer_, plan_, source_.study);
    for (std::size_t t = 0; t < plan_.analyses.size(); ++t) {
      auto const& key = plan_.analyses[t].key;
      auto const result = read(key, analysis_from_bytes);
      if (!result) continue;
      ++done_;
      if (!tables.fits(t, *result)) refuse(key, "facts or models");
      tables.add(t, *result);
    }
    checksums_.merge(tables.close(zeros_));
  }

  GatherSource const& source_;
  Plan const& plan_;
  std::filesystem::path file_;
  StudyWriter writer_;
  std::vector<double> zeros_;  // by mask
  EditFlagsByFact flags_;
  std::map<std::string, std::string> checksums_;  // of results, by name
  std::map<std::string, std::size_t> objects_by_maker_;
  std::set<std::string> counted_;  // objects
  std::size_t done_ = 0;           // tasks
};

}  // namespace

bool gather(GatherSource const& source, std::filesystem::path const& file) {
  return Gatherer(source, file).run();
}

}  // namespace onemask
