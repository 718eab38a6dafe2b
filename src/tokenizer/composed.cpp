#include "tokenizer/detail/normalizer.hpp"
#include <onemask/tokenizer/composed.hpp>

namespace onemask {

std::string composed(std::string const& text) {
  auto const pieces = detail::run_steps({detail::normalization_form("NFC")}, detail::Piece::whole(text));
  return pieces.empty() ? "" : pieces.front().text;
}

}  // namespace onemask
