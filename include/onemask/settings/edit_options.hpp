#pragma once

#include <onemask/settings/context_templates.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace onemask {

/// Where a study finds finished edits.
struct EditFiles {
  std::string name;                              ///< a path, in which {case_id} and {split} stand for those of a fact
  std::size_t literal = 0;                       ///< so many first characters of it, the study's folder, stand for themselves
  std::map<std::int64_t, std::string> of_facts;  ///< or a path for each of some facts, by case_id

  bool empty() const { return name.empty() && of_facts.empty(); }
};

/// How facts are edited.
struct EditOptions {
  EditHparams hparams;
  ContextTemplates templates;  ///< given ones; empty: sampled from the model
  std::uint64_t template_seed = 0;
  int batch = 16;           ///< facts per unit of work
  int facts_per_model = 0;  ///< for methods that edit in batches; 0: all facts of a split
  bool sequential = false;  ///< every batch is written into the model that carries those before it
  EditFiles files;          ///< of finished edits, where the method is `imported`
  int rank = 0;             ///< the highest one of the factors that imported edits become; 0: they stay as they are
};

/// But for `hparams`, which have a table of their own.
template <>
Fields<EditOptions> const& fields_of<EditOptions>();

}  // namespace onemask
