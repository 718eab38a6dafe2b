#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/world/grammar.hpp>

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr int deepest_free_level = 40, most_symbols = 10'000;
constexpr std::size_t no_symbol = std::numeric_limits<std::size_t>::max();

bool is_capital(char letter) {
  return letter >= 'A' && letter <= 'Z';
}

bool is_vowel(char letter) {
  return std::string_view("aeiouAEIOU").find(letter) != std::string_view::npos;
}

}  // namespace

Grammar::Grammar(Rules const& rules, std::string place) : place_(std::move(place)) {
  for (auto const& [symbol, alternatives] : rules) {
    if (alternatives.empty()) throw UserError(place_ + ": the symbol '" + symbol + "' has no alternatives. Give it one.");
    numbers_.emplace(symbol, numbers_.size());
  }
  for (auto const& [symbol, alternatives] : rules) {
    symbols_.emplace_back();
    for (std::string const& text : alternatives) symbols_.back().alternatives.push_back(parse(text, symbol));
  }
  find_lowest();
}

std::vector<std::string> Grammar::symbols() const {
  std::vector<std::string> names;
  for (auto const& [symbol, number] : numbers_) names.push_back(symbol);
  return names;
}

Grammar::Alternative Grammar::parse(std::string const& text, std::string const& symbol) const {
  Alternative pieces;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t const open = std::min(text.find('<', start), text.size());
    if (open > start) pieces.push_back({text.substr(start, open - start), no_symbol, false});
    if (open == text.size()) break;
    std::size_t const close = text.find('>', open);
    if (close == text.npos) {
      throw UserError(place_ + ": in the symbol '" + symbol + "', '" + text + "' has a < without >. Close it.");
    }
    std::string name = text.substr(open + 1, close - open - 1);
    bool const capital = !name.empty() && is_capital(name[0]);
    if (capital) name[0] = static_cast<char>(name[0] - 'A' + 'a');
    auto const number = numbers_.find(name);
    if (number == numbers_.end()) {
      throw UserError(place_ + ": in the symbol '" + symbol + "', <" + name + "> refers to no symbol." +
                      did_you_mean(name, symbols()));
    }
    pieces.push_back({"", number->second, capital});
    start = close + 1;
  }
  return pieces;
}

/// Levels below an alternative: 0 for one of text alone. Symbols whose alternatives are all without a level yet are left for
/// the next round; what has none when nothing changes any more can never end.
void Grammar::find_lowest() {
  std::vector<std::optional<std::size_t>> levels(symbols_.size());
  auto const levels_of = [&](Alternative const& alternative) -> std::optional<std::size_t> {
    std::size_t most = 0;
    for (Piece const& piece : alternative) {
      if (piece.symbol == no_symbol) continue;
      if (!levels[piece.symbol]) return std::nullopt;
      most = std::max(most, *levels[piece.symbol] + 1);
    }
    return most;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < symbols_.size(); ++i) {
      for (std::size_t choice = 0; choice < symbols_[i].alternatives.size(); ++choice) {
        auto const below = levels_of(symbols_[i].alternatives[choice]);
        if (!below || (levels[i] && *levels[i] <= *below)) continue;
        levels[i] = below;
        symbols_[i].lowest = choice;
        changed = true;
      }
    }
  }
  for (auto const& [symbol, number] : numbers_) {
    if (!levels[number]) {
      throw UserError(place_ + ": the symbol '" + symbol +
                      "' never ends: each of its alternatives leads to a symbol that leads " +
                      "back. Give it an alternative without.");
    }
  }
}

std::string Grammar::expand(std::string const& symbol, RandomStream& random) const {
  auto const number = numbers_.find(symbol);
  if (number == numbers_.end())
    throw UserError(place_ + ": there is no symbol '" + symbol + "'." + did_you_mean(symbol, symbols()));
  Expansion expansion{random};
  append(number->second, 0, expansion);
  return expansion.text;
}

void Grammar::append(std::size_t symbol, int level, Expansion& expansion) const {
  if (++expansion.symbols > most_symbols) {
    throw UserError(
        fmt::format("{}: one text came to more than {} symbols: its rules refer to themselves too often.", place_, most_symbols));
  }
  auto const& [alternatives, lowest] = symbols_[symbol];
  for (Piece const& piece : alternatives[level < deepest_free_level ? expansion.random.below(alternatives.size()) : lowest]) {
    if (piece.symbol == no_symbol) {
      expansion.text += piece.text;
      continue;
    }
    std::size_t const start = expansion.text.size();
    append(piece.symbol, level + 1, expansion);
    if (piece.capital) expansion.text.replace(start, expansion.text.npos, capitalised(expansion.text.substr(start)));
  }
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string make_sentence(std::string_view text) {
  std::string sentence;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const article = (text[i] == ' ') && i >= 1 && (text[i - 1] == 'a') && (i == 1 || text[i - 2] == ' ');
    if (article && i + 1 < text.size() && is_vowel(text[i + 1])) sentence += 'n';
    sentence += text[i];
  }
  return capitalised(sentence);
}

}  // namespace onemask
