#pragma once

#include <onemask/core/error.hpp>

#include <string>

namespace onemask::test {

/// The sentence of the Error that `act` throws; empty when it throws none.
template <class Error = UserError, class Act>
std::string complaint_of(Act const& act) {
  try {
    act();
  } catch (Error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace onemask::test
