#pragma once

namespace onemask::test {

/// Gives the pretend device all operators.
void install_pretend_operators();

}  // namespace onemask::test
