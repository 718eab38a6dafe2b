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

constexpr std::string_view of_case = "{case_id}", of_split = "{split}";

}  // namespace

bool is_pattern(EditFiles const& files) {
  return files.name.find(of_case, files.literal) != std::string::npos ||
         files.name.find(of_split, files.literal) != std::string::npos;
}

std::string unknown_part(std::string const& path) {
  auto const rest = replaced(replaced(path, of_case, ""), of_split, "");
  auto const begin = rest.find_first_of("{}");
  if (begin == std::string::npos) return "";
  auto const end = rest.find('}', begin);
  return rest.substr(begin, end == std::string::npos ? end : end - begin + 1);
}

std::filesystem::path edit_file_of(EditFiles const& files, SplitFact const& fact) {
  if (!files.of_facts.empty()) {
    auto const found = files.of_facts.find(fact.fact.case_id);
    return found == files.of_facts.end() ? "" : found->second;
  }
  auto const own = files.name.substr(files.literal);
  return files.name.substr(0, files.literal) +
         replaced(replaced(own, of_case, std::to_string(fact.fact.case_id)), of_split, fact.home());
}

}  // namespace onemask
