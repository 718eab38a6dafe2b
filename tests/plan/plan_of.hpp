#pragma once

#include <onemask/plan/plan.hpp>

#include <map>
#include <string>
#include <vector>

namespace onemask::test {

/// The plan of a study whose points all have these context templates.
inline Plan plan_of(Study const& study, std::vector<TextPiece> const& text = {}, ContextTemplates const& templates = {"{}"},
                    Fingerprints const& fingerprints = {"m", "t", "e"}) {
  std::map<int, std::string> moments;
  for (auto layer : moment_layers(study)) moments[layer] = "moment " + std::to_string(layer);
  return make_plan(study, {select_facts(study.facts, study.base), {}}, fingerprints,
                   std::vector<ContextTemplates>(study.points.size(), templates), moments, text);
}

}  // namespace onemask::test
