#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/study/study.hpp>

namespace onemask {

/// Plans causal tracing, where the study asks for it. Throws UserError where its split has no facts.
void plan_tracing(Study const& study, Fingerprints const& fingerprints, Plan& plan);

}  // namespace onemask
