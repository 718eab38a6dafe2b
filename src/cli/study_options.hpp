#pragma once

#include <onemask/commands/command.hpp>
#include <onemask/study/study.hpp>
#include <onemask/sweep/run.hpp>

namespace onemask {

/// Seconds of an option such as --time-limit; 0 where it is not given.
double duration_option(po::variables_map const& values, std::string const& name);
/// Which ranks a run has left.
CommandResult::Ranks ranks_left(RunEnding const& ending);

/// --out, --set, --sweep …: what reading a study and its run folder takes.
void add_study_options(po::options_description& options);

/// --time-limit, --deadline, --shard: of commands that work.
void add_run_options(po::options_description& options);

/// `overrides` come on top of those on the command line.
Study study_of(po::variables_map const& values, StudyOverrides overrides = {});
/// What --dump-study prints.
CommandResult dumped_study(po::variables_map const& values, Environment const& environment);
/// The folders, and where given what add_run_options adds.
RunOptions run_options_of(po::variables_map const& values);

}  // namespace onemask
