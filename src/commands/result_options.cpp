#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/read.hpp>
#include <onemask/report/took.hpp>
#include <onemask/report/whole_training.hpp>

#include <algorithm>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {

namespace {

std::string all_formats() {
  return all_names(document_format_names) + ", " + all_names(data_format_names);
}

void require_held_back(StudyFile const& study) {
  auto const facts = study.tables.find("facts");
  if (facts == study.tables.end()) return;
  auto const& splits = facts->second.values<std::string>("split");
  if (std::find(splits.begin(), splits.end(), validation_split) == splits.end()) {
    throw UserError(
        "--held-back shows training facts together with those held back from training, but the study holds none back "
        "(mask.validation_share). Leave it out.");
  }
}

}  // namespace

void add_result_options(po::options_description& options) {
  options.add_options()                                                                                                   //
      ("by-relation", "also print a table for every relation")                                                            //
      ("per-mask", "also print a line for every study point")                                                             //
      ("took", "also print RSR given that the edit took")                                                                 //
      ("held-back", "also print training facts together with those held back; done where figures of them are published")  //
      ("format", po::value<std::string>()->value_name("F"),
       ("how to print: " + all_formats() + "; text unless given").c_str())  //
      ("json", "print one JSON object instead of tables; --format json")    //
      ("csv", "print all rows of the summary as CSV instead of tables; --format csv");
}

ResultOptions result_options_of(po::variables_map const& values) {
  std::vector<std::string> formats;
  if (values.contains("format")) formats.push_back(values["format"].as<std::string>());
  for (auto const* name : {"json", "csv"}) {
    if (values.contains(name)) formats.emplace_back(name);
  }
  if (formats.size() > 1) {
    throw UserError("Several formats were given: " + join(formats, ", ", [](auto const& name) { return name; }) +
                    "; choose one.");
  }
  ResultOptions options{
      {values.contains("by-relation"), values.contains("per-mask")}, values.contains("took"), values.contains("held-back")};
  if (formats.empty()) return options;
  if (auto const document = value_of(document_format_names, formats.front())) {
    options.format = *document;
  } else if (auto const data = value_of(data_format_names, formats.front())) {
    options.format = *data;
  } else {
    throw UserError("There is no format '" + formats.front() + "'; choose one of: " + all_formats() + ".");
  }
  return options;
}

std::filesystem::path study_file_of(po::variables_map const& values) {
  return study_file_in(only_operand(values, "RUN, the folder of a run,"));
}

std::filesystem::path study_file_in(std::filesystem::path const& run) {
  std::error_code unreadable;
  if (std::filesystem::is_regular_file(run, unreadable)) return run;
  auto file = run / "study.h5";
  if (!std::filesystem::exists(file, unreadable))
    throw UserError("There is no file '" + file.string() + "'; 'onemask gather' writes it from the results of a run so far.");
  return file;
}

void add_rows(StudyFile& study, ResultOptions const& options) {
  if (options.took) add_took(study);
  bool const wanted = options.held_back || publishes_whole_training(study);
  if (wanted && !add_whole_training(study) && options.held_back) {
    throw UserError(
        "--held-back shows training facts together with those held back from training, but the study trains masks on none or on "
        "several splits. Leave it out.");
  }
  if (options.held_back) require_held_back(study);
}

std::string format_results(std::filesystem::path const& study_file, ResultOptions const& options) {
  bool const with_changes = options.held_back || publishes_whole_training(read_study_file(study_file, {"published"}));
  auto study = read_results(study_file, options.took, with_changes);
  add_rows(study, options);
  if (auto const* data = std::get_if<DataFormat>(&options.format))
    return *data == DataFormat::json ? to_json(study) : to_csv(study);
  return laid_out(make_document(study, options.table), std::get<DocumentFormat>(options.format));
}

}  // namespace onemask
