#include "tune/probes.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/data/split.hpp>
#include <onemask/plan/plan.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Every record of the files, file after file.
std::vector<Fact> facts_in(std::vector<std::string> const& files, std::filesystem::path const& base) {
  std::vector<Fact> facts;
  for (auto const& file : files) {
    for (auto& item : select_facts({{.split = "probe", .files = {file}}}, base)) facts.push_back(std::move(item.fact));
  }
  return facts;
}

/// The files of all splits, each once.
std::vector<std::string> files_of_splits(Study const& study) {
  std::vector<std::string> files;
  for (auto const& selection : study.facts) {
    for (auto const& file : selection.files) {
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
    }
  }
  return files;
}

/// The facts of the study's splits, for look-ups.
class FactsOfSplits {
 public:
  explicit FactsOfSplits(std::vector<SplitFact> const& selected) {
    for (auto const& item : selected) {
      questions_.emplace(item.fact.relation, item.fact.subject);
      cases_.insert(item.fact.case_id);
    }
  }

  bool has(Fact const& fact) const { return questions_.contains({fact.relation, fact.subject}) || cases_.contains(fact.case_id); }

 private:
  std::set<std::pair<std::string, std::string>> questions_;
  std::set<std::int64_t> cases_;
};

/// Whether a score can be taken of it.
bool has_all_prompts(Fact const& fact) {
  return !fact.paraphrase_prompts.empty() && !fact.neighborhood_prompts.empty();
}

/// In an order that depends on case_ids alone.
void shuffle_probes(std::vector<Fact>& facts) {
  auto const draw = [](Fact const& fact) {
    auto const id = static_cast<std::uint64_t>(fact.case_id);
    return std::tuple(RandomStream({0, stream::probes, id}).bits(), fact.case_id);
  };
  std::stable_sort(facts.begin(), facts.end(), [&](auto const& a, auto const& b) { return draw(a) < draw(b); });
}

}  // namespace

std::vector<std::string> probe_files(Study const& study, std::vector<std::filesystem::path> const& files) {
  if (files.empty()) return files_of_splits(study);
  std::vector<std::string> given;
  for (auto const& file : files) given.push_back(std::filesystem::absolute(file).string());
  return given;
}

std::vector<Fact> choose_probes(Study const& study, std::vector<SplitFact> const& selected,
                                std::vector<std::filesystem::path> const& files, std::size_t count,
                                std::optional<std::vector<Fact>> const& known) {
  auto facts = facts_in(probe_files(study, files), study.base);
  auto const all = facts.size();
  FactsOfSplits const of_splits(selected);
  std::erase_if(facts, [&](Fact const& fact) { return of_splits.has(fact) || !has_all_prompts(fact); });
  if (known) {
    // Files may use the same case_ids.
    auto const identity = [](Fact const& fact) {
      return std::tuple(fact.case_id, fact.relation, fact.subject, fact.target_true, fact.target_new);
    };
    std::set<decltype(identity(Fact()))> known_facts;
    for (auto const& fact : *known) known_facts.insert(identity(fact));
    std::erase_if(facts, [&](Fact const& fact) { return !known_facts.contains(identity(fact)); });
  }
  shuffle_probes(facts);
  std::set<std::string> subjects;
  std::set<std::int64_t> cases;
  std::erase_if(facts,
                [&](Fact const& fact) { return !cases.insert(fact.case_id).second || !subjects.insert(fact.subject).second; });
  if (facts.size() < count) {
    throw UserError(fmt::format(
        "{} probe facts are wanted, but of the {} facts in the {} only {} can be: no split of the study '{}' selects them, they "
        "have paraphrases and neighborhood prompts{}, and no two have the same subject. Ask for fewer (--facts), or name files "
        "of other facts (--probe FILE).",
        count, all, files.empty() ? "files of the study" : "files after --probe", facts.size(), study.name,
        known ? ", the model knows them, as the study asks" : ""));
  }
  facts.resize(count);
  return facts;
}

}  // namespace onemask
