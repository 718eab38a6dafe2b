#include "tokenizer/detail/pattern.hpp"

#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>

#include <array>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/core.h>
#include <oniguruma.h>

namespace onemask::detail {
namespace {

struct Bounds {
  std::size_t begin, end;
};

OnigUChar const* units(std::string_view text) {
  return reinterpret_cast<OnigUChar const*>(text.data());
}

std::string message_of(int error, OnigErrorInfo* info) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> buffer{};
  int const size = onig_error_code_to_str(buffer.data(), error, info);
  return {reinterpret_cast<char const*>(buffer.data()), static_cast<std::size_t>(size)};
}

/// Before the first expression is compiled.
void initialize() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encoding = ONIG_ENCODING_UTF8;
    onig_initialize(&encoding, 1);
    onig_set_warn_func(onig_null_warn);
  });
}

}  // namespace

class Pattern::Matcher {
 public:
  virtual ~Matcher() = default;
  /// The matches of a text that is not empty, in order.
  virtual std::vector<Bounds> matches(std::string_view text) const = 0;
};

class Pattern::Expression : public Matcher {
 public:
  Expression(std::string expression, std::string place) : expression_(std::move(expression)), place_(std::move(place)) {
    initialize();
    OnigRegex regex = nullptr;
    OnigErrorInfo info{};
    int const error = onig_new(&regex, units(expression_), units(expression_) + expression_.size(), ONIG_OPTION_NONE,
                               ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
    regex_.reset(regex);
    if (error != ONIG_NORMAL) {
      throw UserError(
          fmt::format("{}: the regular expression '{}' does not compile: {}.", place_, expression_, message_of(error, &info)));
    }
  }

  std::vector<Bounds> matches(std::string_view text) const override {
    std::unique_ptr<OnigRegion, Free> const region(onig_region_new());
    if (!region) throw RunError("Out of memory while cutting a text into words.");
    std::vector<Bounds> found;
    std::size_t at = 0;
    while (at <= text.size()) {
      int const position = onig_search(regex_.get(), units(text), units(text) + text.size(), units(text) + at,
                                       units(text) + text.size(), region.get(), ONIG_OPTION_NONE);
      if (position == ONIG_MISMATCH) break;
      if (position < 0) {
        throw UserError(fmt::format("{}: the regular expression '{}' fails on a text of {} bytes at byte {}: {}.", place_,
                                    expression_, text.size(), at, message_of(position, nullptr)));
      }
      Bounds const match{static_cast<std::size_t>(region->beg[0]), static_cast<std::size_t>(region->end[0])};
      if (match.begin < at || match.end < match.begin) {
        throw UserError(
            fmt::format("{}: the regular expression '{}' gives a match that ends before it begins; \\K and the like are "
                        "not supported.",
                        place_, expression_));
      }
      if (match.begin < match.end || found.empty() || found.back().end != match.end) {
        found.push_back(match);
        at = match.end;
      } else {  // an empty match right behind a match is none
        at += at < text.size() ? character_length(text.substr(at)) : 1;
      }
    }
    return found;
  }

 private:
  struct Free {
    void operator()(re_pattern_buffer* regex) const { onig_free(regex); }
    void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
  };

  std::string expression_, place_;
  std::unique_ptr<re_pattern_buffer, Free> regex_;
};

class Pattern::Literal : public Matcher {
 public:
  explicit Literal(std::string text) : text_(std::move(text)) {}

  std::vector<Bounds> matches(std::string_view text) const override {
    std::vector<Bounds> found;
    for (std::size_t at = 0; (at = text.find(text_, at)) != text.npos; at += text_.size())
      found.push_back({at, at + text_.size()});
    return found;
  }

 private:
  std::string text_;
};

class Pattern::Class : public Matcher {
 public:
  explicit Class(CharacterClass members) : members_(members) {}

  std::vector<Bounds> matches(std::string_view text) const override {
    std::vector<Bounds> found;
    for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
      length = character_length(text.substr(at));
      if (members_(first_character(text.substr(at)))) found.push_back({at, at + length});
    }
    return found;
  }

 private:
  CharacterClass members_;
};

Pattern::Pattern(std::shared_ptr<Matcher const> matcher, std::string name)
    : matcher_(std::move(matcher)), name_(std::move(name)) {}

Pattern Pattern::expression(std::string const& expression, std::string const& place) {
  return {std::make_shared<Expression>(expression, place), expression};
}

Pattern Pattern::literal(std::string const& text) {
  if (text.empty()) return expression("", "");  // is found everywhere
  return {std::make_shared<Literal>(text), "text " + text};
}

Pattern Pattern::one_of(CharacterClass members, std::string name) {
  return {std::make_shared<Class>(members), std::move(name)};
}

std::vector<Stretch> Pattern::find(std::string_view text) const {
  std::vector<Stretch> stretches;
  std::size_t at = 0;
  for (Bounds const& match : text.empty() ? std::vector<Bounds>() : matcher_->matches(text)) {
    if (match.begin > at) stretches.push_back({at, match.begin, false});
    stretches.push_back({match.begin, match.end, true});
    at = match.end;
  }
  if (at < text.size()) stretches.push_back({at, text.size(), false});
  return stretches;
}

}  // namespace onemask::detail
