#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/candidates.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string of_split(FactSelection const& selection) {
  return "split '" + selection.split + "'";
}

/// Whether `name` is `pattern` with each * replaced by some text.
bool matches(std::string_view pattern, std::string_view name) {
  std::vector<std::string> const parts = split_text(pattern, '*');
  if (parts.size() == 1) return pattern == name;
  if (!name.starts_with(parts.front())) return false;
  name.remove_prefix(parts.front().size());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {  // the first place for each leaves the most for those after it
    std::size_t const found = name.find(parts[i]);
    if (found == name.npos) return false;
    name.remove_prefix(found + parts[i].size());
  }
  return name.ends_with(parts.back());
}

/// The files that `pattern` means, in the order of their names.
std::vector<std::filesystem::path> files_of(std::filesystem::path const& pattern, FactSelection const& selection) {
  std::string const name = pattern.filename().string();
  if (pattern.parent_path().string().find('*') != std::string::npos) {
    throw UserError(of_split(selection) + ": '" + pattern.string() +
                    "' has a * in the name of a folder; only a file's name may have one.");
  }
  if (name.find('*') == std::string::npos) return {pattern};
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::path const folder = pattern.has_parent_path() ? pattern.parent_path() : ".";
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (matches(name, entry->path().filename().string())) files.push_back(entry->path());
  }
  if (files.empty()) {
    throw UserError(of_split(selection) + ": no file matches '" + pattern.string() + "'" +
                    (error ? " (" + error.message() + ")" : "") + ". Check the path.");
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Fact> read_files(FactSelection const& selection, std::filesystem::path const& base) {
  if (selection.files.empty()) throw UserError(of_split(selection) + " names no files.");
  std::vector<Fact> facts;
  for (std::string const& pattern : selection.files) {
    for (std::filesystem::path const& file : files_of(base / pattern, selection)) {
      for (Fact& fact : read_counterfact(file)) facts.push_back(std::move(fact));
    }
  }
  return facts;
}

void keep_relations(std::vector<Fact>& facts, FactSelection const& selection) {
  if (selection.relations.empty()) return;
  std::set<std::string> present;
  for (Fact const& fact : facts) present.insert(fact.relation);
  std::vector<std::string> const known(present.begin(), present.end());
  for (std::string const& relation : selection.relations) {
    if (!present.contains(relation)) {
      throw UserError(fmt::format("{}: its files have no facts of the relation '{}' (they have {} relations).{}",
                                  of_split(selection), relation, known.size(), did_you_mean(relation, known)));
    }
  }
  std::set<std::string> const wanted(selection.relations.begin(), selection.relations.end());
  std::erase_if(facts, [&](Fact const& fact) { return !wanted.contains(fact.relation); });
}

/// Sorted by a number drawn for each fact by itself, so that other facts, files and relations do not change its place.
void shuffle_facts(std::vector<Fact>& facts, std::uint64_t seed) {
  using Draw = std::pair<std::uint64_t, std::size_t>;
  std::vector<Draw> draws;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    draws.emplace_back(RandomStream({seed, stream::split, static_cast<std::uint64_t>(facts[i].case_id)}).bits(), i);
  }
  std::sort(draws.begin(), draws.end());
  std::vector<Fact> shuffled;
  shuffled.reserve(facts.size());
  for (Draw const& draw : draws) shuffled.push_back(std::move(facts[draw.second]));
  invariant(shuffled.size() == facts.size(), shuffled.size(), " of ", facts.size(), " facts were shuffled");
  facts = std::move(shuffled);
}

/// The candidates of each relation, and how many of them are known. Those that are not scored count as such.
std::map<std::string, KnownCount> count_candidates(Candidates const& candidates) {
  std::map<std::string, KnownCount> counts;
  for (std::size_t i = 0; i < candidates.facts.size(); ++i) {
    auto& count = counts[candidates.facts[i].relation];
    ++count.candidates;
    count.scored += candidates.knowledge[i] != Knowledge::unscored;
    count.known += candidates.knowledge[i] != Knowledge::unknown;
  }
  return counts;
}

constexpr std::size_t most_named = 40;  // relations in a message

/// "P17 3 of 20, P103 12 of 45": known facts of candidates.
std::string known_of(std::vector<std::pair<std::string, KnownCount>> const& relations) {
  std::string list;
  for (std::size_t i = 0; i < std::min(relations.size(), most_named); ++i) {
    auto const& [relation, count] = relations[i];
    list += fmt::format("{}{} {} of {}", i == 0 ? "" : ", ", relation, count.known, count.candidates);
  }
  return relations.size() > most_named ? fmt::format("{} and {} more", list, relations.size() - most_named) : list;
}

