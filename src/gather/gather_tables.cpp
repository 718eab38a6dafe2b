#include "gather/gather_tables.hpp"

#include <onemask/core/names.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace onemask {
namespace {

/// A column of one value per item.
template <typename T, typename Items, typename Value>
std::vector<T> column(Items const& items, Value value) {
  std::vector<T> values;
  values.reserve(items.size());
  for (auto const& item : items) values.push_back(static_cast<T>(value(item)));
  return values;
}

/// Names of whole and real columns of the table of metrics, in its order.
struct MetricsColumn {
  char const* name;
  std::int64_t PromptMetrics::*whole = nullptr;
  double PromptMetrics::*real = nullptr;  ///< both null: the kind of the prompt
};

constexpr std::array<MetricsColumn, 16> metrics_members{{{"fact", &PromptMetrics::fact},
                                                         {"condition", &PromptMetrics::condition},
                                                         {"prompt", &PromptMetrics::prompt},
                                                         {"kind"},
                                                         {"tokens_true", &PromptMetrics::tokens_true},
                                                         {"tokens_new", &PromptMetrics::tokens_new},
                                                         {"lp_true", nullptr, &PromptMetrics::lp_true},
                                                         {"lp_new", nullptr, &PromptMetrics::lp_new},
                                                         {"kl", nullptr, &PromptMetrics::kl},
                                                         {"rank_true", &PromptMetrics::rank_true},
                                                         {"rank_new", &PromptMetrics::rank_new},
                                                         {"top1", &PromptMetrics::top1},
                                                         {"top1_changed", &PromptMetrics::top1_changed},
                                                         {"overlap5", nullptr, &PromptMetrics::overlap5},
                                                         {"overlap10", nullptr, &PromptMetrics::overlap10},
                                                         {"overlap100", nullptr, &PromptMetrics::overlap100}}};

/// Those that a study has.
std::vector<MetricsColumn> members_of(EvaluationPlan const& asked) {
  std::vector<MetricsColumn> members(metrics_members.begin(), metrics_members.end());
  if (asked.scores_tokens())
    members.insert(members.end(),
                   {{"acc_true", nullptr, &PromptMetrics::acc_true}, {"acc_new", nullptr, &PromptMetrics::acc_new}});
  if (asked.generate > 0)
    members.insert(members.end(),
                   {{"gen_true", nullptr, &PromptMetrics::gen_true}, {"gen_new", nullptr, &PromptMetrics::gen_new}});
  if (asked.entropy > 0) members.push_back({"entropy", nullptr, &PromptMetrics::entropy});
  return members;
}

/// What a mask may differ in from those of other seeds; on other edits than its own also which these are.
std::string settings_of(MaskTask const& mask, PlannedCondition const& condition, Plan const& plan) {
  if (mask.set == condition.set) return mask.settings;
  return trained_on + plan.sets[mask.set].name + (mask.settings.empty() ? "" : " ") + mask.settings;
}

}  // namespace

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

Table known_table(Plan const& plan, Study const& study) {
  auto const& known = plan.known;
  auto const selection = [&](KnownCount const& count) -> FactSelection const& {
    return *std::find_if(study.facts.begin(), study.facts.end(), [&](auto const& s) { return s.split == count.split; });
  };
  auto const whole = [&](std::size_t KnownCount::*member) {
    return column<std::int64_t>(known, [=](auto const& count) { return count.*member; });
  };
  return {{{"split", column<std::string>(known, [](auto const& count) { return count.split; })},
           {"relation", column<std::string>(known, [](auto const& count) { return count.relation; })},
           {"test", column<std::string>(known, [&](auto const& c) { return name_of(known_test_names, selection(c).known); })},
           {"margin", column<double>(known, [&](auto const& count) { return selection(count).known_margin; })},
           {"paraphrases", column<std::int64_t>(known, [&](auto const& count) { return selection(count).known_paraphrases; })},
           {"candidates", whole(&KnownCount::candidates)},
           {"scored", whole(&KnownCount::scored)},
           {"known", whole(&KnownCount::known)},
           {"taken", whole(&KnownCount::taken)}}};
}

