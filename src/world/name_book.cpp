#include "world/detail/name_book.hpp"

#include <cstddef>

namespace onemask {
namespace {

constexpr std::size_t shortest_name = 4, shortest_part = 3;

std::string lower_case(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

std::vector<std::string> parts_of(std::string const& name) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start + shortest_part <= name.size(); ++start) {
    for (std::size_t size = shortest_part; start + size <= name.size(); ++size) parts.push_back(name.substr(start, size));
  }
  return parts;
}

}  // namespace

NameBook::NameBook(std::vector<std::string> const& forbidden) {
  for (std::string const& word : forbidden) taken_.insert(lower_case(word));
}

bool NameBook::take(std::string const& name) {
  std::string const lower = lower_case(name);
  if (lower.size() < shortest_name || within_.contains(lower)) return false;
  auto const parts = parts_of(lower);
  for (std::string const& part : parts) {
    if (taken_.contains(part)) return false;
  }
  taken_.insert(lower);
  within_.insert(parts.begin(), parts.end());
  return true;
}

}  // namespace onemask
