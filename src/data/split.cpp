#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/random.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/split.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
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

/// The number of facts of each relation.
std::map<std::string, std::size_t> count_relations(std::vector<Fact> const& facts) {
  std::map<std::string, std::size_t> counts;
  for (Fact const& fact : facts) ++counts[fact.relation];
  return counts;
}

void keep_relations(std::vector<Fact>& facts, FactSelection const& selection) {
  if (selection.relations.empty()) return;
  std::vector<std::string> known;
  for (auto const& [relation, count] : count_relations(facts)) known.push_back(relation);
  for (std::string const& relation : selection.relations) {
    if (std::find(known.begin(), known.end(), relation) == known.end()) {
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

void keep_slice_of_each_relation(std::vector<Fact>& facts, FactSelection const& selection) {
  std::size_t const offset = selection.offset_per_relation.value_or(0);
  for (auto const& [relation, count] : count_relations(facts)) {
    std::size_t const wanted = selection.per_relation.value_or(1);
    if (count < offset || count - offset < wanted) {
      throw UserError(
          fmt::format("{}: relation '{}' has {} facts, but {} are wanted after the first {}. "
                      "Ask for fewer, or leave the relation out.",
                      of_split(selection), relation, count, selection.per_relation ? std::to_string(wanted) : "more", offset));
    }
  }
  std::map<std::string, std::size_t> seen;
  std::erase_if(facts, [&](Fact const& fact) {
    std::size_t const position = seen[fact.relation]++;
    return position < offset || (selection.per_relation && position - offset >= *selection.per_relation);
  });
}

std::vector<Fact> select(FactSelection const& selection, std::filesystem::path const& base) {
  if (selection.split.empty()) throw UserError("A selection of facts has no name for its split.");
  if (selection.per_relation == 0u || selection.limit == 0u) {
    throw UserError(of_split(selection) + " asks for 0 facts: per_relation and limit must be at least 1.");
  }
  std::vector<Fact> facts = read_files(selection, base);
  keep_relations(facts, selection);
  if (selection.shuffle) shuffle_facts(facts, selection.seed);
  keep_slice_of_each_relation(facts, selection);
  if (selection.limit && facts.size() > *selection.limit) facts.resize(*selection.limit);
  return facts;
}

/// What names an edit.
using Question = std::pair<std::string, std::string>;

/// Remembers which split has which fact.
class Registry {
 public:
  /// The split that has this fact already, or null; then it belongs to `split`.
  std::string const* find_or_add(Fact const& fact, std::string const& split) {
    Question const question{fact.relation, fact.subject};
    auto const named = questions_by_case_.try_emplace(fact.case_id, question).first;
    if (named->second != question) {
      throw UserError(
          fmt::format("case_id {} is used for two facts: '{}' ({}) and '{}' ({}, in split '{}'). "
                      "Give every fact of a study its own case_id.",
                      fact.case_id, named->second.second, named->second.first, fact.subject, fact.relation, split));
    }
    auto const [owner, added] = splits_.try_emplace(question, split);
    return added ? nullptr : &owner->second;
  }

 private:
  std::map<Question, std::string> splits_;
  std::map<std::int64_t, Question> questions_by_case_;
};

}  // namespace

std::vector<SplitFact> select_facts(std::vector<FactSelection> const& selections, std::filesystem::path const& base) {
  Registry registry;
  std::vector<SplitFact> selected;
  std::map<std::string, std::map<std::string, std::size_t>> dropped;  // by split and by the split that has the fact
  std::map<std::string, std::size_t> kept;
  for (FactSelection const& selection : selections) {
    for (Fact& fact : select(selection, base)) {
      if (std::string const* const owner = registry.find_or_add(fact, selection.split)) {
        ++dropped[selection.split][*owner];
      } else {
        ++kept[selection.split];
        selected.push_back({std::move(fact), selection.split});
      }
    }
    if (kept[selection.split] == 0) throw UserError(of_split(selection) + " has no facts that are not in an earlier split too.");
  }
  std::size_t all = 0;
  for (auto const& [split, count] : kept) all += count;
  invariant(all == selected.size(), "the splits have ", all, " facts, the study ", selected.size());
  for (auto const& [split, owners] : dropped) {
    std::string places;
    std::size_t total = 0;
    for (auto const& [owner, count] : owners) {
      places += fmt::format("{}{} in '{}'", places.empty() ? "" : ", ", count, owner);
      total += count;
    }
    log_warning(fmt::format("Split '{}': dropped {} of {} facts whose relation and subject were selected before ({}).", split,
                            total, total + kept[split], places));
  }
  return selected;
}

}  // namespace onemask