Table edits_table(Plan const& plan, std::vector<EditRow> const& rows) {
  auto const real = [&](double EditOutcome::*member) {
    return column<double>(rows, [=](auto const& row) { return row.outcome.*member; });
  };
  return {{{"fact", column<std::int64_t>(rows, [](auto const& row) { return row.fact; })},
           {"set", column<std::string>(rows, [&](auto const& row) { return plan.sets[row.set].name; })},
           {"layer", column<std::int64_t>(rows, [&](auto const& row) { return plan.sets[row.set].options.hparams.layer(); })},
           {"steps", column<std::int64_t>(rows, [](auto const& row) { return row.outcome.steps; })},
           {"loss", real(&EditOutcome::loss)},
           {"p_new", real(&EditOutcome::p_new)},
           {"delta_norm", real(&EditOutcome::delta_norm)},
           {"value_norm", real(&EditOutcome::value_norm)},
           {"failure", column<std::string>(rows, [](auto const& row) { return row.outcome.failure; })},
           {"object", column<std::string>(rows, [](auto const& row) { return *row.object; })}}};
}

Table flags_table(Plan const& plan, EditFlagsByFact const& flags) {
  auto const whole = [&](std::int64_t EditFlags::*member) {
    return column<std::int64_t>(flags, [=](auto const& item) { return item.second.*member; });
  };
  return {{{"fact", column<std::int64_t>(flags, [](auto const& item) { return item.first.second; })},
           {"set", column<std::string>(flags, [&](auto const& item) { return plan.sets[item.first.first].name; })},
           {"known", whole(&EditFlags::known)},
           {"took", whole(&EditFlags::took)},
           {"took_top1", whole(&EditFlags::took_top1)}}};
}

Table epochs_table(std::vector<EpochRow> const& rows) {
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
           {"zeros", column<double>(rows, [](auto const& row) { return row.zeros; })}}};
}

Table conditions_table(Plan const& plan, std::vector<double> const& zeros) {
  auto const mask_of = [&](PlannedCondition const& c) {
    return c.mask < 0 ? nullptr : &plan.masks[static_cast<std::size_t>(c.mask)];
  };
  auto const zeros_of = [&](PlannedCondition const& c) {
    if (c.kind == ConditionKind::dropped) return 1.0;
    if (c.baseline) {
      auto const rows = (c.baseline->scope == BaselineScope::fact ? 1 : std::ssize(plan.masked_layers(c))) * plan.out;
      auto const entries = static_cast<double>(rows * plan.in);
      auto const share = c.mask < 0 ? 0.0 : zeros[static_cast<std::size_t>(c.mask)];
      auto const count = pruned_entries(*c.baseline, rows, plan.in, std::llround(share * entries));
      return static_cast<double>(count) / entries;
    }
    return c.mask < 0 ? 0.0 : zeros[static_cast<std::size_t>(c.mask)];
  };
  auto const text = [&](auto value) { return column<std::string>(plan.conditions, value); };
  Table table{{{"name", text([](auto const& c) { return c.name; })},
               {"kind", text([](auto const& c) { return to_string(c.kind); })},
               {"set", text([&](auto const& c) { return plan.sets[c.set].name; })},
               {"settings", text([&](auto const& c) { return mask_of(c) ? settings_of(*mask_of(c), c, plan) : std::string(); })},
               {"point", text([&](auto const& c) { return mask_of(c) ? mask_of(c)->name : std::string(); })},
               {"zeros", column<double>(plan.conditions, zeros_of)},
               {"mask_key", text([&](auto const& c) { return mask_of(c) ? mask_of(c)->key : std::string(); })}}};
  auto const& conditions = plan.conditions;
  auto const& masks = plan.masks;
  if (std::any_of(masks.begin(), masks.end(), [&](auto const& mask) { return mask.split != masks.front().split; }))
    table.columns.emplace_back("train_split",
                               text([&](auto const& c) { return mask_of(c) ? mask_of(c)->split : std::string(); }));
  if (std::all_of(conditions.begin(), conditions.end(), [](auto const& c) { return variant_of(c).empty(); })) return table;
  auto const is_baseline = [](PlannedCondition const& c) { return c.baseline || is_shared_baseline(c.kind); };
  auto const scope = [&](auto const& c) {
    if (!is_baseline(c)) return std::string();
    return name_of(baseline_scope_names, c.baseline ? c.baseline->scope : BaselineScope::shared);
  };
  auto const fill = [&](auto const& c) {
    if (!is_baseline(c) || (c.baseline && !prunes(*c.baseline))) return std::string();
    if (c.baseline) return name_of(fill_names, c.baseline->fill);
    return std::string(c.cover == Cover::both ? "zero" : c.cover == Cover::delta ? "original" : "");
  };
  auto const cover = [&](auto const& c) {
    bool const covers = c.kind == ConditionKind::mask || is_shared_baseline(c.kind) || (c.patch && c.mask >= 0);
    return covers ? name_of(cover_names, c.cover) : std::string();
  };
  auto const amount = [](auto const& c) {
    return c.baseline && c.baseline->amount ? *c.baseline->amount : std::numeric_limits<double>::quiet_NaN();
  };
  table.columns.emplace_back("variant", text([](auto const& c) { return variant_of(c); }));
  table.columns.emplace_back("scope", text(scope));
  table.columns.emplace_back("fill", text(fill));
  table.columns.emplace_back("cover", text(cover));
  table.columns.emplace_back("amount", column<double>(conditions, amount));
  return table;
}

