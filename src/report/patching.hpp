#pragma once

#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

/// What models with the attention of others show, a paragraph for each way of editing, split and setting of the masks: whether
/// the edits need the attention that they bring (overattention), whether this attention alone makes them, and whether the mask
/// acts through attention. More or less it is called by a test of the same facts, at 0.05 by Holm over the comparisons of a
/// paragraph. Empty of a study without such models. Throws UserError like format_table.
std::vector<std::string> patching_findings(StudyFile const& study);

/// What the rows of such models are.
inline constexpr char const* patching_definition =
    "X+attention(Y): the model X with the attention probabilities of the model Y, on the same prompt, in all layers above the\n"
    "(first) edited one; at last: only those of the query at the prompt's last token; at subject: of these only the one on the\n"
    "subject's last token, the others multiplied by one number so that all add up to 1. Their zeros are those of the mask.\n";

}  // namespace onemask
