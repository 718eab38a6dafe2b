#include "tokenizer/detail/normalizer.hpp"

#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>

#include <cstdlib>
#include <memory>
#include <utf8proc.h>

#include <fmt/core.h>

namespace onemask::detail {
namespace {

struct FreeText {
  void operator()(utf8proc_uint8_t* bytes) const { std::free(bytes); }
};

std::string composed(std::string const& text) {
  utf8proc_uint8_t* bytes = nullptr;
  auto const size =
      utf8proc_map(reinterpret_cast<utf8proc_uint8_t const*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &bytes,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::unique_ptr<utf8proc_uint8_t, FreeText> const owned(bytes);
  if (size < 0) {
    throw RunError(
        fmt::format("A text of {} bytes cannot be brought into Unicode's form C: {}.", text.size(), utf8proc_errmsg(size)));
  }
  return {reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size)};
}

}  // namespace

std::string normalize(std::vector<NormalizerStep> const& steps, std::string_view text) {
  std::string result(text);
  for (NormalizerStep const step : steps) {
    switch (step) {
      case NormalizerStep::nfc:
        result = composed(result);
        break;
      case NormalizerStep::prepend_space:
        result.insert(0, written_space);
        break;
      case NormalizerStep::write_spaces:
        result = replaced(result, " ", written_space);
        break;
    }
  }
  return result;
}

}  // namespace onemask::detail
