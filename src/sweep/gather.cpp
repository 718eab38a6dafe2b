#include "sweep/gather.hpp"

#include <onemask/core/build_info.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/eval/aggregate.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

namespace onemask {
namespace {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;
using Texts = std::vector<std::string>;

/// A column of one value per item.
template <typename T, typename Items, typename Value>
std::vector<T> column(Items const& items, Value value) {
  std::vector<T> values;
  values.reserve(items.size());
  for (auto const& item : items) values.push_back(static_cast<T>(value(item)));
  return values;
}

Table facts_table(Plan const& plan) {
  auto const text = [&](auto value) { return column<std::string>(plan.facts, value); };
  return {{{"case_id", column<std::int64_t>(plan.facts, [](auto const& f) { return f.fact.case_id; })},
           {"split", text([](auto const& f) { return f.split; })},
           {"relation", text([](auto const& f) { return f.fact.relation; })},
           {"subject", text([](auto const& f) { return f.fact.subject; })},
           {"prompt", text([](auto const& f) { return f.fact.question(); })},
           {"target_true", text([](auto const& f) { return f.fact.target_true; })},
           {"target_new", text([](auto const& f) { return f.fact.target_new; })}}};
}

struct EditRow {
  std::size_t set, fact;
  std::string key;
  EditOutcome outcome;
};

/// One row per fact and way of editing, where it is done.
std::vector<EditRow> edit_rows(RunContext const& run) {
  std::vector<EditRow> rows;
  for (std::size_t s = 0; s < run.plan.sets.size(); ++s) {
    auto const& set = run.plan.sets[s];
    if (edits_in_batches(set.options.hparams.method)) continue;
    for (std::size_t f = 0; f < run.plan.facts.size(); ++f) {
      if (auto bytes = run.objects.get(set.keys[f]))
        rows.push_back({s, f, set.keys[f], edit_from_bytes(std::move(*bytes), "object " + set.keys[f])});
    }
  }
  for (auto const& solve : run.plan.solves) {
    auto bytes = run.objects.get(solve.key);
    if (!bytes) continue;
    auto const edit = batch_edit_from_bytes(std::move(*bytes), "object " + solve.key);
    for (std::size_t i = 0; i < solve.facts.size(); ++i) rows.push_back({solve.set, solve.facts[i], solve.key, edit.facts.at(i)});
  }
  std::sort(rows.begin(), rows.end(),
            [](auto const& a, auto const& b) { return std::tie(a.set, a.fact) < std::tie(b.set, b.fact); });
  return rows;
}

Table edits_table(RunContext const& run) {
  auto const rows = edit_rows(run);
  auto const real = [&](double EditOutcome::*member) {
    return column<double>(rows, [=](auto const& row) { return row.outcome.*member; });
  };
  return {{{"fact", column<std::int64_t>(rows, [](auto const& row) { return row.fact; })},
           {"set", column<std::string>(rows, [&](auto const& row) { return run.plan.sets[row.set].name; })},
           {"layer", column<std::int64_t>(rows, [&](auto const& row) { return run.plan.sets[row.set].options.hparams.layer(); })},
           {"steps", column<std::int64_t>(rows, [](auto const& row) { return row.outcome.steps; })},
           {"loss", real(&EditOutcome::loss)},
           {"p_new", real(&EditOutcome::p_new)},
           {"delta_norm", real(&EditOutcome::delta_norm)},
           {"value_norm", real(&EditOutcome::value_norm)},
           {"failure", column<std::string>(rows, [](auto const& row) { return row.outcome.failure; })},
           {"object", column<std::string>(rows, [](auto const& row) { return row.key; })}}};
}

struct TrainedMask {
  MaskTask const* task;
  SharedMask mask;
};

/// By index in the plan; absent where the mask is not trained yet.
std::map<std::size_t, TrainedMask> trained_masks(RunContext const& run) {
  std::map<std::size_t, TrainedMask> masks;
  for (std::size_t m = 0; m < run.plan.masks.size(); ++m) {
    auto const& task = run.plan.masks[m];
    if (auto bytes = run.objects.get(task.key))
      masks.emplace(m, TrainedMask{&task, shared_mask_from_bytes(std::move(*bytes), "object " + task.key)});
  }
  return masks;
}

/// "4 5 6"
std::string layer_list(std::vector<int> const& layers) {
  std::string list;
  for (auto layer : layers) list += (list.empty() ? "" : " ") + std::to_string(layer);
  return list;
}

ByteMatrix matrix_of(TrainedMask const& trained) {
  auto const keep = trained.mask.keep(trained.task->options.threshold).to(at::kByte).contiguous();
  auto const* bytes = keep.data_ptr<std::uint8_t>();
  return {static_cast<std::size_t>(keep.size(0)),
          static_cast<std::size_t>(keep.size(1)),
          {bytes, bytes + keep.numel()},
          {{"name", trained.task->name},
           {"seed", std::to_string(trained.task->seed)},
           {"layers", layer_list(trained.mask.layers)},
           {"threshold", std::to_string(trained.task->options.threshold)},
           {"object", trained.task->key}}};
}

Table epochs_table(std::map<std::size_t, TrainedMask> const& masks) {
  struct Row {
    std::string mask;
    std::int64_t epoch;
    MaskEpoch values;
  };
  std::vector<Row> rows;
  for (auto const& [index, trained] : masks) {
    for (auto const& epoch : trained.mask.epochs)
      rows.push_back({trained.task->name, static_cast<std::int64_t>(&epoch - trained.mask.epochs.data()), epoch});
  }
  auto const real = [&](double MaskEpoch::*member) {
    return column<double>(rows, [=](auto const& row) { return row.values.*member; });
  };
  return {{{"mask", column<std::string>(rows, [](auto const& row) { return row.mask; })},
           {"epoch", column<std::int64_t>(rows, [](auto const& row) { return row.epoch; })},
           {"restoration", real(&MaskEpoch::restoration)},
           {"sparsity", real(&MaskEpoch::sparsity)},
           {"distillation", real(&MaskEpoch::distillation)},
           {"gradient_norm", real(&MaskEpoch::gradient_norm)},
           {"validation_rsr", real(&MaskEpoch::validation_rsr)},
           {"validation_n", column<std::int64_t>(rows, [](auto const& row) { return row.values.validation_n; })},
           {"zeros", real(&MaskEpoch::zeros)}}};
}

Table conditions_table(Plan const& plan, std::map<std::size_t, TrainedMask> const& masks) {
  auto const mask_of = [&](PlannedCondition const& c) {
    return c.mask < 0 ? nullptr : &plan.masks[static_cast<std::size_t>(c.mask)];
  };
  auto const zeros = [&](PlannedCondition const& c) {
    auto const trained = c.mask < 0 ? masks.end() : masks.find(static_cast<std::size_t>(c.mask));
    return trained == masks.end() ? 0.0 : zeros_share(trained->second.mask.keep(trained->second.task->options.threshold));
  };
  auto const text = [&](auto value) { return column<std::string>(plan.conditions, value); };
  return {{{"name", text([](auto const& c) { return c.name; })},
           {"kind", text([](auto const& c) { return c.kind; })},
           {"set", text([&](auto const& c) { return plan.sets[c.set].name; })},
           {"settings", text([&](auto const& c) { return mask_of(c) ? mask_of(c)->settings : std::string(); })},
           {"point", text([&](auto const& c) { return mask_of(c) ? mask_of(c)->name : std::string(); })},
           {"zeros", column<double>(plan.conditions, zeros)},
           {"mask_key", text([&](auto const& c) { return mask_of(c) ? mask_of(c)->key : std::string(); })}}};
}

/// All rows there are, with conditions numbered as in the plan.
std::vector<PromptMetrics> all_rows(RunContext const& run) {
  std::map<std::size_t, std::vector<std::int64_t>> places;  // of a set's conditions in the plan
  for (std::size_t c = 0; c < run.plan.conditions.size(); ++c)
    places[run.plan.conditions[c].set].push_back(static_cast<std::int64_t>(c));
  std::vector<PromptMetrics> rows;
  for (auto const& task : run.plan.evaluations) {
    auto bytes = run.objects.get(task.key);
    if (!bytes) continue;
    for (auto row : metrics_from_bytes(std::move(*bytes), "object " + task.key)) {
      row.condition = places[task.set].at(static_cast<std::size_t>(row.condition));
      rows.push_back(row);
    }
  }
  return rows;
}

Table metrics_table(std::vector<PromptMetrics> const& rows) {
  auto const whole = [&](std::int64_t PromptMetrics::*member) {
    return column<std::int64_t>(rows, [=](auto const& row) { return row.*member; });
  };
  auto const real = [&](double PromptMetrics::*member) {
    return column<double>(rows, [=](auto const& row) { return row.*member; });
  };
  return {{{"fact", whole(&PromptMetrics::fact)},
           {"condition", whole(&PromptMetrics::condition)},
           {"prompt", whole(&PromptMetrics::prompt)},
           {"kind", column<std::int64_t>(rows, [](auto const& row) { return row.kind; })},
           {"tokens_true", whole(&PromptMetrics::tokens_true)},
           {"tokens_new", whole(&PromptMetrics::tokens_new)},
           {"lp_true", real(&PromptMetrics::lp_true)},
           {"lp_new", real(&PromptMetrics::lp_new)},
           {"kl", real(&PromptMetrics::kl)},
           {"rank_true", whole(&PromptMetrics::rank_true)},
           {"rank_new", whole(&PromptMetrics::rank_new)},
           {"top1", whole(&PromptMetrics::top1)},
           {"top1_changed", whole(&PromptMetrics::top1_changed)},
           {"overlap5", real(&PromptMetrics::overlap5)},
           {"overlap10", real(&PromptMetrics::overlap10)},
           {"overlap100", real(&PromptMetrics::overlap100)}}};
}

Table summary_table(Plan const& plan, EvaluationPlan const& evaluation, std::vector<PromptMetrics> const& metrics) {
  std::vector<FactPlace> places;
  for (auto const& item : plan.facts) {
    places.push_back({item.split, item.fact.relation, evaluation.paraphrases && !item.fact.paraphrase_prompts.empty(),
                      evaluation.neighborhood && !item.fact.neighborhood_prompts.empty()});
  }
  std::vector<std::string> names;
  for (auto const& condition : plan.conditions) names.push_back(condition.name);
  auto const rows = aggregate(metrics, places, names);
  auto const text = [&](std::string SummaryRow::*member) {
    return column<std::string>(rows, [=](auto const& row) { return row.*member; });
  };
  auto const real = [&](double SummaryRow::*member) {
    return column<double>(rows, [=](auto const& row) { return row.*member; });
  };
  return {{{"condition", text(&SummaryRow::condition)},
           {"split", text(&SummaryRow::split)},
           {"relation", text(&SummaryRow::relation)},
           {"prompts", text(&SummaryRow::prompts)},
           {"metric", text(&SummaryRow::metric)},
           {"mean", real(&SummaryRow::mean)},
           {"low", real(&SummaryRow::low)},
           {"high", real(&SummaryRow::high)},
           {"n", column<std::int64_t>(rows, [](auto const& row) { return row.n; })},
           {"planned", column<std::int64_t>(rows, [](auto const& row) { return row.planned; })}}};
}

Table perplexity_table(RunContext const& run) {
  std::vector<TextScore> scores;
  for (auto const& model : run.plan.text_models) {
    auto& score = scores.emplace_back();
    for (auto const& key : model.keys) {
      auto bytes = run.objects.get(key);
      if (!bytes) continue;
      auto const piece = text_score_from_bytes(std::move(*bytes), "object " + key);
      score.nll += piece.nll;
      score.tokens += piece.tokens;
    }
  }
  auto const& models = run.plan.text_models;
  auto const mean = [](TextScore const& s) { return s.nll / static_cast<double>(s.tokens); };  // NaN where nothing is scored
  return {{{"condition", column<std::string>(models, [&](auto const& m) { return run.plan.conditions[m.condition].name; })},
           {"split", column<std::string>(models, [](auto const& m) { return m.split; })},
           {"nll", column<double>(scores, mean)},
           {"perplexity", column<double>(scores, [&](auto const& s) { return std::exp(mean(s)); })},
           {"n", column<std::int64_t>(scores, [](auto const& s) { return s.tokens; })},
           {"planned", column<std::int64_t>(scores, [&](auto const&) { return run.plan.text_tokens; })}}};
}

Table published_table(Published const& published) {
  auto const& figures = published.figures;
  auto const text = [&](std::string PublishedFigure::*member) {
    return column<std::string>(figures, [=](auto const& figure) { return figure.*member; });
  };
  return {{{"source", std::vector<std::string>(figures.size(), published.source)},
           {"split", text(&PublishedFigure::split)},
           {"model", text(&PublishedFigure::model)},
           {"metric", text(&PublishedFigure::metric)},
           {"value", column<double>(figures, [](auto const& figure) { return figure.value; })},
           {"note", text(&PublishedFigure::note)}}};
}

Table stages_table(RunContext const& run) {
  return {{{"name", column<std::string>(run.stages, [](auto const& s) { return s.name; })},
           {"seconds", column<double>(run.stages, [](auto const& s) { return s.seconds; })},
           {"tasks", column<std::int64_t>(run.stages, [](auto const& s) { return s.tasks; })},
           {"done_before", column<std::int64_t>(run.stages, [](auto const& s) { return s.done_before; })},
           {"ranks", column<std::int64_t>(run.stages, [&](auto const&) { return run.world.size(); })}}};
}

Table tasks_table(std::vector<JournalRecord> const& records) {
  auto const text = [&](auto value) { return column<std::string>(records, value); };
  return {{{"task", text([](auto const& r) { return r.task; })},
           {"status", text([](auto const& r) { return std::string(r.status == TaskStatus::done ? "done" : "failed"); })},
           {"seconds", column<double>(records, [](auto const& r) { return r.seconds; })},
           {"host", text([](auto const& r) { return r.host; })},
           {"rank", column<std::int64_t>(records, [](auto const& r) { return r.rank; })},
           {"note", text([](auto const& r) { return r.note; })}}};
}

std::size_t count_done(RunContext const& run) {
  std::size_t done = 0;
  for (auto const& task : run.plan.edits) {
    bool all = task.key.empty() || run.objects.has(task.key);
    for (auto f : task.key.empty() ? task.facts : std::vector<std::size_t>())
      all = all && run.objects.has(run.plan.sets[task.set].keys[f]);
    done += all;
  }
  for (auto const& [layer, key] : run.plan.moments) done += run.objects.has(key);
  for (auto const& task : run.plan.null_spaces) done += run.objects.has(task.key);
  for (auto const& task : run.plan.solves) done += run.objects.has(task.key);
  for (auto const& mask : run.plan.masks) done += run.objects.has(mask.key);
  for (auto const& task : run.plan.evaluations) done += run.objects.has(task.key);
  for (auto const& task : run.plan.text_tasks) done += run.objects.has(task.key);
  return done;
}

}  // namespace

StudyFile gather(RunContext const& run) {
  StudyFile file;
  auto const masks = trained_masks(run);
  auto const rows = all_rows(run);
  file.tables["facts"] = facts_table(run.plan);
  file.tables["edits"] = edits_table(run);
  file.tables["mask_epochs"] = epochs_table(masks);
  file.tables["conditions"] = conditions_table(run.plan, masks);
  file.tables["metrics"] = metrics_table(rows);
  file.tables["summary"] = summary_table(run.plan, run.study.evaluation, rows);
  if (!run.plan.text_models.empty()) file.tables["perplexity"] = perplexity_table(run);
  for (auto const& [index, trained] : masks) file.matrices["masks/" + std::to_string(index)] = matrix_of(trained);

  // Results only: equal for every number of ranks and after any interruption. Where and how fast they were made is provenance.
  Hasher results;
  for (auto const& [name, table] : file.tables) results.text(name).text(checksum(table));
  for (auto const& [name, matrix] : file.matrices) results.text(name).bytes(matrix.values.data(), matrix.values.size());
  if (!run.study.published.figures.empty()) file.tables["published"] = published_table(run.study.published);
  auto const done = count_done(run);
  file.attributes = build_info();
  file.attributes["results_sha256"] = results.hex();
  file.attributes["schema"] = "3";
  file.attributes["name"] = run.study.name;
  file.attributes["train_split"] = run.study.masks ? run.study.train_split : "";
  file.attributes["study"] = run.study.resolved;
  file.attributes["plan"] = run.plan.id;
  file.attributes["model"] = run.model->fingerprint();
  file.attributes["tokenizer"] = run.tokenizer.fingerprint();
  file.attributes["tasks_planned"] = std::to_string(run.plan.tasks());
  file.attributes["tasks_done"] = std::to_string(done);
  file.attributes["status"] = done == run.plan.tasks() ? "COMPLETE" : "PARTIAL";
  file.tables["provenance/stages"] = stages_table(run);
  file.tables["provenance/tasks"] = tasks_table(read_journals(run.options.folder / "journal"));
  return file;
}

}  // namespace onemask
