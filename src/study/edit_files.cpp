#include <onemask/core/reserved_names.hpp>
#include <onemask/study/edit_files.hpp>

#include <string>
#include <string_view>

namespace onemask {
namespace {

std::string replaced(std::string text, std::string_view word, std::string const& value) {
  for (auto place = text.find(word); place != std::string::npos; place = text.find(word, place + value.size()))
    text.replace(place, word.size(), value);
  return text;
}

}  // namespace

std::filesystem::path edit_file_of(EditFiles const& files, SplitFact const& fact, Study const& study) {
  if (!files.of_facts.empty()) {
    auto const found = files.of_facts.find(fact.fact.case_id);
    return found == files.of_facts.end() ? "" : found->second;
  }
  auto const& split = fact.split == validation_split ? study.train_split : fact.split;
  return replaced(replaced(files.name, "{case_id}", std::to_string(fact.fact.case_id)), "{split}", split);
}

}  // namespace onemask
