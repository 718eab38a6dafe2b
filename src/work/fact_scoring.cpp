#include "work/memory_setting.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/work/fact_scoring.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

namespace onemask {
namespace {

constexpr std::size_t many_units = 16;  // of a rank, from which on a line says how far they are

/// The candidates of a split in units, by relation, and the margins of those units that were asked for.
class CandidateUnits {
 public:
  CandidateUnits(FactScoring const& scoring, Candidates const& candidates) : run_(scoring), candidates_(candidates) {
    auto const size = static_cast<std::size_t>(run_.study.evaluation.batch);
    std::map<std::string, std::size_t> open;  // the unit that a relation's next fact belongs to
    for (std::size_t i = 0; i < candidates.facts.size(); ++i) {
      auto const [unit, is_new] = open.try_emplace(candidates.facts[i].relation, units_.size());
      if (is_new || units_[unit->second].size() == size) {
        unit->second = units_.size();
        units_.emplace_back();
      }
      units_[unit->second].push_back(i);
      unit_of_.push_back(unit->second);
    }
    margins_.resize(units_.size());
  }

  /// Scores the units of these candidates. Their numbers, ascending. Collective.
  std::vector<std::size_t> score(std::vector<std::size_t> const& places) {
    std::set<std::size_t> numbers;
    for (auto const place : places) numbers.insert(unit_of_[place]);
    std::vector<std::size_t> const wanted(numbers.begin(), numbers.end());
    auto const ranks = static_cast<std::size_t>(run_.world.size()), rank = static_cast<std::size_t>(run_.world.rank());
    std::map<std::size_t, std::vector<FactMargins>> own;
    agree(run_.world, [&] {
      std::vector<std::size_t> mine;
      for (auto k = rank; k < wanted.size(); k += ranks) mine.push_back(wanted[k]);
      auto const first = mine.size() * static_cast<std::size_t>(run_.part) / static_cast<std::size_t>(run_.parts);
      std::rotate(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(first), mine.end());
      std::optional<Progress> line;
      if (rank == 0 && mine.size() >= many_units)
        line.emplace("scored facts of '" + candidates_.selection.split + "'", ranks > 1 ? "units of rank 0" : "units",
                     mine.size());
      for (auto const unit : mine) {
        if (run_.must_stop()) {
          throw Interrupted("The facts that the model knows are not all found yet; run the same command again to continue.");
        }
        own[unit] = made(unit);
        if (line) line->advance();
      }
    });
    std::string sent;
    for (auto k = rank; k < wanted.size(); k += ranks) sent += packed(wanted[k], std::move(own.at(wanted[k])));
    auto const received = run_.world.all_gather(sent);
    std::vector<std::size_t> read(ranks);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      auto const size = 1 + units_[wanted[k]].size() * sizeof(FactMargins);
      auto& from = read[k % ranks];
      auto const& bytes = received[k % ranks];
      invariant(from + size <= bytes.size(), "a rank has sent ", bytes.size(), " bytes of margins, too few");
      auto& margins = margins_[wanted[k]];
      if (bytes[from] == is_there) {
        margins.resize(units_[wanted[k]].size());
        std::memcpy(margins.data(), bytes.data() + from + 1, size - 1);
      }
      from += size;
    }
    return wanted;
  }

  std::vector<std::size_t> const& facts_of(std::size_t unit) const { return units_[unit]; }
  /// Empty where the unit is not there.
  std::vector<FactMargins> const& margins_of_unit(std::size_t unit) const { return margins_[unit]; }

  std::string key_of(std::size_t unit) const {
    bool const paraphrases = candidates_.selection.known_paraphrases;
    Hasher hasher;
    begin_key(hasher, "known", run_.fingerprints);
    hasher.integer(run_.study.peer_compatible).integer(paraphrases);
    for (auto const place : units_[unit]) {
      auto const& fact = candidates_.facts[place];
      hasher.text(fact.question()).text(fact.target_true).text(fact.target_new);
      if (!paraphrases) continue;
      hasher.integer(std::ssize(fact.paraphrase_prompts));
      for (auto const& paraphrase : fact.paraphrase_prompts) hasher.text(paraphrase);
    }
    return hasher.hex();
  }

 private:
  static constexpr char is_there = '+', is_missing = '-';

  /// The margins of a unit, from its object, which is made where it is not there; empty where it cannot be.
  std::vector<FactMargins> made(std::size_t unit) const {
    auto const key = key_of(unit);
    if (run_.objects) {
      if (auto stored = run_.objects->get(key))
        return fact_margins_from_bytes(*std::move(stored), units_[unit].size(), "object " + key);
    }
    if (!run_.is_able) return {};
    std::vector<Fact const*> facts;
    for (auto const place : units_[unit]) facts.push_back(&candidates_.facts[place]);
    auto margins = with_memory_set_by("evaluation.batch", [&] {
      return margins_of(run_.model, run_.tokenizer, facts, candidates_.selection.known_paraphrases, run_.study.peer_compatible);
    });
    if (!run_.objects) return margins;
    run_.objects->put(key, to_bytes(margins));
    // Another process may have put its own first: all of them choose by these.
    auto stored = run_.objects->get(key);
    return stored ? fact_margins_from_bytes(*std::move(stored), margins.size(), "object " + key) : margins;
  }

