#pragma once

#include <onemask/core/hash.hpp>

#include <string>

namespace onemask {

/// What the bits of results depend on beside the study's settings.
struct Fingerprints {
  std::string model;  ///< the checkpoint's weights and configuration
  std::string tokenizer;
  std::string execution;  ///< device kind, dtype, products, threads per rank
};

/// Raised when the meaning of stored objects changes, so that old ones are not found.
inline constexpr int object_version = 1;

/// Begins the name of an object of this kind: all kinds depend on the model, its tokenizer and how products are computed.
inline void begin_key(Hasher& hasher, char const* kind, Fingerprints const& fingerprints) {
  hasher.text(kind).integer(object_version).text(fingerprints.model).text(fingerprints.tokenizer).text(fingerprints.execution);
}

}  // namespace onemask
