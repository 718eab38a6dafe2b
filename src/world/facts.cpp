#include "world/facts.hpp"

#include "world/detail/item_stream.hpp"
#include "world/detail/name_book.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <numeric>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr int most_name_attempts = 2000;

/// Objects, and the words of those of several.
std::vector<std::string> object_words(WorldDescription const& world) {
  std::vector<std::string> words;
  for (auto const& relation : world.relations) {
    for (auto const& object : relation.objects) {
      words.push_back(object);
      for (auto const& word : split_text(object, ' ')) {
        if (word.size() >= 3) words.push_back(word);
      }
    }
  }
  return words;
}

std::string make_name(WorldDescription const& world, WorldRelation const& relation, std::size_t number, std::uint64_t seed,
                      NameBook& names) {
  auto random = item_stream(seed, "name", relation.id, number);
  for (int attempt = 0; attempt < most_name_attempts; ++attempt) {
    auto name = world.grammar.expand(relation.subjects, random);
    if (names.take(name)) return name;
  }
  throw UserError(
      fmt::format("The world {}: 'grammar.{}' has too few names for the relation '{}' ({}): after {} subjects, all others drawn "
                  "were taken, shorter than four letters, or contained another name or an object. Give it more alternatives.",
                  world.file, relation.subjects, relation.id, relation.name, number));
}

WorldFact::Part part_of(WorldCounts const& counts, WorldRelation const& relation, std::size_t number) {
  using enum WorldFact::Part;
  if (relation.ood) return number < counts.ood ? ood : background;
  if (number < counts.train) return train;
  return number < counts.train + counts.heldout ? heldout : background;
}

/// Every run of as many subjects as there are objects has each object once, so that all parts have all objects alike.
std::size_t object_of(WorldRelation const& relation, std::size_t number, std::uint64_t seed) {
  auto const count = relation.objects.size();
  return item_stream(seed, "objects", relation.id, number / count).permutation(count)[number % count];
}

/// The wordings of a fact: a rewrite prompt, then the others; a record's last two of its drawn order are held out.
void choose_wordings(WorldRelation const& relation, WorldFact& fact, RandomStream& random) {
  fact.training.push_back(fact.number % relation.rewrites);
  auto order = random.permutation(relation.wordings.size() - relation.rewrites);
  for (auto& wording : order) wording += relation.rewrites;
  auto const kept = order.size() - (fact.part == WorldFact::Part::background ? 0 : heldout_wordings_per_fact);
  fact.training.insert(fact.training.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept));
  fact.heldout.assign(order.begin() + static_cast<std::ptrdiff_t>(kept), order.end());
  for (std::size_t wording = 0; wording < relation.rewrites; ++wording) {
    if (wording != fact.training.front()) fact.training.push_back(wording);
  }
}

std::string fill(std::string text, std::string const& subject) {
  return text.replace(text.find("{}"), 2, subject);
}

/// Prompts about so many other facts of an object, in wordings of theirs.
std::vector<std::string> make_neighbours(WorldDescription const& world, std::vector<WorldFact const*> const& sharing,
                                         WorldFact const& fact, RandomStream random) {
  std::vector<std::string> prompts;
  for (std::size_t const choice : random.permutation(sharing.size())) {
    WorldFact const& other = *sharing[choice];
    if (other.number == fact.number) continue;
    prompts.push_back(prompt_of(world, other, other.training[random.below(other.training.size())]));
    if (prompts.size() == neighbours_per_record) break;
  }
  return prompts;
}

std::vector<std::string> make_paraphrases(WorldDescription const& world, WorldFact const& fact) {
  auto const prompt = [&](std::size_t wording) { return prompt_of(world, fact, wording); };
  return {prompt(fact.training[1]), fact.lead_ins[0] + " " + prompt(fact.training[2]), prompt(fact.heldout[0]),
          fact.lead_ins[1] + " " + prompt(fact.heldout[1])};
}

std::string object_id(WorldRelation const& relation, std::size_t object) {
  return fmt::format("{}-{:02}", relation.id, object + 1);
}

}  // namespace

std::vector<WorldFact> make_facts(WorldDescription const& world, std::uint64_t seed) {
  NameBook names(object_words(world));
  std::vector<WorldFact> facts;
  for (std::size_t index = 0; index < world.relations.size(); ++index) {
    WorldRelation const& relation = world.relations[index];
    for (std::size_t number = 0; number < world.counts.subjects(relation); ++number) {
      WorldFact fact{index, number, part_of(world.counts, relation, number), make_name(world, relation, number, seed, names)};
      fact.object = object_of(relation, number, seed);
      auto random = item_stream(seed, "fact", relation.id, number);
      fact.new_object = (fact.object + 1 + random.below(relation.objects.size() - 1)) % relation.objects.size();
      choose_wordings(relation, fact, random);
      for (int i = 0; i < 2; ++i) fact.lead_ins.push_back(make_sentence(world.grammar.expand(world.lead_in, random)));
      facts.push_back(std::move(fact));
    }
  }
  return facts;
}

std::string prompt_of(WorldDescription const& world, WorldFact const& fact, std::size_t wording) {
  return fill(world.relations[fact.relation].wordings[wording], fact.subject);
}

std::vector<Fact> make_records(WorldDescription const& world, std::vector<WorldFact> const& facts, WorldFact::Part part,
                               std::uint64_t seed) {
  std::vector<std::vector<std::vector<WorldFact const*>>> sharing(world.relations.size());
  for (std::size_t i = 0; i < sharing.size(); ++i) sharing[i].resize(world.relations[i].objects.size());
  for (WorldFact const& fact : facts) sharing[fact.relation][fact.object].push_back(&fact);
  std::vector<Fact> records;
  for (WorldFact const& fact : facts) {
    if (fact.part != part) continue;
    WorldRelation const& relation = world.relations[fact.relation];
    Fact record;
    record.case_id = static_cast<std::int64_t>((fact.relation + 1) * most_subjects_per_relation + fact.number);
    record.pararel_idx = static_cast<std::int64_t>(fact.training[0]);
    record.relation = relation.id;
    record.subject = fact.subject;
    record.prompt = relation.wordings[fact.training[0]];
    record.target_true = relation.objects[fact.object];
    record.target_new = relation.objects[fact.new_object];
    record.target_true_id = object_id(relation, fact.object);
    record.target_new_id = object_id(relation, fact.new_object);
    record.paraphrase_prompts = make_paraphrases(world, fact);
    auto const& shares = sharing[fact.relation];
    record.neighborhood_prompts =
        make_neighbours(world, shares[fact.object], fact, item_stream(seed, "neighbours", relation.id, fact.number));
    record.attribute_prompts =
        make_neighbours(world, shares[fact.new_object], fact, item_stream(seed, "attributes", relation.id, fact.number));
    auto const order = item_stream(seed, "beginnings", relation.id, fact.number).permutation(relation.beginnings.size());
    for (std::size_t i = 0; i < beginnings_per_record; ++i)
      record.generation_prompts.push_back(fill(relation.beginnings[order[i]], fact.subject));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace onemask
