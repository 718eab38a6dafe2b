#include "gather/analysis_tables.hpp"

#include "gather/table_block.hpp"
#include <onemask/analysis/attention_measure.hpp>

#include <cmath>
#include <cstdint>

namespace onemask {
namespace {

constexpr std::size_t place_width = 12, part_width = 14;  // "subject_last", "attention_bias"

std::vector<ColumnForm> contribution_columns() {
  return {whole_column("analysis"),
          whole_column("fact"),
          text_column("place", place_width),
          text_column("part", part_width),
          whole_column("layer"),
          whole_column("head"),
          real_column("true"),
          real_column("new")};
}

std::vector<ColumnForm> source_columns() {
  return {whole_column("analysis"), whole_column("fact"), text_column("place", place_width),
          whole_column("layer"),    whole_column("head"), whole_column("source"),
          real_column("true"),      real_column("new")};
}

std::vector<ColumnForm> attention_columns() {
  std::vector<ColumnForm> columns{whole_column("analysis"), whole_column("fact"), whole_column("layer"), whole_column("head")};
  for (auto const& measure : attention_measure_names) columns.push_back(real_column(measure.name));
  return columns;
}

std::vector<ColumnForm> trace_columns() {
  return {whole_column("analysis"), whole_column("fact"),      text_column("place", place_width),
          whole_column("layer"),    real_column("logit_true"), real_column("logit_new"),
          real_column("lp_true"),   real_column("lp_new"),     whole_column("rank_true"),
          whole_column("rank_new")};
}

std::vector<ColumnForm> fact_map_columns() {
  return {whole_column("analysis"), whole_column("fact"),    whole_column("position"), whole_column("layer"),
          real_column("distance"),  real_column("log_odds"), real_column("attention")};
}

/// Calls use(f, q, values of one fact at one place) for [facts, places, …].
template <typename Values, typename Use>
void for_places(Values const& values, Use const& use) {
  for (std::int64_t f = 0; f < values.size(0); ++f) {
    for (std::int64_t q = 0; q < values.size(1); ++q) use(f, q, values[f][q]);
  }
}

/// Where a task's rows belong to.
struct RowPlace {
  std::size_t analysis;
  std::vector<std::size_t> const& facts;
  std::vector<AnalysisPlace> const& places;

