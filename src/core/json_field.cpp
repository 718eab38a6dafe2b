#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/json_field.hpp>

#include <limits>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {

nlohmann::json parse_json_file(std::filesystem::path const& file) {
  std::string const content = read_file(file);
  try {
    return nlohmann::json::parse(content);
  } catch (nlohmann::json::parse_error const& error) {
    throw UserError(fmt::format("'{}' is not valid JSON near byte {} of {}. It may be cut short; fetch it again.", file.string(),
                                error.byte, content.size()));
  } catch (nlohmann::json::exception const&) {
    throw UserError("'" + file.string() + "' holds a number that is out of range. Fetch it again.");
  }
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
