#pragma once

#include <onemask/commands/command.hpp>
#include <onemask/study/study.hpp>
#include <onemask/sweep/run.hpp>

namespace onemask {

/// --out, --set, --sweep …: what reading a study and its run folder takes.
void add_study_options(po::options_description& options);

/// --time-limit, --deadline, --shard: of commands that work.
void add_run_options(po::options_description& options);

Study study_of(po::variables_map const& values);
/// What --dump-study prints.
CommandResult dumped_study(po::variables_map const& values, Environment const& environment);
/// The folders, and where given what add_run_options adds.
RunOptions run_options_of(po::variables_map const& values);

}  // namespace onemask
