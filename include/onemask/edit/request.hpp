#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/settings/edit_hparams.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// One fact made ready for editing: its prompt behind every context, in tokens.
struct EditRequest {
  /// A sequence and the position in it that the edit reads and writes.
  struct Row {
    std::vector<std::int64_t> ids;
    std::int64_t lookup = 0;  ///< position of the subject's last token
  };
  std::int64_t case_id = 0;
  std::vector<std::int64_t> target;  ///< tokens of " " + new object
  std::vector<Row> contexts;         ///< one per template, each ending in the target but for its last token
  Row essence;                       ///< "{subject} is a", which must keep its prediction
  std::string subject = {};
};

/// Tokenizes a fact for editing. Throws UserError naming the record when its target tokenizes to nothing, or when a row takes
/// more than `positions`.
EditRequest make_edit_request(Tokenizer const& tokenizer, Fact const& fact, ContextTemplates const& templates,
                              EditHparams const& hparams, std::int64_t positions);

}  // namespace onemask
