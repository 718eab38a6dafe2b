#include "cli/study_options.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/study/keys.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {

void add_study_options(po::options_description& options) {
  using Texts = std::vector<std::string>;
  options.add_options()                                                                                                      //
      ("out", po::value<std::string>()->value_name("RUN"), "folder of the run: journal, objects, logs, study.h5; required")  //
      ("set", po::value<Texts>()->value_name("KEY=VALUE"), "replaces a value of the study; may be repeated")                 //
      ("sweep", po::value<Texts>()->value_name("KEY=LIST"), "one study point per value; several sweeps: every combination")  //
      ("limit", po::value<std::string>()->value_name("N"), "at most N facts of each split")                                  //
      ("objects", po::value<std::string>()->value_name("DIR"),
       "folder of edits, masks and scores, which several runs can share; RUN/objects by default")               //
      ("dump-study", "print the study with all its values and end; --out is not needed")                        //
      ("peer-compatible", "prompts and comparisons as in the published code; --set peer_compatible=true")       //
      ("device", po::value<std::string>()->value_name("D"), "cpu, cuda, cuda:N or auto; --set model.device=D")  //
      ("dtype", po::value<std::string>()->value_name("T"), "float32, bfloat16 or float16; --set model.dtype=T");
}

void add_run_options(po::options_description& options) {
  options.add_options()  //
      ("time-limit", po::value<std::string>()->value_name("T"),
       "stop before T is over with exit code 75, as after a signal; T as 90m, 4h or 3:50:00")  //
      ("deadline", po::value<std::string>()->value_name("T"),
       "treat a rank as hung if its task reports no progress for T; by default 20 times the predicted time, at least 30m")  //
      ("shard", po::value<std::string>()->value_name("I/N"),
       "do only part I (from 0) of N of the tasks, for job arrays without MPI that share RUN");
}

double duration_option(po::variables_map const& values, std::string const& name) {
  if (!values.contains(name)) return 0;
  auto const text = values[name].as<std::string>();
  if (auto const seconds = parse_duration(text)) return *seconds;
  throw UserError("--" + name + " takes a time such as 90s, 15m, 4h or 3:50:00, not '" + text + "'.");
}

CommandResult::Ranks ranks_left(RunEnding const& ending) {
  if (ending.stuck) return CommandResult::Ranks::some_stuck;
  return ending.dead.empty() ? CommandResult::Ranks::all : CommandResult::Ranks::some_dead;
}

namespace {

Shard shard_option(po::variables_map const& values) {
  if (!values.contains("shard")) return {};
  auto const text = values["shard"].as<std::string>();
  auto const parts = split_text(text, '/');
  auto const number = [](std::string const& digits) {
    bool const fits = !digits.empty() && digits.size() < 7 && digits.find_first_not_of("0123456789") == std::string::npos;
    return fits ? std::stoi(digits) : -1;
  };
  Shard const shard{parts.size() == 2 ? number(parts[0]) : -1, parts.size() == 2 ? number(parts[1]) : -1};
  if (shard.index < 0 || shard.index >= shard.count)
    throw UserError("--shard takes I/N with 0 <= I < N, for instance 0/4, not '" + text + "'.");
  return shard;
}

}  // namespace

Study study_of(po::variables_map const& values, StudyOverrides overrides) {
  if (values.contains("set")) {
    auto const& given = values["set"].as<std::vector<std::string>>();
    overrides.set.insert(overrides.set.begin(), given.begin(), given.end());
  }
  if (values.contains("sweep")) overrides.sweep = values["sweep"].as<std::vector<std::string>>();
  if (values.contains("limit")) overrides.limit = static_cast<std::size_t>(positive_number(values, "limit"));
  if (values.contains("peer-compatible")) overrides.set.push_back("peer_compatible=true");
  for (auto const* option : {"device", "dtype"}) {
    if (values.contains(option)) overrides.set.push_back(std::string("model.") + option + "=" + values[option].as<std::string>());
  }
  return read_study(only_operand(values, "STUDY.yaml, the study's file,"), overrides);
}

CommandResult dumped_study(po::variables_map const& values, Environment const& environment) {
  Study study;
  agree(environment.world(), [&] { study = study_of(values); });
  return {environment.world().rank() == 0 ? with_defaults(study) : "", 0};
}

RunOptions run_options_of(po::variables_map const& values) {
  RunOptions options;
  options.folder = need_option(values, "out", "the folder of the run");
  if (values.contains("objects")) options.objects = need_option(values, "objects", "the folder of edits, masks and scores");
  options.time_limit = duration_option(values, "time-limit");
  options.deadline = duration_option(values, "deadline");
  options.shard = shard_option(values);
  return options;
}

}  // namespace onemask
