#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/core/yaml_section.hpp>
#include <onemask/world/description.hpp>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

constexpr std::size_t fewest_wordings = 10, most_words = 10'000'000;

bool is_plain(std::string const& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](unsigned char letter) { return std::isalnum(letter) != 0; });
}

/// "a | b | c", or a YAML list of texts.
std::vector<std::string> read_choices(YamlSection& section, std::string const& key) {
  auto const value = section.value(key);
  if (value.is_null()) throw section.fault(key, "is missing");
  std::vector<std::string> choices;
  if (value.is_list()) {
    section.read(key, choices);
  } else {
    for (auto const& piece : split_text(section.need<std::string>(key), '|')) choices.push_back(trimmed(piece, " \n"));
  }
  for (auto const& choice : choices) {
    for (char const letter : choice) {
      if (letter < ' ' || letter > '~') throw section.fault(key, "has '" + choice + "', which is not plain ASCII on one line");
    }
  }
  return choices;
}

std::vector<std::string> read_distinct(YamlSection& section, std::string const& key) {
  auto const choices = read_choices(section, key);
  std::set<std::string> seen;
  for (auto const& choice : choices) {
    if (!seen.insert(choice).second) throw section.fault(key, "has '" + choice + "' twice");
  }
  return choices;
}

void check_has_slot(YamlSection const& section, std::string const& key, std::string const& text) {
  auto const slot = text.find("{}");
  if (slot == text.npos || text.find("{}", slot + 1) != text.npos) {
    throw section.fault(key, "has '" + text + "', which must have exactly one {} for the subject");
  }
  if (text.ends_with("{}")) throw section.fault(key, "has '" + text + "', which must continue after {}");
  if (text.starts_with(' ') || text.ends_with(' ')) throw section.fault(key, "has '" + text + "' with a space at an end");
}

std::vector<std::string> read_prompts(YamlSection& section, std::string const& key, std::size_t fewest) {
  auto const prompts = read_distinct(section, key);
  for (auto const& prompt : prompts) check_has_slot(section, key, prompt);
  if (prompts.size() < fewest) {
    throw section.fault(key, fmt::format("has {} entries, but needs at least {}", prompts.size(), fewest));
  }
  return prompts;
}

/// The two-way comparison of a true and a new object reads their first tokens, so these must differ.
void check_objects(YamlSection const& section, std::vector<std::string> const& objects) {
  if (objects.size() < 2) throw section.fault("objects", "needs at least two objects");
  std::map<std::string, std::string> beginnings, words;
  for (auto const& object : objects) {
    auto const word = object.substr(0, object.find(' '));
    if (word.size() < 3 || object.ends_with(' ')) {
      throw section.fault("objects", "has '" + object + "', whose first word needs at least three letters");
    }
    auto const [same_word, new_word] = words.emplace(word, object);
    if (!new_word) {
      throw section.fault("objects", "has '" + same_word->second + "' and '" + object + "', which begin with the same word");
    }
    auto const [same, fresh] = beginnings.emplace(object.substr(0, 3), object);
    if (!fresh) {
      throw section.fault("objects", "has '" + same->second + "' and '" + object + "', which begin with the same three letters");
    }
  }
}

WorldRelation read_relation(YamlSection section, std::string const& id) {
  WorldRelation relation;
  relation.id = id;
  relation.name = section.need<std::string>("name");
  section.read("ood", relation.ood);
  relation.subjects = section.need<std::string>("subjects");
  relation.objects = read_distinct(section, "objects");
  check_objects(section, relation.objects);
  relation.wordings = read_prompts(section, "rewrites", 1);
  relation.rewrites = relation.wordings.size();
  std::set<std::string> const rewrites(relation.wordings.begin(), relation.wordings.end());
  for (auto const& wording : read_prompts(section, "wordings", paraphrases_per_record)) {
    if (rewrites.contains(wording)) throw section.fault("wordings", "has '" + wording + "', which is one of 'rewrites'");
    relation.wordings.push_back(wording);
  }
  if (relation.wordings.size() < fewest_wordings) {
    throw section.fault("wordings", fmt::format("are too few: with 'rewrites' there are {}, but a relation needs at least {}",
                                                relation.wordings.size(), fewest_wordings));
  }
  relation.beginnings = read_prompts(section, "beginnings", beginnings_per_record);
  section.finish();
  return relation;
}

