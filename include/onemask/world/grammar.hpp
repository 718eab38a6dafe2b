#pragma once

#include <onemask/core/random.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace onemask {

/// A context-free grammar whose alternatives are drawn evenly; one that is there twice, twice as often. An alternative is text
/// with references: `<symbol>`, or `<Symbol>` where the expansion begins with a capital.
class Grammar {
 public:
  /// Symbol -> alternatives.
  using Rules = std::map<std::string, std::vector<std::string>>;

  /// Throws UserError, beginning with `place`, for a reference to no symbol, a < without >, a symbol without alternatives and one
  /// that can never end.
  Grammar(Rules const& rules, std::string place);

  bool has(std::string const& symbol) const { return numbers_.contains(symbol); }
  std::vector<std::string> symbols() const;

  /// A text of `symbol`. Below 40 levels the alternative that ends soonest is taken. Throws UserError for one of more than
  /// 10 000 symbols.
  std::string expand(std::string const& symbol, RandomStream& random) const;

 private:
  /// Text, or the number of a symbol.
  struct Piece {
    std::string text;
    std::size_t symbol;
    bool capital;
  };
  using Alternative = std::vector<Piece>;
  struct Symbol {
    std::vector<Alternative> alternatives;
    std::size_t lowest = 0;  ///< the alternative with the least levels below it
  };

  Alternative parse(std::string const& text, std::string const& symbol) const;
  void find_lowest();
  struct Expansion {
    RandomStream& random;
    std::string text = {};
    int symbols = 0;
  };
  void append(std::size_t symbol, int level, Expansion& expansion) const;

  std::string place_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<Symbol> symbols_;
};

/// The text with its first letter as a capital.
std::string capitalised(std::string text);

/// A sentence of running text: begins with a capital, and "a" stands as "an" before a vowel.
std::string make_sentence(std::string_view text);

}  // namespace onemask
