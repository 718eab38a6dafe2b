#include <onemask/core/error.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/text_file.hpp>

#include <algorithm>
#include <limits>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {

namespace {

/// Why a text is not JSON, as far as its beginning and the place of the mistake say so; else nothing.
std::string reason(std::string const& text, std::size_t byte, std::string_view message) {
  auto const begins = text.find_first_not_of(" \t\r\n");
  if (begins == std::string::npos) return "it is blank";
  if (text[begins] == '<') return "it is a web page; download the file itself";
  if (message.find("surrogate") != std::string_view::npos)
    return "it has a lone surrogate such as \\ud83d, which is half of a character; remove or complete it";
  if (message.find("UTF-8") != std::string_view::npos) return "it has bytes that are not UTF-8; convert it with iconv";
  if (byte > text.size()) return "it ends too early; fetch it again";
  auto const near = std::string_view(text).substr(byte < 2 ? 0 : byte - 2, 6);
  for (auto const* word : {"NaN", "Inf"}) {
    if (near.find(word) != std::string_view::npos) return "JSON knows no NaN and no infinity; write null in their place";
  }
  if (byte > 0 && text[byte - 1] == '\'') return "JSON quotes texts with \"; Python writes it with json.dump, not with print";
  return "";
}

nlohmann::json parse_json(std::string const& text, std::string const& place) {
  try {
    return nlohmann::json::parse(text);
  } catch (nlohmann::json::parse_error const& error) {
    auto const why = reason(text, error.byte, error.what());
    throw UserError(
        fmt::format("{} is not valid JSON near byte {} of {}{}.", place, error.byte, text.size(), why.empty() ? "" : ": " + why));
  } catch (nlohmann::json::exception const&) {
    throw UserError(place + " holds a number that is out of range. Write a smaller one.");
  }
}

std::string quoted(std::filesystem::path const& file) {
  return "'" + file.string() + "'";
}

}  // namespace

nlohmann::json parse_json_file(std::filesystem::path const& file) {
  return parse_json(read_text(file), quoted(file));
}

nlohmann::json parse_json_or_lines(std::filesystem::path const& file) {
  auto const text = read_text(file);
  auto const place = quoted(file);
  auto const begins = text.find_first_not_of(" \t\r\n");
  if (begins == std::string::npos || text[begins] != '{') return parse_json(text, place);
  std::vector<std::pair<std::size_t, std::string>> lines;
  for (auto& line : split_text(text, '\n')) {
    lines.emplace_back(lines.size() + 1, std::move(line));
  }
  std::erase_if(lines, [](auto const& line) { return line.second.find_first_not_of(" \t\r") == std::string::npos; });
  auto const name = file.filename().string();
  bool const named_so = name.find(".jsonl") != std::string::npos || name.find(".ndjson") != std::string::npos;
  bool const objects =
      !lines.empty() && (lines.size() > 1 || named_so) && nlohmann::json::parse(lines.front().second, nullptr, false).is_object();
  if (!objects) return parse_json(text, place);
  auto list = nlohmann::json::array();
  for (auto const& [number, line] : lines) list.push_back(parse_json(line, fmt::format("{}, line {},", place, number)));
  return list;
}

JsonField JsonField::member(nlohmann::json const& value, std::string_view name) const {
  JsonField field(value, place_);
  field.path_ = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  return field;
}

JsonField JsonField::at(std::string_view name) const {
  std::optional<JsonField> const field = find(name);
  if (!field) fail("lacks '" + std::string(name) + "'.");
  return *field;
}

std::optional<JsonField> JsonField::find(std::string_view name) const {
  auto const& members = object().get_ref<nlohmann::json::object_t const&>();
  auto const found = members.find(name);
  if (found == members.end() || found->second.is_null()) return std::nullopt;
  return member(found->second, name);
}

std::vector<JsonField> JsonField::elements() const {
  if (!value_->is_array()) fail(std::string("must be a list, not ") + value_->type_name() + ".");
  std::vector<JsonField> fields;
  fields.reserve(value_->size());
  for (nlohmann::json const& element : *value_) fields.push_back(member(element, std::to_string(fields.size())));
  return fields;
}

std::string const& JsonField::text() const {
  if (!value_->is_string()) fail(std::string("must be a text, not ") + value_->type_name() + ".");
  return value_->get_ref<std::string const&>();
}

std::int64_t JsonField::integer() const {
  bool const fits = value_->is_number_unsigned() && value_->get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
  if (!fits) fail("must be an integer, at least 0 and below 2^63.");
  return value_->get<std::int64_t>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) fail(std::string("must be true or false, not ") + value_->type_name() + ".");
  return value_->get<bool>();
}

nlohmann::json const& JsonField::object() const {
  if (!value_->is_object()) fail(std::string("must be an object, not ") + value_->type_name() + ".");
  return *value_;
}

bool JsonField::is_text() const {
  return value_->is_string();
}

bool JsonField::is_list() const {
  return value_->is_array();
}

std::string JsonField::place() const {
  return path_.empty() ? place_ : place_ + ": field '" + path_ + "'";
}

void JsonField::fail(std::string const& complaint) const {
  throw UserError(place() + " " + complaint);
}

}  // namespace onemask::detail