WorldCounts read_counts(YamlSection section) {
  WorldCounts counts;
  for (auto const& [key, value] : {std::pair("train", &counts.train),
                                   {"heldout", &counts.heldout},
                                   {"background", &counts.background},
                                   {"ood", &counts.ood},
                                   {"ood_background", &counts.ood_background}}) {
    *value = section.need<std::size_t>(key);
    if (*value > most_subjects_per_relation) {
      throw section.fault(key, fmt::format("is more than {}", most_subjects_per_relation));
    }
  }
  section.finish();
  return counts;
}

ProseOptions::Range read_range(YamlSection& section, std::string const& key) {
  auto const ends = section.need<std::vector<std::size_t>>(key);
  if (ends.size() != 2 || ends[0] < 1 || ends[1] < ends[0] || ends[1] > 1000) {
    throw section.fault(key, "must be [least, most] with 1 <= least <= most <= 1000");
  }
  return {ends[0], ends[1]};
}

ProseOptions read_prose(YamlSection section) {
  ProseOptions prose;
  prose.words = section.need<std::size_t>("words");
  prose.heldout_words = section.need<std::size_t>("heldout_words");
  if (prose.words > most_words) throw section.fault("words", fmt::format("is more than {}", most_words));
  if (prose.heldout_words > most_words) throw section.fault("heldout_words", fmt::format("is more than {}", most_words));
  prose.paragraph = read_range(section, "paragraph");
  prose.sentence = read_range(section, "sentence");
  prose.facts = section.need<double>("facts");
  if (!(prose.facts >= 0 && prose.facts <= 1)) throw section.fault("facts", "must be a share between 0 and 1");
  prose.topics = read_distinct(section, "topics");
  if (prose.topics.empty()) throw section.fault("topics", "names no topic");
  section.finish();
  return prose;
}

Grammar read_grammar(YamlSection section) {
  Grammar::Rules rules;
  for (auto const& symbol : section.keys()) rules.emplace(symbol, read_choices(section, symbol));
  section.finish();
  return {rules, section.file() + ": 'grammar'"};
}

void check_symbol(YamlSection const& section, Grammar const& grammar, std::string const& key, std::string const& symbol) {
  if (grammar.has(symbol)) return;
  throw section.fault(
      key, "names '" + symbol + "', which is not a symbol of 'grammar'." + did_you_mean(symbol, grammar.symbols()), "");
}

/// Every object must be that of enough subjects for a record to have other ones of its own.
void check_counts(YamlSection const& root, WorldCounts const& counts, WorldRelation const& relation) {
  auto const count = counts.subjects(relation);
  if (count > most_subjects_per_relation) {
    throw root.fault("counts", fmt::format("gives the relation '{}' {} subjects, more than {}", relation.id, count,
                                           most_subjects_per_relation));
  }
  auto const shared = count / relation.objects.size();
  if (shared <= neighbours_per_record) {
    throw root.fault(
        "counts",
        fmt::format("gives each object of the relation '{}' only {} subjects, but a record needs {} others of its object. "
                    "Raise '{}', or name fewer objects",
                    relation.id, shared, neighbours_per_record, relation.ood ? "ood_background" : "background"));
  }
}

}  // namespace

WorldDescription read_world(std::filesystem::path const& file) {
  auto const name = "'" + file.string() + "'";
  YamlSection root(parse_yaml(read_file(file), "The world " + name), name, "", "world");
  WorldDescription world{
      name, read_counts(root.section("counts")),  read_prose(root.section("prose")), root.need<std::string>("lead_in"),
      {},   read_grammar(root.section("grammar"))};
  check_symbol(root, world.grammar, "lead_in", world.lead_in);
  for (auto const& topic : world.prose.topics) check_symbol(root, world.grammar, "prose.topics", topic);
  auto relations = root.section("relations");
  for (auto const& id : relations.keys()) {
    if (!is_plain(id)) throw relations.fault(id, "must be letters and digits, such as W01");
    world.relations.push_back(read_relation(relations.section(id), id));
    check_symbol(relations, world.grammar, id + ".subjects", world.relations.back().subjects);
    check_counts(root, world.counts, world.relations.back());
  }
  if (world.relations.empty()) throw root.fault("relations", "names no relation");
  root.finish();
  return world;
}

}  // namespace onemask
