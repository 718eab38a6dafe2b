#include "work/stored_results.hpp"

#include <onemask/core/error.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace onemask {

std::string StoredResults::bytes(std::string const& key, std::string const& what) const {
  auto bytes = objects_.get(key);
  if (!bytes)
    throw RunError("The " + what + " " + key +
                   " is missing from the object store or damaged, although its task is done. Run the same command again.");
  return std::move(*bytes);
}

std::shared_ptr<BatchEdit const> StoredResults::batch_edit(std::string const& key) {
  if (last_key_ != key) {
    last_batch_ = std::make_shared<BatchEdit const>(batch_edit_from_bytes(bytes(key, "batch edit"), "object " + key));
    last_key_ = key;
  }
  return last_batch_;
}

SharedMask StoredResults::shared_mask(MaskTask const& task) const {
  return shared_mask_from_bytes(bytes(task.key, "mask"), "object " + task.key);
}

std::vector<Edit> StoredResults::edits(std::vector<std::string> const& keys) const {
  std::vector<Edit> edits;
  for (auto const& key : keys) edits.push_back(edit_from_bytes(bytes(key, "edit"), "object " + key));
  return edits;
}

std::vector<std::pair<std::size_t, Edit>> StoredResults::edits_of(std::size_t set, std::vector<std::size_t> const& facts) {
  std::vector<std::pair<std::size_t, Edit>> edits;
  if (!plan_.sets[set].in_batches) {
    for (auto fact : facts) edits.emplace_back(fact, this->edits({plan_.sets[set].keys[fact]}).front());
    return edits;
  }
  std::map<std::size_t, Edit> found;
  std::set<std::size_t> const wanted(facts.begin(), facts.end());
  for (auto const& solve : plan_.solves) {
    bool const needed =
        solve.set == set && std::any_of(solve.facts.begin(), solve.facts.end(), [&](auto f) { return wanted.contains(f); });
    if (!needed) continue;
    auto const batch = batch_edit(solve.key);
    for (std::size_t i = 0; i < solve.facts.size(); ++i) static_cast<EditOutcome&>(found[solve.facts[i]]) = batch->facts.at(i);
  }
  for (auto fact : facts) edits.emplace_back(fact, found.at(fact));
  return edits;
}

}  // namespace onemask
