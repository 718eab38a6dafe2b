#include "tokenizer/detail/piece.hpp"

#include "tokenizer/detail/utf8.hpp"

#include <algorithm>
#include <utility>

namespace onemask::detail {

Piece Piece::whole(std::string_view text) {
  return {std::string(text), character_length(text)};
}

Piece Piece::part(std::size_t begin, std::size_t end) const {
  return {text.substr(begin, end - begin), begin < from_start ? std::min(from_start, end) - begin : 0};
}

void Piece::prepend(std::string_view more) {
  if (text.empty()) return;
  text.insert(0, more);
  if (from_start > 0) from_start += more.size();
}

void Piece::replace(Pattern const& from, std::string_view to) {
  Piece result;
  for (Stretch const& stretch : from.find(text)) {
    if (stretch.matches) {
      result.text += to;
      if (stretch.end <= from_start && from_start > 0) result.from_start = result.text.size();
    } else {
      result.text.append(text, stretch.begin, stretch.end - stretch.begin);
      if (stretch.begin < from_start) result.from_start = result.text.size() - (stretch.end - std::min(from_start, stretch.end));
    }
  }
  *this = std::move(result);
}

void Piece::rewrite(std::function<std::string(std::string_view)> const& function) {
  std::string result = function(text);
  if (from_start > 0) {
    from_start = std::min(function(std::string_view(text).substr(0, from_start)).size(), result.size());
    while (from_start < result.size() && (static_cast<unsigned char>(result[from_start]) & 0xC0u) == 0x80) ++from_start;
  }
  text = std::move(result);
}

void Piece::strip(bool left, bool right) {
  std::size_t const begin = left ? white_space_at_start(text) : 0;
  std::size_t const rest = text.size() - begin;
  *this = part(begin, begin + rest - (right ? white_space_at_end(std::string_view(text).substr(begin)) : 0));
}

std::vector<Piece> run_steps(std::vector<Step> const& steps, Piece piece) {
  std::vector<Piece> pieces, made;
  if (!piece.text.empty()) pieces.push_back(std::move(piece));
  for (Step const& step : steps) {
    made.clear();
    for (Piece& each : pieces) step.apply(std::move(each), made);
    std::erase_if(made, [](Piece const& each) { return each.text.empty(); });
    std::swap(pieces, made);
  }
  return pieces;
}

}  // namespace onemask::detail
