#pragma once

#include <string>
#include <vector>

namespace onemask {

/// What all tensors but the unembedding begin with in checkpoints of the model with its head. The first is how the program names
/// them; files may have any of them, or none.
std::vector<std::string> const& weight_prefixes(std::string const& family);

}  // namespace onemask
