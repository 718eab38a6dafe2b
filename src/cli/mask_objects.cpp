#include "cli/mask_objects.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/mask/change_sums.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/rewrite.hpp>
#include <onemask/statistics/rank_correlation.hpp>
#include <onemask/store/object_store.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// A mask of the study file, ready for sums over its zeros.
struct BinaryMask {
  ByteMatrix const* matrix;
  std::vector<int> layers;
  at::Tensor keep;  ///< bool [layers * out, in]
};

BinaryMask binary(ByteMatrix const& matrix) {
  BinaryMask mask{&matrix, {}, {}};
  for (auto const& layer : split_text(matrix.attributes.at("layers"), ' ')) mask.layers.push_back(std::stoi(layer));
  auto keep = at::empty({static_cast<std::int64_t>(matrix.rows), static_cast<std::int64_t>(matrix.columns)}, at::kByte);
  std::copy(matrix.values.begin(), matrix.values.end(), keep.data_ptr<std::uint8_t>());
  mask.keep = keep.to(at::kBool);
  return mask;
}

/// The edited models of a way of editing and a split: objects that hold an edit of some fact, and the number of all of them.
struct EditedObjects {
  std::vector<std::string> keys;
  std::int64_t planned = 0;
};

std::map<std::pair<std::string, std::string>, EditedObjects> edited_objects(StudyFile const& study) {
  auto const& edits = study.tables.at("edits");
  auto const& splits = study.tables.at("facts").values<std::string>("split");
  auto const &sets = edits.values<std::string>("set"), &failures = edits.values<std::string>("failure"),
             &keys = edits.values<std::string>("object");
  auto const& facts = edits.values<std::int64_t>("fact");
  std::map<std::pair<std::string, std::string>, EditedObjects> objects;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> known, whole;
  for (std::size_t row = 0; row < keys.size(); ++row) {
    std::pair const place{sets[row], splits.at(static_cast<std::size_t>(facts[row]))};
    objects[place].planned += known[place].insert(keys[row]).second;
    if (failures[row].empty() && whole[place].insert(keys[row]).second) objects[place].keys.push_back(keys[row]);
  }
  return objects;
}

/// The ways of editing under which each mask is scored, by its object.
std::map<std::string, std::set<std::string>> sets_of_masks(StudyFile const& study) {
  auto const& conditions = study.tables.at("conditions");
  auto const &keys = conditions.values<std::string>("mask_key"), &sets = conditions.values<std::string>("set");
  std::map<std::string, std::set<std::string>> found;
  for (std::size_t row = 0; row < keys.size(); ++row) found[keys[row]].insert(sets[row]);
  return found;
}

/// Whether all words of the one text are among those of the other.
bool has_words(std::string const& text, std::string const& wanted) {
  auto const all = split_text(text, ' '), some = split_text(wanted, ' ');
  return std::all_of(some.begin(), some.end(),
                     [&](auto const& word) { return std::find(all.begin(), all.end(), word) != all.end(); });
}

/// The changes that an object holds: of one fact's edit or of a batch.
std::vector<WeightDelta> changes_in(std::string bytes, std::string const& name) {
  if (SafetensorsFile::parse(bytes, name).metadata().contains("batch_edit"))
    return batch_edit_from_bytes(std::move(bytes), name).deltas;
  auto edit = edit_from_bytes(std::move(bytes), name);
  if (!edit.failure.empty()) return {};
  return {{edit.layer, edit.left, edit.right, {}}};
}

/// The changes of some edited models. Those of rank 1 in one layer are summed together.
class Changes {
 public:
  void add(std::vector<WeightDelta> deltas) {
    if (deltas.size() == 1 && deltas.front().left.defined() && deltas.front().left.size(0) == 1) {
      auto& [lefts, rights] = vectors_[deltas.front().layer];
      lefts.push_back(deltas.front().left[0]), rights.push_back(deltas.front().right[0]);
    } else {
      others_.push_back(std::move(deltas));
    }
  }

  void sum_under(BinaryMask const& mask, ChangesAtZeros& result) const {
    auto const& [lefts, rights] =
        mask.layers.size() == 1 && vectors_.contains(mask.layers.front()) ? vectors_.at(mask.layers.front()) : Vectors();
    for (std::size_t first = 0; first < lefts.size(); first += at_once) {
      auto const last = std::min(first + at_once, lefts.size());
      auto const part = [&](auto const& all) { return at::stack(at::TensorList(all).slice(first, last - first)); };
      append(change_sums(mask.keep, part(lefts), part(rights)), mask, result);
    }
    for (auto const& deltas : others_) {
      std::vector<at::Tensor> matrices;
      for (auto const layer : mask.layers) {
        auto const found = std::find_if(deltas.begin(), deltas.end(), [&](auto const& delta) { return delta.layer == layer; });
        if (found != deltas.end()) matrices.push_back(found->matrix());
      }
      if (matrices.size() == mask.layers.size()) append(change_sums(mask.keep, at::cat(matrices)), mask, result);
    }
  }

 private:
  using Vectors = std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>>;
  static constexpr std::size_t at_once = 256;

