#include "checkpoint/json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/mapped_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/text_file.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace onemask {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little endian and used in place");

constexpr std::size_t length_size = 8;
constexpr std::uint64_t longest_header = 100'000'000;
constexpr std::size_t most_dimensions = 64;
constexpr char const* metadata_key = "__metadata__";
constexpr char const* fetch_again = "; the file is damaged or was cut off, fetch or write it again.";

constexpr std::array<std::pair<char const*, at::ScalarType>, 16> dtypes{{{"F64", at::kDouble},
                                                                         {"F32", at::kFloat},
                                                                         {"F16", at::kHalf},
                                                                         {"BF16", at::kBFloat16},
                                                                         {"I64", at::kLong},
                                                                         {"I32", at::kInt},
                                                                         {"I16", at::kShort},
                                                                         {"I8", at::kChar},
                                                                         {"U8", at::kByte},
                                                                         {"BOOL", at::kBool},
                                                                         {"U64", at::ScalarType::UInt64},
                                                                         {"U32", at::ScalarType::UInt32},
                                                                         {"U16", at::ScalarType::UInt16},
                                                                         {"C64", at::ScalarType::ComplexFloat},
                                                                         {"F8_E4M3", at::ScalarType::Float8_e4m3fn},
                                                                         {"F8_E5M2", at::ScalarType::Float8_e5m2}}};

std::optional<at::ScalarType> dtype_named(std::string const& name) {
  for (auto const& [text, dtype] : dtypes)
    if (text == name) return dtype;
  return std::nullopt;
}

char const* name_of(at::ScalarType dtype) {
  for (auto const& [text, known] : dtypes)
    if (known == dtype) return text;
  return nullptr;
}