  std::size_t fact(std::int64_t f) const { return facts[static_cast<std::size_t>(f)]; }
  std::string place(std::int64_t q) const { return name_of(analysis_place_names, places[static_cast<std::size_t>(q)]); }
};

Table contribution_rows(ModelAnalysis const& found, RowPlace const& at) {
  TableBlock block(contribution_columns());
  auto const put = [&](std::int64_t f, std::int64_t q, char const* part, std::int64_t layer, std::int64_t head,
                       float const* both) {
    if (!std::isnan(both[0])) block.add(at.analysis, at.fact(f), at.place(q), part, layer, head, both[0], both[1]);
  };
  for_places(found.contributions.accessor<float, 4>(), [&](auto f, auto q, auto const& parts) {
    auto const layers = (parts.size(0) - 3) / 2;
    put(f, q, "embedding", -1, -1, parts[0].data());
    for (std::int64_t l = 0; l < layers; ++l) put(f, q, "attention", l, -1, parts[1 + l].data());
    for (std::int64_t l = 0; l < layers; ++l) put(f, q, "mlp", l, -1, parts[1 + layers + l].data());
    put(f, q, "bias", -1, -1, parts[1 + 2 * layers].data());
    put(f, q, "logit", -1, -1, parts[2 + 2 * layers].data());
  });
  if (!found.heads.defined()) return block.table();
  for_places(found.heads.accessor<float, 5>(), [&](auto f, auto q, auto const& layers) {
    for (std::int64_t l = 0; l < layers.size(0); ++l) {
      auto const heads = layers[l].size(0) - 1;
      for (std::int64_t h = 0; h < heads; ++h) put(f, q, "attention", l, h, layers[l][h].data());
      put(f, q, "attention_bias", l, -1, layers[l][heads].data());
    }
  });
  return block.table();
}

Table source_rows(ModelAnalysis const& found, RowPlace const& at) {
  TableBlock block(source_columns());
  for_places(found.sources.accessor<float, 6>(), [&](auto f, auto q, auto const& layers) {
    for (std::int64_t l = 0; l < layers.size(0); ++l) {
      auto const& heads = layers[l];
      for (std::int64_t h = 0; h < heads.size(0); ++h) {
        for (std::int64_t j = 0; j < heads[h].size(0); ++j) {
          auto const* both = heads[h][j].data();
          bool const nothing = std::isnan(both[0]) || (both[0] == 0 && both[1] == 0);  // as of places behind the reading one
          if (!nothing) block.add(at.analysis, at.fact(f), at.place(q), l, heads.size(0) == 1 ? -1 : h, j, both[0], both[1]);
        }
      }
    }
  });
  return block.table();
}

Table attention_rows(ModelAnalysis const& found, RowPlace const& at) {
  TableBlock block(attention_columns());
  for_places(found.attention.accessor<float, 4>(), [&](auto f, auto l, auto const& heads) {
    for (std::int64_t h = 0; h < heads.size(0); ++h) {
      if (std::isnan(heads[h].data()[0])) continue;
      block.add(at.analysis, at.fact(f), l, h - 1);
      block.go_on(heads[h].data(), attention_measure_names.size());
    }
  });
  return block.table();
}

Table trace_rows(ModelAnalysis const& found, RowPlace const& at) {
  TableBlock block(trace_columns());
  for_places(found.traces.accessor<float, 4>(), [&](auto f, auto q, auto const& layers) {
    for (std::int64_t l = 0; l < layers.size(0); ++l) {
      auto const* values = layers[l].data();
      if (std::isnan(values[0]) || std::isnan(values[4]) || std::isnan(values[5])) continue;
      block.add(at.analysis, at.fact(f), at.place(q), l - 1);
      block.go_on(values, 4);
      block.go_on(std::llround(values[4]));
      block.go_on(std::llround(values[5]));
    }
  });
  return block.table();
}

Table fact_map_rows(ModelAnalysis const& found, RowPlace const& at) {
  TableBlock block(fact_map_columns());
  for_places(found.maps.accessor<float, 4>(), [&](auto f, auto position, auto const& layers) {
    for (std::int64_t l = 0; l < layers.size(0); ++l) {
      if (std::isnan(layers[l].data()[1])) continue;
      block.add(at.analysis, at.fact(f), position, l - 1);
      block.go_on(layers[l].data(), 3);
    }
  });
  return block.table();
}

}  // namespace

AnalysisTables::AnalysisTables(StudyWriter& writer, Plan const& plan, Study const& study)
    : writer_(writer), plan_(plan), options_(*study.analysis), sums_(options_) {
  std::size_t rows = 0;
  for (auto const& task : plan.analyses) {
    if (row_of_.try_emplace({task.set, task.mask}, rows).second) rows += task.models().size();
  }
  auto const open = [&](bool asked, char const* name, std::vector<ColumnForm> const& columns) {
    if (asked) streams_[name] = std::make_unique<TableStream>(writer, name, columns);
  };
  open(options_.contributions, "contributions", contribution_columns());
  open(options_.sources, "source_contributions", source_columns());
  open(options_.attention, "attention", attention_columns());
  open(options_.traces, "traces", trace_columns());
  open(options_.maps == MapDetail::facts, "fact_maps", fact_map_columns());
}

AnalysisTables::~AnalysisTables() = default;

bool AnalysisTables::fits(std::size_t task, AnalysisResult const& result) const {
  auto const& planned = plan_.analyses[task];
  auto const facts = std::ssize(planned.facts), places = std::ssize(options_.places);
  bool fits = result.models.size() == planned.models().size();
  for (auto const& model : result.models) {
    auto const has = [&](bool asked, at::Tensor const& tensor, bool by_place) {
      fits =
          fits && tensor.defined() == asked && (!asked || (tensor.size(0) == facts && (!by_place || tensor.size(1) == places)));
    };
    has(options_.contributions, model.contributions, true);
    has(options_.contributions && options_.heads, model.heads, true);
    has(options_.sources, model.sources, true);
    has(options_.attention, model.attention, false);
    has(options_.traces, model.traces, true);
    has(options_.maps != MapDetail::none, model.aligned_maps, false);
    has(options_.maps == MapDetail::facts, model.maps, false);
    fits = fits && model.units.defined() == (options_.inner_units > 0);
  }
  auto const& values = result.tracks.values;
  fits = fits && values.defined() == (planned.mask >= 0 && options_.dimensions > 0);
  return fits && (!values.defined() || (values.size(0) == std::ssize(AnalysisTask::tracked_models()) && values.size(1) == facts &&
                                        values.size(2) == places));
}

void AnalysisTables::add(std::size_t task, AnalysisResult const& result) {
  auto const& planned = plan_.analyses[task];
  for (std::size_t m = 0; m < result.models.size(); ++m) {
    auto const& found = result.models[m];
    RowPlace const at{first_row(planned) + m, planned.facts, options_.places};
    auto const append = [&](char const* name, Table (*rows)(ModelAnalysis const&, RowPlace const&)) {
      auto const stream = streams_.find(name);
      if (stream != streams_.end()) stream->second->append(rows(found, at));
    };
    append("contributions", contribution_rows);
    append("source_contributions", source_rows);
    append("attention", attention_rows);
    append("traces", trace_rows);
    append("fact_maps", fact_map_rows);
    sums_.add(at.analysis, found);
  }
  if (result.tracks.values.defined()) sums_.add(first_row(planned), result.tracks);
}

Table AnalysisTables::analyses(std::vector<double> const& zeros) const {
  struct Row {
    AnalysisTask const* task;
    ConditionKind kind;
    std::size_t planned = 0;
  };
  std::vector<Row> rows;
  for (auto const& task : plan_.analyses) {
    auto const models = task.models();
    auto const first = first_row(task);
    if (rows.size() == first) {
      for (auto const kind : models) rows.push_back({&task, kind});
    }
    for (std::size_t m = 0; m < models.size(); ++m) rows[first + m].planned += task.facts.size();
  }
  TableBlock block({text_column("kind"), text_column("set"), text_column("settings"), text_column("point"), text_column("split"),
                    real_column("zeros"), whole_column("planned"), text_column("mask_key")});
  for (auto const& [task, kind, planned] : rows) {
    auto const* mask = task->mask < 0 ? nullptr : &plan_.masks[static_cast<std::size_t>(task->mask)];
    block.add(to_string(kind), plan_.sets[task->set].name, mask ? mask->settings : std::string(),
              mask ? mask->name : std::string(), options_.split, mask ? zeros[static_cast<std::size_t>(task->mask)] : 0.0,
              planned, mask ? mask->key : std::string());
  }
  return block.table();
}

std::map<std::string, std::string> AnalysisTables::close(std::vector<double> const& zeros) {
  std::map<std::string, std::string> checksums;
  for (auto const& [name, stream] : streams_) checksums[name] = stream->close();
  auto const write = [&](std::string const& name, Table const& table) { checksums[name] = writer_.write(name, table); };
  write("analyses", analyses(zeros));
  if (options_.inner_units > 0) {
    std::map<std::size_t, std::vector<int>> layers;
    for (auto const& task : plan_.analyses) {
      for (std::size_t m = 0; m < task.models().size(); ++m)
        layers[first_row(task) + m] = plan_.sets[task.set].options.hparams.layers;
    }
    write("unit_contributions", sums_.units(layers));
  }
  if (options_.dimensions > 0 && !plan_.masks.empty()) write("dimensions", sums_.dimensions());
  if (options_.maps != MapDetail::none) write("maps", sums_.maps());
  return checksums;
}

}  // namespace onemask
