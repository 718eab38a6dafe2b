#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/study/study.hpp>

namespace onemask {

/// Plans what is looked at inside of the models, where the study asks for it.
void plan_analyses(Study const& study, Fingerprints const& fingerprints, Plan& plan);

}  // namespace onemask
