#include "tokenizer/detail/word_steps.hpp"

#include "tokenizer/detail/utf8.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/core.h>

namespace onemask::detail {
namespace {

/// Joins every match with the stretch before it, unless that is a match, too; or neighbours of one kind, for Cut::contiguous.
std::vector<Stretch> joined(std::vector<Stretch> const& stretches, Cut cut) {
  std::vector<Stretch> words;
  bool former_matches = false;
  for (Stretch const& stretch : stretches) {
    bool const joins = !words.empty() && (cut == Cut::merged_with_previous ? stretch.matches && !former_matches
                                                                           : stretch.matches == former_matches);
    if (joins) {
      words.back().end = stretch.end;
    } else {
      words.push_back(stretch);
    }
    former_matches = stretch.matches;
  }
  return words;
}

/// The same from the end, for matches that are the beginning of the next word.
std::vector<Stretch> joined_with_next(std::vector<Stretch> const& stretches) {
  std::vector<Stretch> words;
  bool former_matches = false;
  for (auto stretch = stretches.rbegin(); stretch != stretches.rend(); ++stretch) {
    if (!words.empty() && stretch->matches && !former_matches) {
      words.back().begin = stretch->begin;
    } else {
      words.push_back(*stretch);
    }
    former_matches = stretch->matches;
  }
  std::reverse(words.begin(), words.end());
  return words;
}

void cut_at(std::vector<Stretch> stretches, Cut cut, Piece const& piece, std::vector<Piece>& words) {
  switch (cut) {
    case Cut::removed:
      std::erase_if(stretches, [](Stretch const& stretch) { return stretch.matches; });
      break;
    case Cut::isolated:
      break;
    case Cut::merged_with_next:
      stretches = joined_with_next(stretches);
      break;
    case Cut::merged_with_previous:
    case Cut::contiguous:
      stretches = joined(stretches, cut);
      break;
  }
  for (Stretch const& stretch : stretches) words.push_back(piece.part(stretch.begin, stretch.end));
}

}  // namespace

Step split(Pattern const& pattern, Cut cut, bool invert) {
  // The usual one is known by its pattern alone.
  bool const usual = cut == Cut::isolated && !invert;
  auto name = usual ? pattern.name() : fmt::format("Split {} {} {}", static_cast<int>(cut), invert, pattern.name());
  return {std::move(name), [=](Piece&& piece, std::vector<Piece>& words) {
            auto stretches = pattern.find(piece.text);
            if (invert) {
              for (Stretch& stretch : stretches) stretch.matches = !stretch.matches;
            }
            cut_at(std::move(stretches), cut, piece, words);
          }};
}

Step split_white_space_and_symbols() {
  return {"Whitespace", [](Piece&& piece, std::vector<Piece>& words) {
            auto const kind = [&](std::size_t at) {
              char32_t const character = first_character(std::string_view(piece.text).substr(at));
              return is_word_character(character) ? 2 : is_white_space(character) ? 0 : 1;
            };
            std::size_t begin = 0;
            while (begin < piece.text.size()) {
              std::size_t end = begin;
              do end += character_length(std::string_view(piece.text).substr(end));
              while (end < piece.text.size() && kind(end) == kind(begin));
              if (kind(begin) != 0) words.push_back(piece.part(begin, end));
              begin = end;
            }
          }};
}

Step prefix_space() {
  return {"space before", [](Piece&& piece, std::vector<Piece>& words) {
            if (!piece.text.starts_with(' ')) piece.prepend(" ");
            words.push_back(std::move(piece));
          }};
}

Step bytes_as_characters() {
  return {"bytes", [](Piece&& piece, std::vector<Piece>& words) {
            piece.rewrite(token_of_bytes);
            words.push_back(std::move(piece));
          }};
}

Step metaspace(std::string const& character, Prefix prefix, bool cuts) {
  Pattern const space = Pattern::literal(" "), written = Pattern::literal(character);
  return {fmt::format("Metaspace {} {} {}", static_cast<int>(prefix), cuts, character),
          [=](Piece&& piece, std::vector<Piece>& words) {
            piece.replace(space, character);
            bool const wanted = prefix == Prefix::always || (prefix == Prefix::first && piece.from_start > 0);
            if (wanted && !piece.text.starts_with(character)) piece.prepend(character);
            if (!cuts) {
              words.push_back(std::move(piece));
            } else {
              cut_at(written.find(piece.text), Cut::merged_with_next, piece, words);
            }
          }};
}

}  // namespace onemask::detail