Table perplexity_table(Plan const& plan, std::vector<TextScore> const& scores) {
  auto const& models = plan.text_models;
  auto const mean = [](TextScore const& s) { return s.nll / static_cast<double>(s.tokens); };  // NaN where nothing is scored
  Table table{{{"condition", column<std::string>(models, [&](auto const& m) { return plan.conditions[m.condition].name; })},
               {"split", column<std::string>(models, [](auto const& m) { return m.split; })},
               {"nll", column<double>(scores, mean)},
               {"perplexity", column<double>(scores, [&](auto const& s) { return std::exp(mean(s)); })},
               {"n", column<std::int64_t>(scores, [](auto const& s) { return s.tokens; })},
               {"planned", column<std::int64_t>(scores, [&](auto const&) { return plan.text_tokens; })}}};
  if (std::any_of(models.begin(), models.end(), [](auto const& m) { return m.fact.has_value(); })) {
    auto const fact = [](auto const& m) { return m.fact ? static_cast<std::int64_t>(*m.fact) : -1; };
    table.columns.emplace_back("fact", column<std::int64_t>(models, fact));
  }
  return table;
}

Table injections_table(Plan const& plan, std::vector<double> const& zeros) {
  struct Row {
    InjectionTask const* task;
    InjectionVariant variant;
    std::size_t planned;
  };
  std::vector<Row> rows;
  for (auto const& task : plan.injections) {
    bool const is_new = rows.empty() || !are_alike(*rows.back().task, task);
    for (auto variant : task.variants) {
      if (is_new) rows.push_back({&task, variant, 0});
    }
    for (auto row = rows.end() - std::ssize(task.variants); row != rows.end(); ++row) row->planned += task.facts.size();
  }
  auto const text = [&](auto value) { return column<std::string>(rows, value); };
  auto const of_mask = [&](auto value) {
    return text([&plan, value](Row const& row) {
      return row.task->under.mask < 0 ? std::string() : value(plan.masks[static_cast<std::size_t>(row.task->under.mask)]);
    });
  };
  return {{{"mask", text([](auto const& row) {
              return row.task->under.mask < 0 ? std::string("none") : name_of(injection_mask_names, row.task->under.kind);
            })},
           {"variant", text([](auto const& row) { return name_of(injection_variant_names, row.variant); })},
           {"sequential", column<std::int64_t>(rows, [](auto const& row) { return row.task->sequential; })},
           {"set", text([&](auto const& row) { return plan.sets[row.task->set].name; })},
           {"settings", of_mask([](auto const& mask) { return mask.settings; })},
           {"point", of_mask([](auto const& mask) { return mask.name; })},
           {"split", text([&](auto const& row) { return plan.facts[row.task->facts.front()].split; })},
           {"zeros", column<double>(rows,
                                    [&](auto const& row) {
                                      return row.task->under.mask < 0 ? 0.0
                                                                      : zeros[static_cast<std::size_t>(row.task->under.mask)];
                                    })},
           {"planned", column<std::int64_t>(rows, [](auto const& row) { return row.planned; })},
           {"mask_key", of_mask([](auto const& mask) { return mask.key; })}}};
}

