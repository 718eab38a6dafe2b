#include "cli/compute_commands.hpp"
#include "cli/study_options.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/doctor/doctor.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

constexpr std::chrono::seconds file_system_patience{60};  // for file systems that hang

CommandResult examine(po::variables_map const& values, Environment const& environment) {
  std::optional<std::filesystem::path> folder, objects;
  bool named = false;
  agree(environment.world(), [&] {
    if (values.contains("out")) folder = need_option(values, "out", "the folder of the run");
    if (values.contains("objects")) objects = need_option(values, "objects", "the folder of edits, masks and scores");
    named = !operands(values).empty();
  });
  Examination examination(environment, file_system_patience);
  examine_program(examination);
  examine_slurm_job(examination);
  std::optional<Study> study;
  if (named) study = examine_study(examination, [&] { return study_of(values); });
  ModelOptions model;
  if (values.contains("device")) model.device = values["device"].as<std::string>();
  if (values.contains("dtype")) model.dtype = values["dtype"].as<std::string>();
  examine_machine(examination, study ? study->model : model);
  if (folder) examine_folder(examination, "run folder", *folder, true);
  if (objects) examine_folder(examination, "objects", *objects, false);

  auto const& sections = examination.sections();
  auto const worst = environment.world().all_reduce_max(static_cast<int>(gravest(sections)));
  CommandResult result{"", worst == static_cast<int>(Verdict::problem) ? 1 : 0};
  if (examination.is_root()) result.output = values.contains("json") ? format_json(sections) : format_text(sections);
  return result;
}

}  // namespace

Command doctor_command() {
  Command command{
      "doctor",
      "[STUDY.yaml] [--out RUN] [options]",
      "Start it exactly like the run. Every line begins with ok, warning or problem. Warnings and problems say what to do.\n"
      "The command loads no weights and removes its trial files. The exit code is 1 if there is a problem, else 0.",
      "  mpirun -n 8 onemask doctor study.yaml --out results/study\n"
      "  onemask doctor --out results/study --json\n",
      1,
      true,
      no_options(),
      examine};
  using Texts = std::vector<std::string>;
  command.options->add_options()                                                                                             //
      ("out", po::value<std::string>()->value_name("RUN"), "check this folder for a run; it need not exist")                 //
      ("objects", po::value<std::string>()->value_name("DIR"), "check this folder for edits, masks and scores")              //
      ("set", po::value<Texts>()->value_name("KEY=VALUE"), "replaces a value of the study; may be repeated")                 //
      ("sweep", po::value<Texts>()->value_name("KEY=LIST"), "one study point per value; several sweeps: every combination")  //
      ("limit", po::value<std::string>()->value_name("N"), "at most N facts of each split")                                  //
      ("peer-compatible", "prompts and comparisons as in the published code; --set peer_compatible=true")                    //
      ("device", po::value<std::string>()->value_name("D"), "cpu, cuda, cuda:N or auto; --set model.device=D")               //
      ("dtype", po::value<std::string>()->value_name("T"), "float32, bfloat16 or float16; --set model.dtype=T")              //
      ("time-limit", po::value<std::string>()->value_name("T"), "of the run; not examined")                                  //
      ("deadline", po::value<std::string>()->value_name("T"), "of the run; not examined")                                    //
      ("shard", po::value<std::string>()->value_name("I/N"), "of the run; not examined")                                     //
      ("json", "a JSON object: verdict, sections");
  return command;
}

}  // namespace onemask
