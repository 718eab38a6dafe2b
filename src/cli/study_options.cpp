#include "cli/study_options.hpp"

namespace onemask {

void add_study_options(po::options_description& options) {
  using Texts = std::vector<std::string>;
  options.add_options()                                                                                                      //
      ("out", po::value<std::string>()->value_name("RUN"), "folder of the run: journal, objects, logs, study.h5; required")  //
      ("set", po::value<Texts>()->value_name("KEY=VALUE"), "replaces a value of the study; may be given again")              //
      ("sweep", po::value<Texts>()->value_name("KEY=LIST"), "one study point per value; several sweeps: every combination")  //
      ("limit", po::value<std::string>()->value_name("N"), "at most N facts of each split")                                  //
      ("objects", po::value<std::string>()->value_name("DIR"),
       "where edits, masks and scores are kept, for several runs to "                                           //
       "share; RUN/objects by default")                                                                         //
      ("peer-compatible", "prompts and comparisons as in the published code; --set peer_compatible=true")       //
      ("device", po::value<std::string>()->value_name("D"), "cpu, cuda, cuda:N or auto; --set model.device=D")  //
      ("dtype", po::value<std::string>()->value_name("T"), "float32, bfloat16 or float16; --set model.dtype=T");
}

Study study_of(po::variables_map const& values) {
  StudyOverrides overrides;
  if (values.contains("set")) overrides.set = values["set"].as<std::vector<std::string>>();
  if (values.contains("sweep")) overrides.sweep = values["sweep"].as<std::vector<std::string>>();
  if (values.contains("limit")) overrides.limit = static_cast<std::size_t>(positive_number(values, "limit"));
  if (values.contains("peer-compatible")) overrides.set.push_back("peer_compatible=true");
  for (auto const* option : {"device", "dtype"}) {
    if (values.contains(option)) overrides.set.push_back(std::string("model.") + option + "=" + values[option].as<std::string>());
  }
  return read_study(only_operand(values, "STUDY.yaml, the study's file,"), overrides);
}

RunOptions run_options_of(po::variables_map const& values) {
  RunOptions options;
  options.folder = need_option(values, "out", "the folder of the run");
  if (values.contains("objects")) options.objects = need_option(values, "objects", "the folder of edits, masks and scores");
  return options;
}

}  // namespace onemask
