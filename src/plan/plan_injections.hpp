#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/study/study.hpp>

namespace onemask {

/// Plans the edits under masks and their scores, where the study asks for them.
void plan_injections(Study const& study, Plan& plan);

}  // namespace onemask