  /// The margins of a unit as they are sent, always as long.
  std::string packed(std::size_t unit, std::vector<FactMargins> margins) const {
    char const flag = margins.empty() ? is_missing : is_there;
    margins.resize(units_[unit].size());
    return flag + std::string(reinterpret_cast<char const*>(margins.data()), margins.size() * sizeof(FactMargins));
  }

  FactScoring const& run_;
  Candidates const& candidates_;
  std::vector<std::vector<std::size_t>> units_;    ///< places of their facts
  std::vector<std::size_t> unit_of_;               ///< of each candidate
  std::vector<std::vector<FactMargins>> margins_;  ///< of each unit
};

/// Ranks that differ in what they score would wait for each other at different places.
void require_same(Communicator const& world, std::string const& own) {
  for (auto const& other : world.all_gather(own)) {
    if (other != own)
      throw UserError("The ranks see different studies or facts. All nodes need the same files under the same paths.");
  }
}

void add_number(Hasher& hasher, std::optional<std::size_t> const& number) {
  hasher.integer(number.has_value()).integer(static_cast<long long>(number.value_or(0)));
}

/// What decides the rounds of scoring and their units, but for the facts.
std::string rules_of(Study const& study, std::vector<FactSelection> const& selections) {
  Hasher hasher;
  hasher.integer(study.evaluation.batch).integer(study.peer_compatible);
  for (auto const& selection : selections) {
    hasher.text(selection.split).integer(static_cast<int>(selection.known)).number(selection.known_margin);
    hasher.integer(selection.known_paraphrases);
    for (auto const& number : {selection.per_relation, selection.offset_per_relation, selection.limit})
      add_number(hasher, number);
  }
  return hasher.hex();
}

/// Scores candidates until the split is decided.
void decide(FactScoring const& scoring, Candidates& candidates, FoundFacts& found) {
  require_same(scoring.world, fingerprint(candidates.facts));
  CandidateUnits units(scoring, candidates);
  for (auto places = undecided(candidates); !places.empty() && found.scored; places = undecided(candidates)) {
    for (auto const unit : units.score(places)) {
      auto const& margins = units.margins_of_unit(unit);
      found.objects.insert(units.key_of(unit));
      found.scored = found.scored && !margins.empty();
      for (std::size_t i = 0; i < margins.size(); ++i) {
        candidates.knowledge[units.facts_of(unit)[i]] =
            is_known(margins[i], candidates.selection) ? Knowledge::known : Knowledge::unknown;
      }
    }
  }
}

}  // namespace

bool is_known(FactMargins const& margins, FactSelection const& selection) {
  switch (selection.known) {
    case KnownTest::none:
      return true;
    case KnownTest::two_way:
      return margins.two_way > selection.known_margin;
    case KnownTest::top1:
      return margins.top1 > selection.known_margin;
  }
  return false;
}

FoundFacts find_facts(FactScoring const& scoring) {
  require_same(scoring.world, rules_of(scoring.study, scoring.study.facts));
  FoundFacts found;
  std::vector<ChosenFacts> splits;
  for (auto const& selection : scoring.study.facts) {
    std::optional<Candidates> candidates;
    agree(scoring.world, [&] { candidates = read_candidates(selection, scoring.study.base); });
    if (selection.known != KnownTest::none) decide(scoring, *candidates, found);
    agree(scoring.world, [&] { splits.push_back(choose_facts(*std::move(candidates))); });
  }
  agree(scoring.world, [&] { found.selected = join_splits(std::move(splits), scoring.study.training_splits()); });
  return found;
}

std::vector<FactMargins> score_all(FactScoring const& scoring, Candidates const& candidates) {
  require_same(scoring.world, rules_of(scoring.study, {candidates.selection}) + fingerprint(candidates.facts));
  std::vector<std::size_t> all(candidates.facts.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  CandidateUnits units(scoring, candidates);
  std::vector<FactMargins> margins(all.size());
  for (auto const unit : units.score(all)) {
    auto const& facts = units.facts_of(unit);
    invariant(units.margins_of_unit(unit).size() == facts.size(), "facts were scored by a process that cannot");
    for (std::size_t i = 0; i < facts.size(); ++i) margins[facts[i]] = units.margins_of_unit(unit)[i];
  }
  return margins;
}

}  // namespace onemask