/// Refuses a split that asks for more facts of a relation than there are.
void require_enough(FactSelection const& selection, std::map<std::string, KnownCount> const& counts) {
  auto const offset = selection.offset_per_relation.value_or(0);
  std::vector<std::pair<std::string, KnownCount>> short_ones, all(counts.begin(), counts.end());
  bool none = !counts.empty();
  for (auto const& [relation, count] : counts) {
    none = none && count.known == 0;
    if (!selection.per_relation && count.known == 0) continue;  // it has nothing to give, and nothing is asked of it
    bool const enough = count.known >= offset && count.known - offset >= selection.per_relation.value_or(1);
    if (!enough) short_ones.emplace_back(relation, count);
  }
  if (none) {
    throw UserError(
        fmt::format("{}: the model knows none of its facts by the test '{}' (known_margin {}{}): {}. Choose an easier test or a "
                    "smaller margin, or leave 'known' out.",
                    of_split(selection), name_of(known_test_names, selection.known), selection.known_margin,
                    selection.known_paraphrases ? ", with paraphrases" : "", known_of(all)));
  }
  if (short_ones.empty()) return;
  auto const wanted = selection.per_relation ? std::to_string(*selection.per_relation) : "more";
  if (selection.known == KnownTest::none) {
    auto const& [relation, count] = short_ones.front();
    throw UserError(
        fmt::format("{}: relation '{}' has {} facts, but {} are wanted after the first {}. "
                    "Ask for fewer, or leave the relation out.",
                    of_split(selection), relation, count.candidates, wanted, offset));
  }
  throw UserError(fmt::format(
      "{}: of every relation {} facts that the model knows are wanted after the first {}, but {} of {} relations have "
      "fewer: {}. Ask for fewer, choose an easier test or a smaller margin, or name in 'relations' those to keep.",
      of_split(selection), wanted, offset, short_ones.size(), counts.size(), known_of(short_ones)));
}

/// Walks through the candidates in order, and tells `take` of each that may be in the split, unless the model does not know it:
/// its place and whether it is in the split, or one of those that are left out before. Ends where the split has all it asks for.
template <typename Take>
void walk(Candidates const& candidates, Take const& take) {
  auto const& selection = candidates.selection;
  auto const offset = selection.offset_per_relation.value_or(0);
  std::map<std::string, std::size_t> seen;  // by relation
  std::size_t taken = 0;
  for (std::size_t i = 0; i < candidates.facts.size(); ++i) {
    if (candidates.knowledge[i] == Knowledge::unknown) continue;
    auto const position = seen[candidates.facts[i].relation]++;
    if (selection.per_relation && position >= offset && position - offset >= *selection.per_relation) continue;
    take(i, position >= offset);
    taken += position >= offset;
    if (selection.limit && taken == *selection.limit) return;
  }
}

}  // namespace

Candidates read_candidates(FactSelection const& selection, std::filesystem::path const& base) {
  if (selection.split.empty()) throw UserError("A selection of facts has no name for its split.");
  if (selection.per_relation == 0u || selection.limit == 0u) {
    throw UserError(of_split(selection) + " asks for 0 facts: per_relation and limit must be at least 1.");
  }
  Candidates candidates{selection, read_files(selection, base), {}};
  keep_relations(candidates.facts, selection);
  if (selection.shuffle) shuffle_facts(candidates.facts, selection.seed);
  candidates.knowledge.assign(candidates.facts.size(),
                              selection.known == KnownTest::none ? Knowledge::known : Knowledge::unscored);
  return candidates;
}

std::vector<std::size_t> undecided(Candidates const& candidates) {
  std::vector<std::size_t> places;
  walk(candidates, [&](std::size_t place, bool) {
    if (candidates.knowledge[place] == Knowledge::unscored) places.push_back(place);
  });
  return places;
}

std::string sentence_of(KnownCount const& count) {
  return fmt::format("Split '{}'{}: the model knows {} of the {} facts that were scored, of {}; the split has {} of them.",
                     count.split, count.relation == every_relation ? "" : ", relation " + count.relation, count.known,
                     count.scored, count.candidates, count.taken);
}

ChosenFacts choose_facts(Candidates candidates) {
  auto const& selection = candidates.selection;
  auto counts = count_candidates(candidates);
  require_enough(selection, counts);
  ChosenFacts chosen{selection, {}, {}};
  walk(candidates, [&](std::size_t place, bool in_split) {
    if (in_split) chosen.facts.push_back(std::move(candidates.facts[place]));
  });
  if (selection.known == KnownTest::none) return chosen;
  chosen.counts.push_back({selection.split, every_relation});
  for (auto& [relation, count] : counts) {
    count.split = selection.split;
    count.relation = relation;
    count.known -= count.candidates - count.scored;  // those that are not scored
    auto& all = chosen.counts.front();
    all.candidates += count.candidates;
    all.scored += count.scored;
    all.known += count.known;
    chosen.counts.push_back(std::move(count));
  }
  return chosen;
}

}  // namespace onemask
