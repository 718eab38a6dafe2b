// Writes study files for tests of pages: page_studies FOLDER makes FOLDER/NAME/study.h5 of each study below.
#include "report/page_studies.hpp"

#include <filesystem>
#include <iostream>

int main(int count, char** words) {
  using namespace onemask;
  if (count != 2) {
    std::cerr << "usage: page_studies FOLDER\n";
    return 2;
  }
  auto many = test::study_of_many_facts();
  many.inside = 300;  // as much as a page holds
  std::pair<char const*, test::InventedStudy> const studies[] = {{"plain", {}},
                                                                 {"partial", {.partial = true}},
                                                                 {"relations", test::study_of_relations()},
                                                                 {"sizes", test::study_of_sizes()},
                                                                 {"insides", test::study_of_insides()},
                                                                 {"many", many}};
  for (auto const& [name, study] : studies) {
    auto const folder = std::filesystem::path(words[1]) / name;
    std::filesystem::create_directories(folder);
    write_study_file(folder / "study.h5", test::invented_study(study));
  }
  return 0;
}