Table injection_scores_table(std::vector<InjectionScore> const& rows) {
  auto const whole = [&](std::int64_t InjectionScore::*member) {
    return column<std::int64_t>(rows, [=](auto const& row) { return row.*member; });
  };
  auto const real = [&](double InjectionScore::*member) {
    return column<double>(rows, [=](auto const& row) { return row.*member; });
  };
  return {{{"injection", whole(&InjectionScore::variant)},
           {"fact", whole(&InjectionScore::fact)},
           {"tokens_true", whole(&InjectionScore::tokens_true)},
           {"tokens_new", whole(&InjectionScore::tokens_new)},
           {"lp_true", real(&InjectionScore::lp_true)},
           {"lp_new", real(&InjectionScore::lp_new)},
           {"token_accuracy", real(&InjectionScore::token_accuracy)},
           {"update_norm", real(&InjectionScore::update_norm)}}};
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

Table stages_table(std::vector<StageRecord> const& stages) {
  return {{{"name", column<std::string>(stages, [](auto const& s) { return s.name; })},
           {"seconds", column<double>(stages, [](auto const& s) { return s.seconds; })},
           {"tasks", column<std::int64_t>(stages, [](auto const& s) { return s.tasks; })},
           {"done_before", column<std::int64_t>(stages, [](auto const& s) { return s.done_before; })},
           {"ranks", column<std::int64_t>(stages, [](auto const& s) { return s.ranks; })}}};
}

Table tasks_table(std::vector<JournalRecord> const& records) {
  auto const text = [&](auto value) { return column<std::string>(records, value); };
  return {{{"task", text([](auto const& r) { return r.task; })},
           {"status", text([](auto const& r) { return std::string(r.status == TaskStatus::done ? "done" : "failed"); })},
           {"seconds", column<double>(records, [](auto const& r) { return r.seconds; })},
           {"host", text([](auto const& r) { return r.host; })},
           {"rank", column<std::int64_t>(records, [](auto const& r) { return r.rank; })},
           {"ranks", column<std::int64_t>(records, [](auto const& r) { return r.ranks; })},
           {"units", column<double>(records, [](auto const& r) { return r.units; })},
           {"sums", text([](auto const& r) { return r.sums; })},
           {"note", text([](auto const& r) { return r.note; })}}};
}

Table makers_table(std::map<std::string, std::size_t> const& objects) {
  auto const name = [](auto const& item) { return join(split_text(item.first, '\n'), " and "); };
  return {{{"made_by", column<std::string>(objects, name)},
           {"objects", column<std::int64_t>(objects, [](auto const& item) { return item.second; })}}};
}

std::vector<ColumnForm> metrics_columns(EvaluationPlan const& asked) {
  std::vector<ColumnForm> columns;
  for (auto const& member : members_of(asked))
    columns.push_back({member.name, member.real != nullptr ? ColumnKind::real : ColumnKind::integer});
  return columns;
}

Table metrics_block(std::vector<PromptMetrics> const& rows, EvaluationPlan const& asked) {
  Table block;
  for (auto const& [name, whole, real] : members_of(asked)) {
    if (real != nullptr) {
      block.columns.emplace_back(name, column<double>(rows, [real = real](auto const& row) { return row.*real; }));
    } else if (whole != nullptr) {
      block.columns.emplace_back(name, column<std::int64_t>(rows, [whole = whole](auto const& row) { return row.*whole; }));
    } else {
      block.columns.emplace_back(name, column<std::int64_t>(rows, [](auto const& row) { return row.kind; }));
    }
  }
  return block;
}

std::vector<ColumnForm> summary_columns(Plan const& plan) {
  std::size_t condition = 1, split = 1, relation = 3;  // "all"
  for (auto const& planned : plan.conditions) condition = std::max(condition, planned.name.size());
  for (auto const& item : plan.facts) {
    split = std::max(split, item.split.size());
    relation = std::max(relation, item.fact.relation.size());
  }
  constexpr std::size_t term = 12;  // "neighborhood", "top1_changed"
  return {{"condition", ColumnKind::text, condition},
          {"split", ColumnKind::text, split},
          {"relation", ColumnKind::text, relation},
          {"prompts", ColumnKind::text, term},
          {"metric", ColumnKind::text, term},
          {"mean", ColumnKind::real},
          {"low", ColumnKind::real},
          {"high", ColumnKind::real},
          {"n", ColumnKind::integer},
          {"planned", ColumnKind::integer}};
}

Table summary_block(std::vector<SummaryRow> const& rows) {
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

}  // namespace onemask
