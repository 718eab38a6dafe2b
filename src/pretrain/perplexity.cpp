#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/data/joined_text.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/perplexity.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/pretrain/perplexity.hpp>

#include <cmath>
#include <cstddef>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Fraction bits of sums of -log P, which are below 2^30: integers have the same sum on any number of ranks.
constexpr int nll_bits = 24;

}  // namespace

Perplexity measure_perplexity(CausalLM const& model, Tokenizer const& tokenizer, std::filesystem::path const& text,
                              Communicator const& comm) {
  std::int64_t nll = 0, tokens = 0;
  agree(comm, [&] {
    auto const& config = model.config();
    auto const ids = joined_tokens(Corpus::of_texts({text}), tokenizer, config.vocabulary);
    auto const pieces = in_pieces(cut_text(ids, head_token(tokenizer), usual_segment(config), 0));
    auto const ranks = static_cast<std::size_t>(comm.size());
    for (auto i = static_cast<std::size_t>(comm.rank()); i < pieces.size(); i += ranks) {
      auto const score = score_text(model, pieces[i]);
      nll += std::llround(std::ldexp(score.nll, nll_bits));
      tokens += score.tokens;
    }
  });
  nll = comm.all_reduce_sum(nll);
  tokens = comm.all_reduce_sum(tokens);
  if (tokens == 0)
    throw UserError(fmt::format("The held-out text '{}' has fewer than two tokens. Name another file.", text.string()));
  return {std::exp(std::ldexp(static_cast<double>(nll), -nll_bits) / static_cast<double>(tokens)), tokens};
}

}  // namespace onemask
