#pragma once

#include <onemask/edit/batch_edit.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/store/object_store.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Reads what the tasks before have stored. Throws RunError where an object is missing or damaged.
class StoredResults {
 public:
  StoredResults(ObjectStore const& objects, Plan const& plan) : objects_(objects), plan_(plan) {}

  /// An object; `what` names it in messages.
  std::string bytes(std::string const& key, std::string const& what) const;
  /// The batch edit read last is kept: many tasks in a row need the same.
  std::shared_ptr<BatchEdit const> batch_edit(std::string const& key);
  SharedMask shared_mask(MaskTask const& task) const;
  /// Edits of one fact each, by the objects that hold them.
  std::vector<Edit> edits(std::vector<std::string> const& keys) const;
  /// The edits of some facts of a set. Where facts share an edited model, an edit has the outcome but no factors.
  std::vector<std::pair<std::size_t, Edit>> edits_of(std::size_t set, std::vector<std::size_t> const& facts);

 private:
  ObjectStore const& objects_;
  Plan const& plan_;
  std::string last_key_ = {};
  std::shared_ptr<BatchEdit const> last_batch_ = {};
};

}  // namespace onemask
