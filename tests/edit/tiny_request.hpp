#pragma once

#include "support/tiny_model.hpp"
#include <onemask/edit/request.hpp>

#include <cstdint>
#include <vector>

namespace onemask::test {

/// A request of random tokens: prefixes of the given lengths, then the subject, then `relation` tokens, then the target.
inline EditRequest make_request(std::uint64_t seed, std::vector<std::size_t> const& prefixes, std::size_t relation,
                                std::size_t target) {
  EditRequest request;
  request.case_id = static_cast<std::int64_t>(seed);
  request.target = random_ids(target, 10 * seed + 1);
  for (auto& token : request.target) token = 32 + token % 95;  // of the likelier ones, which can be reached
  auto const subject = random_ids(2 + seed % 3, 10 * seed + 2), between = random_ids(relation, 10 * seed + 3);
  for (auto length : prefixes) {
    auto ids = random_ids(length, 10 * seed + 4 + 100 * length);
    ids.insert(ids.end(), subject.begin(), subject.end());
    auto const lookup = std::ssize(ids) - 1;
    ids.insert(ids.end(), between.begin(), between.end());
    ids.insert(ids.end(), request.target.begin(), request.target.end() - 1);
    request.contexts.push_back({ids, lookup});
  }
  request.essence = {subject, std::ssize(subject) - 1};
  auto const is_a = random_ids(2, 5);
  request.essence.ids.insert(request.essence.ids.end(), is_a.begin(), is_a.end());
  return request;
}

}  // namespace onemask::test
