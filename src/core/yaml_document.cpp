#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// A copy in which every alias has a value of its own and merge keys ("<<") are filled in, so that one can be changed alone.
class Unshared {
 public:
  explicit Unshared(std::string const& name) : name_(name) {}

  YAML::Node copy(YAML::Node const& node, int depth = 0) {
    if (depth > deepest || ++count_ > most)
      throw UserError(name_ + " has anchors (&) within themselves, or of too many values. Write the values out.");
    YAML::Node result(node.Type());
    if (node.IsScalar()) result = node.Scalar();
    if (node.IsScalar() || node.IsSequence() || node.IsMap()) result.SetTag(node.Tag()), result.SetStyle(node.Style());
    if (node.IsSequence()) {
      for (auto const& item : node) result.push_back(copy(item, depth + 1));
    }
    if (node.IsMap()) {
      for (auto const& item : node) {
        if (!is_merge(item.first)) result.force_insert(copy(item.first, depth + 1), copy(item.second, depth + 1));
      }
      for (auto const& item : node) {
        if (is_merge(item.first)) merge(item.second, result, depth);
      }
    }
    return result;
  }

 private:
  static constexpr int deepest = 100, most = 1'000'000;

  static bool is_merge(YAML::Node const& key) { return key.IsScalar() && key.Scalar() == "<<"; }

  /// What a mapping, or each of a list of them, has beside what is there.
  void merge(YAML::Node const& from, YAML::Node& into, int depth) {
    if (from.IsSequence()) {
      for (auto const& one : from) merge(one, into, depth + 1);
    } else if (!from.IsMap() || depth > deepest) {
      throw UserError(name_ + " has a merge key (<<) before something that is no mapping.");
    } else {
      auto const filled = copy(from, depth + 1);
      for (auto const& item : filled) {
        if (!into[item.first.Scalar()]) into[item.first.Scalar()] = item.second;
      }
    }
  }

  std::string const& name_;
  int count_ = 0;
};

/// How many documents of a text have something in them.
int documents_in(std::string const& text) {
  int documents = 0;
  bool is_empty = true;
  for (auto const& line : split_text(text, '\n')) {
    auto const first = line.find_first_not_of(" \t\r");
    if (line == "---" || line.starts_with("--- ") || line.starts_with("---\r")) {
      is_empty = line.find_first_not_of(" \r", 3) == std::string::npos;
      documents += !is_empty;
    } else if (is_empty && first != std::string::npos && line[first] != '#' && line[first] != '%' && !line.starts_with("...")) {
      is_empty = false;
      ++documents;
    }
  }
  return documents;
}

/// What stands behind the bracket that ends a text which begins with one; empty where nothing does.
std::string behind_brackets(std::string const& text) {
  auto const begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos || (text[begin] != '[' && text[begin] != '{')) return "";
  int depth = 0;
  char quote = 0;
  for (auto at = begin; at < text.size(); ++at) {
    char const letter = text[at];
    if (quote != 0) {
      if (letter == '\\' && quote == '"') ++at;
      if (letter == quote) quote = 0;
    } else if (letter == '"' || letter == '\'') {
      quote = letter;
    } else if (letter == '[' || letter == '{') {
      ++depth;
    } else if ((letter == ']' || letter == '}') && --depth == 0) {
      auto const rest = text.find_first_not_of(" \t\r\n", at + 1);
      return rest == std::string::npos || text[rest] == '#' ? "" : text.substr(rest, 40);
    }
  }
  return "";
}

}  // namespace

YAML::Node parse_yaml(std::string const& text, std::string const& name) {
  try {
    // yaml-cpp passes over what stands behind the first value.
    if (documents_in(text) > 1)
      throw UserError(name + " holds several YAML documents, with a line --- between them. Keep one, without such a line.");
    if (auto const rest = behind_brackets(text); !rest.empty())
      throw UserError(name + " has '" + rest + "' behind its closing bracket. For a list of lists, write [[a], [b]].");
    auto const document = YAML::Load(text);
    return text.find('&') == std::string::npos ? document : Unshared(name).copy(document);
  } catch (YAML::Exception const& e) {
    throw UserError(
        fmt::format("{} is not valid YAML (line {}, column {}): {}.", name, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

YamlValue yaml_of(std::string const& text, std::string const& name) {
  return parse_yaml(text, name);
}

std::pair<std::string, std::string> key_and_value(std::string const& text, char const* option) {
  auto const equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw UserError(std::string("The option ") + option + " takes key=value, but got '" + text + "'.");
  }
  auto const key = text.substr(0, equals);
  return {key.substr(0, key.find_last_not_of(' ') + 1), text.substr(equals + 1)};
}

void assign(YAML::Node root, std::string const& key, YAML::Node const& value) {
  auto const parts = split_text(key, '.');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    YAML::Node child = root[parts[i]];
    if (child && !child.IsNull() && !child.IsMap())
      throw UserError("The override '" + key + "': '" + parts[i] + "' is not a section of the study.");
    root.reset(child);
  }
  root[parts.back()] = value;
}

void override_values(YAML::Node const& root, std::vector<std::string> const& settings) {
  for (auto const& text : settings) {
    auto const [key, value] = key_and_value(text, "--set");
    assign(root, key, parse_yaml(value, "The value of '" + key + "'"));
  }
}

}  // namespace onemask
