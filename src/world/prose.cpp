#include "world/prose.hpp"

#include "world/detail/item_stream.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr int most_sentence_attempts = 1000;

std::size_t count_words(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

std::size_t draw(ProseOptions::Range range, RandomStream& random) {
  return range.least + random.below(range.most - range.least + 1);
}

/// Writes the paragraphs of a text one after the other.
class Writer {
 public:
  explicit Writer(WorldDescription const& world) : world_(world) {}

  /// A paragraph of one topic, as sentences none of which is in `refused`.
  std::vector<std::string> paragraph(RandomStream& random, std::unordered_set<std::string> const& refused) const {
    auto const& prose = world_.prose;
    auto const& topic = prose.topics[random.below(prose.topics.size())];
    std::vector<std::string> sentences(draw(prose.paragraph, random));
    for (auto& sentence : sentences) sentence = this->sentence(topic, random, refused);
    return sentences;
  }

  /// A sentence that tells a fact.
  std::string told(WorldFact const& fact, RandomStream& random) const {
    auto const wording = fact.training[random.below(fact.training.size())];
    return prompt_of(world_, fact, wording) + " " + world_.relations[fact.relation].objects[fact.object] + ".";
  }

 private:
  std::string sentence(std::string const& topic, RandomStream& random, std::unordered_set<std::string> const& refused) const {
    auto const range = world_.prose.sentence;
    for (int attempt = 0; attempt < most_sentence_attempts; ++attempt) {
      auto text = make_sentence(world_.grammar.expand(topic, random));
      auto const words = count_words(text);
      if (words >= range.least && words <= range.most && !refused.contains(text)) return text;
    }
    throw UserError(
        fmt::format("The world {}: 'grammar.{}' has too few new sentences of {} to {} words. "
                    "Give it more alternatives, or change 'prose.sentence'.",
                    world_.file, topic, range.least, range.most));
  }

  WorldDescription const& world_;
};

void append(std::string& text, std::vector<std::string> const& sentences) {
  if (!text.empty()) text += "\n\n";
  for (auto const& sentence : sentences) text += (&sentence == &sentences.front() ? "" : " ") + sentence;
}

}  // namespace

Prose make_prose(WorldDescription const& world, std::vector<WorldFact> const& facts, std::uint64_t seed) {
  Writer const writer(world);
  Prose prose;
  std::unordered_set<std::string> written;
  std::size_t words = 0;
  for (std::size_t number = 0; words < world.prose.words; ++number) {
    auto random = item_stream(seed, "prose", "training", number);
    auto sentences = writer.paragraph(random, {});
    written.insert(sentences.begin(), sentences.end());
    if (random.uniform() < world.prose.facts) {
      auto const place = static_cast<std::ptrdiff_t>(random.below(sentences.size() + 1));
      sentences.insert(sentences.begin() + place, writer.told(facts[random.below(facts.size())], random));
    }
    for (auto const& sentence : sentences) words += count_words(sentence);
    append(prose.training, sentences);
  }
  words = 0;
  for (std::size_t number = 0; words < world.prose.heldout_words; ++number) {
    auto random = item_stream(seed, "prose", "held out", number);
    auto const sentences = writer.paragraph(random, written);
    for (auto const& sentence : sentences) words += count_words(sentence);
    append(prose.heldout, sentences);
  }
  for (auto* text : {&prose.training, &prose.heldout}) *text += text->empty() ? "" : "\n";
  return prose;
}

}  // namespace onemask
