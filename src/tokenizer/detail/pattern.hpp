#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace onemask::detail {

/// A regular expression of a tokenizer file that cuts a text into words before tokens are made. Threads may share it.
class Pattern {
 public:
  /// Throws UserError beginning with `place` when `expression` does not compile.
  Pattern(std::string const& expression, std::string place);

  /// Appends the matches in `text` (valid UTF-8), and what lies between them, to `words`. Throws UserError when the
  /// expression needs too much time or memory on this text.
  void cut(std::string_view text, std::vector<std::string_view>& words) const;

  std::string const& expression() const { return expression_; }

 private:
  struct Code;
  std::string expression_, place_;
  std::shared_ptr<Code const> code_;
};

}  // namespace onemask::detail
