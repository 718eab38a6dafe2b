#include "report/figure.hpp"
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/page.hpp>

namespace onemask {

std::vector<std::string> write_figures(StudyFile const& study, std::filesystem::path const& folder) {
  make_folder(folder);
  std::vector<std::string> names;
  std::string captions;
  for (auto const& figure : figures_of(study, analysis_if_any(study))) {
    auto const write = [&](char const* ending, std::string const& content) {
      write_file_atomically(folder / (figure.name + ending), content);
    };
    write(".svg", svg_of(figure.drawing, figure.title, figure.caption, SvgForm::paper));
    write(".pdf", pdf_of(figure.drawing, figure.title));
    write(".csv", to_csv(figure.data));
    captions += "- `" + figure.name + "`: " + figure.title + ". " + figure.caption + "\n";
    names.push_back(figure.name);
  }
  write_file_atomically(folder / "captions.md", captions);
  return names;
}

}  // namespace onemask
