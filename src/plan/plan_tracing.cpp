#include "plan/plan_tracing.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>

#include <algorithm>

namespace onemask {

void plan_tracing(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  if (!study.tracing) return;
  auto const& options = *study.tracing;
  plan.traced = plan.facts_of(options.split);
  if (options.facts > 0 && plan.traced.size() > static_cast<std::size_t>(options.facts))
    plan.traced.resize(static_cast<std::size_t>(options.facts));
  if (plan.traced.empty()) {
    throw UserError("The study '" + study.name + "' traces facts of its split '" + options.split +
                    "' (tracing.split), which has none. Choose another split, or more facts.");
  }
  Hasher common;
  begin_key(common, "causal tracing", fingerprints);
  common.text(line_of(options, Enters::scores));
  // The noise is as large as the embeddings of all subjects say.
  for (auto const fact : plan.traced) common.text(plan.facts[fact].fact.prompt).text(plan.facts[fact].fact.subject);
  auto const settings = common.hex();
  auto const batch = static_cast<std::size_t>(options.batch);
  for (std::size_t first = 0; first < plan.traced.size(); first += batch) {
    auto const begin = plan.traced.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<std::size_t> const facts(begin, begin + static_cast<std::ptrdiff_t>(std::min(batch, plan.traced.size() - first)));
    for (auto const kind : options.kinds) {
      Hasher hasher;
      hasher.text(settings).text(name_of(trace_kind_names, kind));
      if (kind != TraceKind::state) hasher.integer(options.window.value_or(0));  // 0: as the model has layers
      for (auto const fact : facts) {
        auto const& record = plan.facts[fact].fact;
        hasher.integer(record.case_id).text(record.prompt).text(record.subject).text(record.target_true);
      }
      plan.tracings.push_back({kind, facts, hasher.hex()});
    }
  }
}

}  // namespace onemask
