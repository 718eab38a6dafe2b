#pragma once

#include "tokenizer/detail/characters.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// A part of a text, and whether the pattern that was looked for is found in it.
struct Stretch {
  std::size_t begin, end;
  bool matches;
};

/// What steps of a tokenizer look for in a text: a regular expression, a text or one character of a class. Threads may share it.
class Pattern {
 public:
  /// Of Oniguruma, as in the library `tokenizers`. Throws UserError beginning with `place` when it does not compile.
  static Pattern expression(std::string const& expression, std::string const& place);
  static Pattern literal(std::string const& text);
  static Pattern one_of(CharacterClass members, std::string name);

  /// All of `text` (valid UTF-8), in order: the matches and what lies between them. Matches may be empty. Throws UserError when
  /// an expression needs too much time on this text.
  std::vector<Stretch> find(std::string_view text) const;

  /// Equal for equal patterns. Of an expression, the expression.
  std::string const& name() const { return name_; }

 private:
  class Matcher;
  class Expression;
  class Literal;
  class Class;

  Pattern(std::shared_ptr<Matcher const> matcher, std::string name);

  std::shared_ptr<Matcher const> matcher_;
  std::string name_;
};

}  // namespace onemask::detail
