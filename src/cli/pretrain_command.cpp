#include "cli/compute_commands.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/pretrain/run.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

CommandResult run(po::variables_map const& values, Environment const& environment) {
  auto const world = environment.world();
  PretrainStudy study;
  std::string folder;
  agree(world, [&] {
    folder = need_option(values, "out", "the folder of the model");
    require_one_run(world);
    std::vector<std::string> settings;
    if (values.contains("set")) settings = values["set"].as<std::vector<std::string>>();
    study = read_pretrain_study(only_operand(values, "STUDY.yaml, the study's file,"), settings);
  });
  auto const report = run_pretraining(study, folder, world);
  return {values.contains("json") ? to_json(report) : to_table(report)};
}

}  // namespace

Command pretrain_command() {
  Command command{"pretrain",
                  "STUDY.yaml --out FOLDER [options]",
                  "The same command continues an interrupted training, on any number of ranks.",
                  "  mpirun -n 2 onemask pretrain study.yaml --out models/small\n"
                  "  onemask pretrain study.yaml --out models/shorter --set training.steps=400\n",
                  1,
                  true,
                  no_options(),
                  run};
  command.options->add_options()                                                                                      //
      ("out", po::value<std::string>()->value_name("FOLDER"), "folder of the model and its training.json; required")  //
      ("set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"),
       "replaces a value of the study; may be repeated")  //
      ("json", "the report as JSON");
  return command;
}

}  // namespace onemask
