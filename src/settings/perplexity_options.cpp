#include <onemask/settings/make_field.hpp>
#include <onemask/settings/perplexity_options.hpp>

namespace onemask {

template <>
Fields<PerplexityOptions> const& fields_of<PerplexityOptions>() {
  using Perplexity = PerplexityOptions;
  static Fields<Perplexity> const fields{
      files("text", &Perplexity::text, "text or JSONL files; none: no perplexity of the models that all facts share")
          .enter(Enters::content),
      file("ids", &Perplexity::ids, "token ids in its place: JSON lines").enter(Enters::content),
      number("tokens", &Perplexity::tokens, at_least(0), "tokens", "only the first so many; 0: all").enter(Enters::perplexity),
      number("segment", &Perplexity::segment, at_least(0), "tokens",
             "of the longest window; 0: the model's positions, at most 1024")
          .enter(Enters::perplexity),
      number("stride", &Perplexity::stride, at_least(0), "tokens", "from one window's beginning to the next one's; 0: a window")
          .enter(Enters::perplexity),
      number("facts", &Perplexity::facts, at_least(0), "",
             "of each split, whose own edited models are scored too; drawn at random, not by what their edits did")};
  return fields;
}

}  // namespace onemask
