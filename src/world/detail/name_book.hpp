#pragma once

#include <string>
#include <unordered_set>
#include <vector>

namespace onemask {

/// The names of a world. None contains another, nor a forbidden word, whatever the case of letters.
class NameBook {
 public:
  explicit NameBook(std::vector<std::string> const& forbidden);

  /// Whether the name was free; it is taken then.
  bool take(std::string const& name);

 private:
  std::unordered_set<std::string> taken_;   // names and forbidden words
  std::unordered_set<std::string> within_;  // everything that stands inside a name
};

}  // namespace onemask
