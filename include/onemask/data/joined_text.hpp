#pragma once

#include <onemask/data/corpus.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onemask {

/// The tokens of a corpus, its documents end to end and without head_token(); where `most` is not 0, only the first
/// so many. Throws UserError as Corpus::segments does.
std::vector<std::int64_t> joined_tokens(Corpus const& corpus, Tokenizer const& tokenizer, std::int64_t vocabulary,
                                        std::size_t most = 0);

}  // namespace onemask
