#pragma once

#include <onemask/settings/context_templates.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <cstdint>

namespace onemask {

/// How facts are edited.
struct EditOptions {
  EditHparams hparams;
  ContextTemplates templates;  ///< given ones; empty: sampled from the model
  std::uint64_t template_seed = 0;
  int batch = 16;           ///< facts per unit of work
  int facts_per_model = 0;  ///< for methods that edit in batches; 0: all facts of a split
  bool sequential = false;  ///< every batch is written into the model that carries those before it
};

/// But for `hparams`, which have a table of their own.
template <>
Fields<EditOptions> const& fields_of<EditOptions>();

}  // namespace onemask
