#pragma once

#include "report/picture.hpp"
#include <onemask/report/document.hpp>
#include <onemask/store/study_file.hpp>

#include <string>
#include <vector>

namespace onemask {

// Facts that are edited under a mask: the tables "injections" and "injection_scores" of a study file. All of these are empty of a
// study without them, and throw UserError where a column is missing.

/// For every way of editing a table with a line for each mask and variant: the mean over masks that differ in their seed alone,
/// and with `per_mask` each of these.
std::vector<DocumentBlock> injection_blocks(StudyFile const& study, bool per_mask);

/// ES of these lines as bars, a block for each table.
std::vector<BarBlock> injection_bars(StudyFile const& study);

/// What was found in words, a paragraph for each way of editing and setting of the masks.
std::vector<std::string> injection_findings(StudyFile const& study);

/// The numbers of the tables in the form of the table "summary".
Table injection_summary(StudyFile const& study);

/// What the columns mean.
inline constexpr char const* injection_definitions =
    "editing under a mask: facts are edited in a model whose edited matrix W carries a mask M, each in a model of its own,\n"
    "or by methods for many facts together, as without M; sequential: one after the other in one model, each scored after\n"
    "its own edit. trained: the mask of the study; the others have as many zeros. inject: scored under (W + dW) o M; off:\n"
    "under W + dW, the same dW; adaptive: under W o M + dW', where dW' is made to meet its value through entries that M\n"
    "keeps. none: without a mask.\n"
    "ES: share of rewrite prompts with P(new) > P(true), where P is the geometric mean over the object's tokens; ES by sum: of\n"
    "whole objects, as is P(new). tokens: share of the new object's tokens that are the likeliest, behind the ones before them\n"
    "(EasyEdit's rewrite_acc). knows: share of facts whose true object the unedited model under M finds likelier. |dW|: mean\n"
    "Frobenius norm of the update. p: ES against none, McNemar's exact test of one mask, of several seeds the bootstrap over\n"
    "facts and seeds; Holm's correction over the table.\n"
    "Intervals: Clopper-Pearson of one mask, and where all facts agree; else the bootstrap.\n";

}  // namespace onemask
