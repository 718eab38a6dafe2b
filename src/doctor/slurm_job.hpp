#pragma once

#include <onemask/doctor/findings.hpp>

#include <ctime>
#include <functional>
#include <optional>

namespace onemask {

/// What the job's environment says to a person and to the doctor; nothing outside of a SLURM job. `variable` gives the value of
/// an environment variable, `ranks` the number of those that run, `most_on_a_host` of those on the fullest host.
Findings judge_slurm_job(std::function<std::optional<std::string>(std::string const&)> const& variable, std::time_t now,
                         int ranks, int most_on_a_host);

}  // namespace onemask
