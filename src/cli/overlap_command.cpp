#include "cli/compute_commands.hpp"
#include "cli/mask_objects.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

CommandResult overlap(po::variables_map const& values) {
  auto const name = values["format"].as<std::string>();
  auto const format = value_of(document_format_names, name);
  if (!format) throw UserError("--format is '" + name + "'; choose one of: " + all_names(document_format_names) + ".");
  auto const folder_of = [&](char const* option) -> std::optional<std::filesystem::path> {
    if (!values.contains(option)) return std::nullopt;
    std::filesystem::path const folder = values[option].as<std::string>();
    std::error_code unreadable;
    if (std::filesystem::is_directory(folder, unreadable)) return folder;
    throw UserError(std::string("There is no folder '") + folder.string() + "', which --" + option + " names.");
  };
  auto const file = study_file_of(values);
  auto const objects = folder_of("objects"), model = folder_of("model");
  auto const study = read_study_file(file, columns_for_mask_objects());
  auto const beside = read_mask_objects(study, objects.value_or(file.parent_path() / "objects"), model);
  return {laid_out(overlap_document(study, beside, values.contains("per-pair")), *format)};
}

}  // namespace

Command overlap_command() {
  Command command{"overlap",
                  "RUN [options]",
                  "The soft masks and the changes by the edits are read from RUN/objects, as far as they are there.",
                  "  onemask overlap results/study\n"
                  "  onemask overlap results/study --per-pair --format markdown > overlap.md\n"
                  "  onemask overlap results/study --objects results/objects --model checkpoints/gpt2-xl\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return overlap(values); }};
  auto const text = [](char const* value_name) { return po::value<std::string>()->value_name(value_name); };
  command.options->add_options()("per-pair", "also print a line for every pair of masks, with its interval")(
      "objects", text("DIR"), "where the run keeps masks and edits; RUN/objects unless given")(
      "model", text("FOLDER"), "the checkpoint that was edited: also compare its weights at the zeros and elsewhere")(
      "format", text("F")->default_value("text"), ("how to print: " + all_names(document_format_names)).c_str());
  return command;
}

}  // namespace onemask
