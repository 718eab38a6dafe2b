#pragma once

#include <onemask/core/names.hpp>
#include <onemask/report/document.hpp>
#include <onemask/report/estimate.hpp>
#include <onemask/store/study_file.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What a mask is scored on, for a matrix of masks: splits, the relations of a split, or a split under several ways of editing.
enum class MatrixColumns { split, relation, edits };
inline constexpr std::array<Named<MatrixColumns>, 3> matrix_columns_names{
    {{MatrixColumns::split, "split"}, {MatrixColumns::relation, "relation"}, {MatrixColumns::edits, "edits"}}};

struct MatrixRequest {
  std::string metric = "rsr";            ///< of the table "summary", on rewrite prompts
  std::optional<MatrixColumns> columns;  ///< none: edits where masks are transferred, else relation where masks are trained on
                                         ///< some, else split
  std::string split;                     ///< of relations and edits; "": heldout, or the first that no mask is trained on
};

/// Where masks are scored. A mask is at home where it was trained: on that relation, split or way of editing.
struct MatrixCell {
  std::optional<Estimate> value;  ///< mean over seeds of means over facts; none: not scored
  bool at_home;
};

/// Masks that differ in their training, row by row, and what each is scored on.
struct TransferMatrix {
  std::string edits;                           ///< the way of editing of all columns; "" of the only one, or where columns are
  std::vector<std::string> rows, columns;      ///< names
  std::vector<std::vector<MatrixCell>> cells;  ///< [rows][columns]
};

/// All matrices of a study for one metric.
struct MatrixReport {
  std::string title, status, status_line;  ///< of the study: for pictures, for data, for people
  MatrixRequest request;                   ///< with its columns and split filled in
  std::vector<TransferMatrix> matrices;    ///< one for each way of editing, or one whose columns these are
};

/// Throws UserError for an unknown metric or split, and where no mask is scored.
MatrixReport make_matrices(StudyFile const& study, MatrixRequest request);

/// For people; with the mean over the cells at home and over the others.
Document matrix_document(MatrixReport const& report);
/// A row for each cell, after the study's status; for to_csv and to_json.
Table matrix_table(MatrixReport const& report);
/// An SVG picture: a heat map for each matrix, with the mean in every cell, and a frame around cells at home.
std::string matrix_picture(MatrixReport const& report);

}  // namespace onemask