  static void append(ChangeSums const& sums, BinaryMask const& mask, ChangesAtZeros& result) {
    auto const zeros = static_cast<double>(mask.keep.numel()) * result.zeros;
    auto const others = static_cast<double>(mask.keep.numel()) - zeros;
    for (std::int64_t i = 0; i < sums.squares.numel(); ++i) {
      auto const value = [&](at::Tensor const& of) { return of[i].item<double>(); };
      if (!(value(sums.squares) > 0)) continue;  // nothing is changed
      result.norm.push_back(std::sqrt(value(sums.squares)));
      result.at_zeros.push_back(std::sqrt(value(sums.squares_at_zeros)));
      result.size_at_zeros.push_back(value(sums.sizes_at_zeros) / zeros);
      result.size_elsewhere.push_back((value(sums.sizes) - value(sums.sizes_at_zeros)) / others);
    }
  }

  std::map<int, Vectors> vectors_;  ///< left and right factors, by layer
  std::vector<std::vector<WeightDelta>> others_;
};

/// Reads objects, and counts those that are not there.
class MaskObjectReader {
 public:
  MaskObjectReader(StudyFile const& study, std::filesystem::path const& folder) : study_(study), store_(folder) {
    for (auto const* matrix : masks_of(study)) masks_.push_back(binary(*matrix));
  }

  void read_soft_masks(MaskObjects& result) {
    for (auto const& mask : masks_) {
      auto const& key = mask.matrix->attributes.at("object");
      if (result.ranks.contains(key)) continue;
      auto bytes = store_.get(key);
      if (!bytes) {
        ++missing_;
        continue;
      }
      auto const soft = shared_mask_from_bytes(std::move(*bytes), "object " + key).soft.contiguous();
      result.ranks[key] = doubled_ranks({soft.data_ptr<float>(), static_cast<std::size_t>(soft.numel())});
    }
  }

  void read_changes(MaskObjects& result) {
    for (auto const* table : {"conditions", "edits", "facts"}) {
      if (!study_.tables.contains(table)) return;
    }
    auto const sets = sets_of_masks(study_);
    for (auto const& [place, objects] : edited_objects(study_)) {
      Changes changes;
      for (auto const& key : objects.keys) {
        auto bytes = store_.get(key);
        missing_ += !bytes;
        if (bytes) changes.add(changes_in(std::move(*bytes), "object " + key));
      }
      for (auto const& mask : masks_) {
        auto const& attributes = mask.matrix->attributes;
        auto const found = sets.find(attributes.at("object"));
        if (found == sets.end() || !found->second.contains(place.first)) continue;
        ChangesAtZeros at_zeros{.mask = attributes.at("name"),
                                .layers = attributes.at("layers"),
                                .edits = has_words(attributes.at("name"), place.first) ? "" : place.first,
                                .split = place.second,
                                .zeros = zeros_share(mask.keep),
                                .planned = objects.planned};
        changes.sum_under(mask, at_zeros);
        result.changes.push_back(std::move(at_zeros));
      }
    }
  }

  void read_weights(std::filesystem::path const& folder, MaskObjects& result) const {
    auto const model = load_as_stored(Checkpoint::open(folder));
    for (auto const& mask : masks_) {
      auto const& name = mask.matrix->attributes.at("name");
      std::vector<at::Tensor> weights;
      for (auto const layer : mask.layers) {
        require_layer(*model, layer, "The mask '" + name + "'");
        weights.push_back(model->projection(layer).weight);
      }
      auto const all = at::cat(weights);
      if (all.sizes() != mask.keep.sizes())
        throw ShapeError(
            fmt::format("The mask '{}' is {} x {}, but the model's matrices are {} x {} together. Give --model the checkpoint "
                        "that was edited.",
                        name, mask.keep.size(0), mask.keep.size(1), all.size(0), all.size(1)));
      auto const sums = change_sums(mask.keep, all);
      auto const zeros = zeros_share(mask.keep) * static_cast<double>(all.numel());
      auto const at_zeros = sums.sizes_at_zeros.item<double>(), whole = sums.sizes.item<double>();
      result.weights[name] = {at_zeros / zeros, (whole - at_zeros) / (static_cast<double>(all.numel()) - zeros)};
    }
  }

  std::size_t missing() const { return missing_; }

 private:
  StudyFile const& study_;
  ObjectStore store_;
  std::vector<BinaryMask> masks_;
  std::size_t missing_ = 0;
};

}  // namespace

std::set<std::string> const& columns_for_mask_objects() {
  static std::set<std::string> const columns{"masks",     "conditions/mask_key", "conditions/set", "edits/fact",
                                             "edits/set", "edits/failure",       "edits/object",   "facts/split"};
  return columns;
}

MaskObjects read_mask_objects(StudyFile const& study, std::filesystem::path const& folder,
                              std::optional<std::filesystem::path> const& model) {
  MaskObjects result;
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable)) {
    auto const absent = "There is no folder '" + folder.string() + "' with the objects of the run; --objects names another.";
    if (model) throw UserError(absent);
    result.note = absent + " The rank correlation of the soft masks and the changes by the edits are not shown.";
    return result;
  }
  MaskObjectReader reader(study, folder);
  reader.read_soft_masks(result);
  reader.read_changes(result);
  if (model) reader.read_weights(*model, result);
  if (reader.missing() > 0)
    result.note = fmt::format("Missing or damaged in '{}': {}. What they hold is left out, and n is smaller than planned.",
                              folder.string(), counted(reader.missing(), "object"));
  return result;
}

}  // namespace onemask
