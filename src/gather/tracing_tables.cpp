#include "gather/gather_tables.hpp"

#include <cmath>
#include <cstdint>

namespace onemask {

Table tracing_facts_table(std::vector<std::size_t> const& facts, std::vector<FactTrace> const& traces) {
  auto const real = [&](double FactTrace::*member) {
    std::vector<double> values;
    for (auto const& trace : traces) values.push_back(trace.*member);
    return values;
  };
  return {{{"fact", std::vector<std::int64_t>(facts.begin(), facts.end())},
           {"clean", real(&FactTrace::clean)},
           {"corrupted", real(&FactTrace::corrupted)},
           {"object_clean", real(&FactTrace::object_clean)},
           {"object_corrupted", real(&FactTrace::object_corrupted)},
           {"noise", real(&FactTrace::deviation)}}};
}

std::vector<ColumnForm> tracing_columns() {
  return {{"fact", ColumnKind::integer},
          {"kind", ColumnKind::integer},
          {"place", ColumnKind::integer},
          {"layer", ColumnKind::integer},
          {"probability", ColumnKind::real}};
}

Table tracing_block(TracingTask const& task, std::vector<FactTrace> const& traces) {
  std::vector<std::int64_t> fact, kind, place, layer;
  std::vector<double> probability;
  for (std::size_t f = 0; f < traces.size(); ++f) {
    auto const& restored = traces[f].restored;
    auto const layers = restored.size() / trace_place_names.size();
    for (std::size_t i = 0; i < restored.size(); ++i) {
      if (std::isnan(restored[i])) continue;
      fact.push_back(static_cast<std::int64_t>(task.facts[f]));
      kind.push_back(static_cast<std::int64_t>(task.kind));
      place.push_back(static_cast<std::int64_t>(i / layers));
      layer.push_back(static_cast<std::int64_t>(i % layers));
      probability.push_back(restored[i]);
    }
  }
  return {{{"fact", fact}, {"kind", kind}, {"place", place}, {"layer", layer}, {"probability", probability}}};
}

}  // namespace onemask