/// The number of bytes of a tensor, or nothing when it does not fit into 63 bits. A zero among the dimensions does not excuse the
/// others: strides are products of them.
std::optional<std::size_t> bytes_of(std::vector<std::int64_t> const& shape, std::size_t element_size) {
  std::int64_t product = static_cast<std::int64_t>(element_size);
  bool empty = false;
  for (auto dimension : shape) {
    empty = empty || dimension == 0;
    if (__builtin_mul_overflow(product, std::max<std::int64_t>(dimension, 1), &product)) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::size_t>(product);
}

/// A non-negative whole number that fits into 63 bits.
std::optional<std::int64_t> whole_number(nlohmann::json const& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<std::vector<std::int64_t>> whole_numbers(nlohmann::json const& object, char const* field) {
  auto found = object.find(field);
  if (found == object.end() || !found->is_array()) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (auto const& value : *found) {
    auto number = whole_number(value);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

/// A file about to be written: what stands before the data, and the tensors in the order of the data.
struct Content {
  std::string head;
  std::vector<at::Tensor> tensors;
};

std::string_view data_of(at::Tensor const& tensor) {
  return {static_cast<char const*>(tensor.const_data_ptr()), tensor.nbytes()};
}

Content content_of(std::map<std::string, at::Tensor> const& tensors, std::map<std::string, std::string> const& metadata) {
  std::vector<std::pair<std::string, at::Tensor>> order;
  for (auto const& [name, tensor] : tensors) {
    if (name == metadata_key) throw UserError("A tensor cannot be stored under the name '" + name + "'; choose another.");
    if (!tensor.defined() || !name_of(tensor.scalar_type()))
      throw UserError("The tensor '" + name +
                      "' is of a type that safetensors files cannot hold; convert it, to F32 for example.");
    order.emplace_back(name, tensor.detach().cpu().contiguous());
  }
  std::stable_sort(order.begin(), order.end(),
                   [](auto const& a, auto const& b) { return a.second.element_size() > b.second.element_size(); });
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::size_t end = 0;
  for (auto const& [name, tensor] : order) {
    auto const begin = end;
    end += tensor.nbytes();
    header[name] = {{"dtype", name_of(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}, {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (nlohmann::json::exception const&) {
    throw UserError("A name or metadata text for a safetensors file is not valid UTF-8; choose another.");
  }
  text.resize((text.size() + length_size - 1) / length_size * length_size, ' ');
  if (text.size() > longest_header)
    throw UserError("The header of the safetensors file would exceed 100 MB; store fewer tensors in one file.");
  std::uint64_t const header_size = text.size();
  Content content{std::string(length_size, '\0') + text, {}};
  std::memcpy(content.head.data(), &header_size, length_size);
  for (auto const& [name, tensor] : order) content.tensors.push_back(tensor);
  return content;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(std::filesystem::path const& file) {
  auto mapping = std::make_shared<MappedFile const>(file);
  auto content = mapping->content();
  refuse_lfs_pointer(content, file);
  return SafetensorsFile(std::move(mapping), content, file.string());
}

SafetensorsFile SafetensorsFile::parse(std::string bytes, std::string name) {
  auto owned = std::make_shared<std::string const>(std::move(bytes));
  std::string_view content = *owned;
  return SafetensorsFile(std::move(owned), content, std::move(name));
}

SafetensorsFile::SafetensorsFile(std::shared_ptr<void const> owner, std::string_view content, std::string name)
    : owner_(std::move(owner)), name_(std::move(name)) {
  std::uint64_t header_size = 0;
  if (content.size() < length_size)
    throw UserError(fmt::format("{}: a safetensors file begins with 8 bytes of header length, this one has {}{}", name_,
                                content.size(), fetch_again));
  std::memcpy(&header_size, content.data(), length_size);
  if (header_size > longest_header && content.starts_with('<'))
    throw UserError(name_ + ": this is a web page and not weights; the address was wrong or asks for a login. Fetch it again.");
  content.remove_prefix(length_size);
  if (header_size > longest_header)
    throw UserError(
        fmt::format("{}: the header would be {} bytes long, but at most 100 MB are read; this is not a safetensors file.", name_,
                    header_size));
  if (header_size > content.size())
    throw UserError(fmt::format("{}: the header should be {} bytes long, but only {} follow{}", name_, header_size,
                                content.size(), fetch_again));
  auto header = content.substr(0, header_size);
  content.remove_prefix(header_size);
  if (!header.starts_with('{')) throw UserError(name_ + ": the header does not begin with '{'; this is not a safetensors file.");
  data_ = content.data();
  read_header(header, content.size());
  check_coverage(content.size());
}

void SafetensorsFile::read_header(std::string_view header, std::size_t data_size) {
  auto json = detail::parse_json_object(header, name_ + ": header");
  for (auto const& [tensor, entry] : json.items()) {
    if (tensor == metadata_key) {
      if (!entry.is_object()) throw UserError(name_ + ": " + metadata_key + " is not an object of texts; write the file again.");
      for (auto const& [key, value] : entry.items()) {
        if (!value.is_string())
          throw UserError(name_ + ": " + metadata_key + " '" + key + "' is " + detail::excerpt(value) +
                          ", but must be a text; write the file again.");
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    auto const where = name_ + ": tensor '" + tensor + "'";
    if (!entry.is_object())
      throw UserError(where + " is described by " + detail::excerpt(entry) + " instead of an object" + fetch_again);
    auto const dtype_field = entry.find("dtype");
    if (dtype_field == entry.end() || !dtype_field->is_string()) throw UserError(where + " has no text 'dtype'" + fetch_again);
    auto shape = whole_numbers(entry, "shape");
    if (!shape) throw UserError(where + " has no 'shape' of non-negative whole numbers" + fetch_again);
    if (shape->size() > most_dimensions)
      throw UserError(fmt::format("{} has {} dimensions; at most {} are read.", where, shape->size(), most_dimensions));
    auto const offsets = whole_numbers(entry, "data_offsets");
    if (!offsets || offsets->size() != 2)
      throw UserError(where + " has no 'data_offsets' of two non-negative whole numbers" + fetch_again);
    auto const begin = static_cast<std::size_t>(offsets->front()), end = static_cast<std::size_t>(offsets->back());
    if (begin > end || end > data_size)
      throw UserError(fmt::format("{} should lie at bytes {} to {} of the data, which has {} bytes{}", where, begin, end,
                                  data_size, fetch_again));
    auto type = dtype_field->get<std::string>();
    auto const dtype = dtype_named(type);
    auto const size = dtype ? bytes_of(*shape, c10::elementSize(*dtype)) : end - begin;
    if (!size || *size != end - begin)
      throw UserError(fmt::format("{} has {} bytes, but its shape and type need {}{}", where, end - begin,
                                  size ? std::to_string(*size) : "more than can be counted", fetch_again));
    entries_.emplace(tensor, Entry{std::move(type), std::move(*shape), begin, end});
  }
}

void SafetensorsFile::check_coverage(std::size_t data_size) const {
  std::vector<std::pair<std::string const*, Entry const*>> order;
  for (auto const& [tensor, entry] : entries_) order.emplace_back(&tensor, &entry);
  std::sort(order.begin(), order.end(), [](auto const& a, auto const& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  std::size_t covered = 0;
  for (auto const& [tensor, entry] : order) {
    if (entry->begin != covered)
      throw UserError(fmt::format("{}: tensor '{}' begins at byte {} of the data, {} the one before it, which ends at {}{}",
                                  name_, *tensor, entry->begin, entry->begin < covered ? "inside" : "after a gap behind", covered,
                                  fetch_again));
    covered = entry->end;
  }
  if (covered != data_size)
    throw UserError(fmt::format("{}: the tensors take {} bytes, but the data has {}{}", name_, covered, data_size, fetch_again));
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (auto const& [name, entry] : entries_) names.push_back(name);
  return names;
}

bool SafetensorsFile::contains(std::string const& name) const {
  return entries_.contains(name);
}

bool SafetensorsFile::reads(std::string const& name) const {
  auto const found = entries_.find(name);
  return found != entries_.end() && dtype_named(found->second.type);
}

StoredTensor SafetensorsFile::stored(std::string const& name) const {
  auto const& entry = entries_.at(name);
  return {entry.type, entry.shape, {data_ + entry.begin, entry.end - entry.begin}};
}

at::Tensor SafetensorsFile::tensor(std::string const& name) const {
  auto const found = entries_.find(name);
  if (found == entries_.end()) throw UserError(name_ + ": there is no tensor '" + name + "'." + did_you_mean(name, names()));
  auto const& entry = found->second;
  auto const stored = dtype_named(entry.type);
  if (!stored) {
    throw UserError(fmt::format("{}: tensor '{}' has the type '{}', which is not read; convert it, to F32 for example.", name_,
                                name, entry.type));
  }
  // A byte that is neither 0 nor 1 is no C++ bool: read as bytes, then compare.
  auto const dtype = stored == at::kBool ? at::kByte : *stored;
  char const* const data = data_ + entry.begin;
  auto const size = entry.end - entry.begin;
  bool const aligned = reinterpret_cast<std::uintptr_t>(data) % c10::elementSize(dtype) == 0;
  at::Tensor tensor;
  if (size > 0 && aligned) {
    tensor = at::from_blob(
        const_cast<char*>(data), entry.shape, [owner = owner_](void*) {}, at::TensorOptions().dtype(dtype));
  } else {
    tensor = at::empty(entry.shape, at::TensorOptions().dtype(dtype));
    if (size > 0) std::memcpy(tensor.mutable_data_ptr(), data, size);
  }
  return stored == at::kBool ? tensor.ne(0) : tensor;
}

std::string write_safetensors(std::map<std::string, at::Tensor> const& tensors,
                              std::map<std::string, std::string> const& metadata) {
  auto const content = content_of(tensors, metadata);
  std::size_t size = content.head.size();
  for (auto const& tensor : content.tensors) size += tensor.nbytes();
  std::string bytes;
  bytes.reserve(size);
  bytes += content.head;
  for (auto const& tensor : content.tensors) bytes += data_of(tensor);
  return bytes;
}

void save_safetensors(std::filesystem::path const& file, std::map<std::string, at::Tensor> const& tensors,
                      std::map<std::string, std::string> const& metadata) {
  auto const content = content_of(tensors, metadata);
  std::vector<std::string_view> pieces{content.head};
  for (auto const& tensor : content.tensors) pieces.push_back(data_of(tensor));
  write_file_atomically(file, pieces);
}

}  // namespace onemask
