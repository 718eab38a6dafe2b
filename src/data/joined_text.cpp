#include <onemask/data/joined_text.hpp>
#include <onemask/data/prompt.hpp>

#include <limits>

namespace onemask {

std::vector<std::int64_t> joined_tokens(Corpus const& corpus, Tokenizer const& tokenizer, std::int64_t vocabulary,
                                        std::size_t most) {
  auto const head = corpus.is_text() && head_token(tokenizer) ? std::ptrdiff_t{1} : std::ptrdiff_t{0};
  std::vector<std::int64_t> ids;
  for (std::size_t u = 0; u < corpus.units() && (most == 0 || ids.size() < most); ++u) {
    for (auto const& document : corpus.segments(u, tokenizer, std::numeric_limits<std::int64_t>::max(), vocabulary))
      ids.insert(ids.end(), document.ids.begin() + head, document.ids.end());
  }
  if (most > 0 && ids.size() > most) ids.resize(most);
  return ids;
}

}  // namespace onemask
