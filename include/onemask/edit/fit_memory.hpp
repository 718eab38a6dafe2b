#pragma once

#include <onemask/core/log.hpp>
#include <onemask/edit/request.hpp>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <c10/util/Exception.h>
#include <fmt/core.h>

namespace onemask {

/// Runs `work` on the requests; where the device has too little memory for all at once, on halves, quarters and so on, with a
/// warning. Throws what `work` throws when a single request does not fit. Parts differ from the whole in the last bits only.
template <typename Result>
std::vector<Result> in_parts_that_fit(std::span<EditRequest const> requests,
                                      std::function<std::vector<Result>(std::span<EditRequest const>)> const& work) {
  try {
    return work(requests);
  } catch (c10::OutOfMemoryError const&) {
    if (requests.size() <= 1) throw;
  }
  auto const half = requests.size() / 2;
  log_warning(
      fmt::format("The device has too little memory to edit {} facts at once; they are edited in two parts, "
                  "which can differ in the last bits. A smaller edit.batch avoids this.",
                  requests.size()));
  auto results = in_parts_that_fit<Result>(requests.first(half), work);
  for (auto& result : in_parts_that_fit<Result>(requests.subspan(half), work)) results.push_back(std::move(result));
  return results;
}

}  // namespace onemask
