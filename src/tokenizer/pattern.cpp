#include "tokenizer/detail/pattern.hpp"

#include <onemask/core/error.hpp>

#include <array>
#include <cstdint>
#include <utility>

#include <fmt/core.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace onemask::detail {
namespace {

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<char const*>(buffer.data());
}

/// `expression` with \s and \S spelled out as Unicode's White_Space, which tokenizers mean by it; PCRE2's own \s has U+180E as
/// well. \S inside a class cannot be spelled out and stays.
std::string spell_out_white_space(std::string_view expression) {
  constexpr std::string_view white_space = "\\p{Z}\\t-\\r\\x{85}";
  std::string result;
  bool in_class = false;
  std::size_t class_begin = 0;  // a ] here is a character of the class
  for (std::size_t i = 0; i < expression.size(); ++i) {
    char const c = expression[i], next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    if (c == '\\' && next == 's') {
      result.append(in_class ? "" : "[").append(white_space).append(in_class ? "" : "]");
      ++i;
    } else if (c == '\\' && next == 'S' && !in_class) {
      result.append("[^").append(white_space).append("]");
      ++i;
    } else if (c == '\\' && i + 1 < expression.size()) {
      result.append({c, next});
      ++i;
    } else if (std::size_t const end = expression.find(":]", i); in_class && c == '[' && next == ':' && end != expression.npos) {
      result.append(expression.substr(i, end + 2 - i));  // a named class such as [:punct:]
      i = end + 1;
    } else {
      if (c == '[' && !in_class) {
        in_class = true;
        class_begin = i + (next == '^' ? 2 : 1);
      } else if (c == ']' && i != class_begin) {
        in_class = false;
      }
      result += c;
    }
  }
  return result;
}

struct FreePattern {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

constexpr std::uint32_t match_limit = 10'000'000, heap_limit_kib = 64 * 1024;

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, FreePattern> code;
  std::unique_ptr<pcre2_match_context, FreePattern> context;
};

Pattern::Pattern(std::string const& expression, std::string place) : expression_(expression), place_(std::move(place)) {
  std::string const spelled = spell_out_white_space(expression);
  int error = 0;
  std::size_t offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(
      pcre2_compile(units(spelled), spelled.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (!code->code) {
    throw UserError(place_ + ": the regular expression '" + expression + "' does not compile: " + message_of(error) + ".");
  }
  // Where there is no just-in-time compiler, matching works without, only more slowly.
  static_cast<void>(pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE));
  code->context.reset(pcre2_match_context_create(nullptr));
  if (!code->context) throw RunError("Out of memory while compiling the regular expression of a tokenizer.");
  pcre2_set_match_limit(code->context.get(), match_limit);
  pcre2_set_heap_limit(code->context.get(), heap_limit_kib);
  code_ = std::move(code);
}

void Pattern::cut(std::string_view text, std::vector<std::string_view>& words) const {
  std::unique_ptr<pcre2_match_data, FreePattern> const match(pcre2_match_data_create_from_pattern(code_->code.get(), nullptr));
  if (!match) throw RunError("Out of memory while cutting a text into words.");
  auto const find = [&](std::size_t from, std::uint32_t options) {
    return pcre2_match(code_->code.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options,
                       match.get(), code_->context.get());
  };
  for (std::size_t at = 0; at < text.size();) {
    int found = find(at, 0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = find(at, PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) {
      words.push_back(text.substr(at));
      return;
    }
    std::size_t const* const bounds = pcre2_get_ovector_pointer(match.get());
    if (found < 0 || bounds[0] < at || bounds[1] <= bounds[0] || bounds[1] > text.size()) {
      throw UserError(fmt::format("{}: the regular expression '{}' fails on a text of {} bytes at byte {}{}.", place_,
                                  expression_, text.size(), at, found < 0 ? ": " + message_of(found) : ""));
    }
    if (bounds[0] > at) words.push_back(text.substr(at, bounds[0] - at));
    words.push_back(text.substr(bounds[0], bounds[1] - bounds[0]));
    at = bounds[1];
  }
}

}  // namespace onemask::detail
