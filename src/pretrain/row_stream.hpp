#pragma once

#include "pretrain/sequences.hpp"
#include <onemask/pretrain/study.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace onemask {

/// Sequences laid end to end in rows of equal length, without one looking at another.
struct PackedRows {
  /// A place whose hidden state predicts a token that counts.
  struct Prediction {
    std::int64_t position;  ///< row * width + column
    std::int64_t token;
    float weight;
    bool object;
  };

  std::int64_t rows = 0, width = 0;
  std::vector<std::int64_t> ids;        ///< [rows * width], 0 where a row has ended
  std::vector<std::int64_t> positions;  ///< [rows * width] of each token in its own sequence
  std::vector<std::int64_t> sequence;   ///< [rows * width] number within the row; places behind the end have one each
  std::vector<Prediction> predictions;  ///< in the order of places
  std::int64_t tokens = 0;              ///< places with a token

  PackedRows() = default;
  PackedRows(std::int64_t rows, std::int64_t width);

  /// Puts a sequence into the first row with room for it, and says where: its first place, or -1 when there is no such row.
  std::int64_t add(std::vector<std::int64_t> const& sequence_ids);
  /// Some consecutive rows of this.
  PackedRows part(std::int64_t first, std::int64_t count) const;

 private:
  std::vector<std::int64_t> ends_;       ///< [rows] columns filled
  std::vector<std::int64_t> sequences_;  ///< [rows] sequences in it
};

/// The rows of step 0, 1, 2, …: a function of sequences, options and seed alone. Statements and pieces of text come in epochs,
/// each a new random order of all of them; text first, until the steps so far have their share of it, then statements.
class RowStream {
 public:
  RowStream(Sequences const& sequences, TrainingOptions const& options, double text_share, std::uint64_t seed);

  PackedRows next();

 private:
  struct Drawn {
    std::vector<std::int64_t> ids;
    std::int64_t object_begin, object_end;  ///< offsets of the object's tokens
    std::uint64_t number;                   ///< of the sequence in the training
  };
  /// Endless numbers below a bound, every one of them once in each epoch.
  struct Epochs {
    std::uint64_t kind;
    std::vector<std::size_t> order;
    std::size_t next;
    std::uint64_t epoch;
  };

  std::size_t draw(Epochs& epochs, std::size_t count);
  Drawn draw_fact();
  Drawn draw_text();
  bool place(Drawn const& drawn, PackedRows& rows) const;

  Sequences const& sequences_;
  TrainingOptions options_;
  double text_share_;
  std::uint64_t seed_, drawn_ = 0;
  Epochs facts_, text_;
  double text_owed_ = 0;            ///< [tokens] that the share of text is behind
  std::optional<Drawn> late_text_;  ///< a piece of text that did not fit into the last step's rows
  std::deque<Drawn> waiting_;       ///< statements that did not
};

}  // namespace onemask
