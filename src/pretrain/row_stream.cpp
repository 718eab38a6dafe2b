#include "pretrain/row_stream.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>

#include <algorithm>
#include <utility>

namespace onemask {
namespace {

/// Kinds of random numbers of this room.
constexpr std::uint64_t fact_order = 0, text_order = 1, wrapping = 2, counting = 3;
/// Statements that may wait for the next step before this one's rows count as full.
constexpr std::size_t most_waiting = 24;
constexpr std::uint64_t shortest_prefix = 3, longest_prefix = 10;

}  // namespace

PackedRows::PackedRows(std::int64_t row_count, std::int64_t row_width)
    : rows(row_count),
      width(row_width),
      ids(static_cast<std::size_t>(row_count * row_width), 0),
      positions(ids.size(), 0),
      sequence(ids.size(), 0),
      ends_(static_cast<std::size_t>(row_count), 0),
      sequences_(static_cast<std::size_t>(row_count), 0) {
  for (std::size_t i = 0; i < sequence.size(); ++i) sequence[i] = -1 - static_cast<std::int64_t>(i) % width;
}

std::int64_t PackedRows::add(std::vector<std::int64_t> const& sequence_ids) {
  auto const count = std::ssize(sequence_ids);
  auto const found = std::find_if(ends_.begin(), ends_.end(), [&](auto end) { return end + count <= width; });
  if (found == ends_.end()) return -1;
  auto const row = static_cast<std::size_t>(found - ends_.begin());
  auto const place = static_cast<std::int64_t>(row) * width + *found;
  for (std::int64_t i = 0; i < count; ++i) {
    auto const at = static_cast<std::size_t>(place + i);
    ids[at] = sequence_ids[static_cast<std::size_t>(i)];
    positions[at] = i;
    sequence[at] = sequences_[row];
  }
  *found += count;
  ++sequences_[row];
  tokens += count;
  return place;
}

PackedRows PackedRows::part(std::int64_t first, std::int64_t count) const {
  auto const slice = [&](std::vector<std::int64_t> const& all) {
    return std::vector(all.begin() + first * width, all.begin() + (first + count) * width);
  };
  PackedRows part;
  part.rows = count;
  part.width = width;
  part.ids = slice(ids);
  part.positions = slice(positions);
  part.sequence = slice(sequence);
  for (auto prediction : predictions) {
    prediction.position -= first * width;
    if (prediction.position >= 0 && prediction.position < count * width) part.predictions.push_back(prediction);
  }
  for (std::int64_t row = first; row < first + count; ++row) part.tokens += ends_[static_cast<std::size_t>(row)];
  return part;
}

RowStream::RowStream(Sequences const& sequences, TrainingOptions const& options, double text_share, std::uint64_t seed)
    : sequences_(sequences),
      options_(options),
      text_share_(sequences.text.empty() ? 0 : text_share),
      seed_(seed),
      facts_{fact_order, {}, 0, 0},
      text_{text_order, {}, 0, 0} {
  invariant(!sequences.facts.empty(), "there are no facts to train on");
}

std::size_t RowStream::draw(Epochs& epochs, std::size_t count) {
  if (epochs.next == epochs.order.size()) {
    epochs.order = RandomStream({seed_, stream::pretraining, epochs.kind, epochs.epoch++}).permutation(count);
    epochs.next = 0;
  }
  return epochs.order[epochs.next++];
}

RowStream::Drawn RowStream::draw_text() {
  return {sequences_.text[draw(text_, sequences_.text.size())], 0, 0, drawn_++};
}

RowStream::Drawn RowStream::draw_fact() {
  auto const& fact = sequences_.facts[draw(facts_, sequences_.facts.size())];
  Drawn drawn{fact.plain, 0, 0, drawn_++};
  RandomStream random({seed_, stream::pretraining, wrapping, drawn.number});
  bool const prefix = random.uniform() < options_.prefix_share, period = random.uniform() < options_.period_share;
  auto const room = static_cast<std::size_t>(options_.row_tokens);
  if (prefix && !sequences_.text.empty()) {
    auto const& text = sequences_.text[random.below(sequences_.text.size())];
    auto const wanted = shortest_prefix + random.below(longest_prefix - shortest_prefix + 1);
    auto const first = std::min(text.size(), sequences_.head.size());  // its token for the beginning is no part of it
    auto const begin = first + random.below(text.size() - first + 1);
    auto const end = std::min<std::size_t>(text.size(), begin + wanted);
    auto ids = sequences_.head;
    ids.insert(ids.end(), text.begin() + static_cast<std::ptrdiff_t>(begin), text.begin() + static_cast<std::ptrdiff_t>(end));
    ids.insert(ids.end(), sequences_.period.begin(), sequences_.period.end());
    ids.insert(ids.end(), fact.behind.begin(), fact.behind.end());
    if (ids.size() <= room) drawn.ids = std::move(ids);
  }
  drawn.object_end = std::ssize(drawn.ids);
  drawn.object_begin = drawn.object_end - fact.object;
  if (period && drawn.ids.size() + sequences_.period.size() <= room) {
    drawn.ids.insert(drawn.ids.end(), sequences_.period.begin(), sequences_.period.end());
  }
  return drawn;
}

bool RowStream::place(Drawn const& drawn, PackedRows& rows) const {
  auto const first = rows.add(drawn.ids);
  if (first < 0) return false;
  RandomStream random({seed_, stream::pretraining, counting, drawn.number});
  for (std::int64_t i = 1; i < std::ssize(drawn.ids); ++i) {
    bool const object = i >= drawn.object_begin && i < drawn.object_end;
    bool const counts = random.uniform() < options_.other_share;
    if (!object && !counts) continue;
    rows.predictions.push_back({first + i - 1, drawn.ids[static_cast<std::size_t>(i)],
                                object ? static_cast<float>(options_.object_weight) : 1.0F, object});
  }
  return true;
}

PackedRows RowStream::next() {
  PackedRows rows(options_.rows, options_.row_tokens);
  text_owed_ += text_share_ * static_cast<double>(options_.rows * options_.row_tokens);
  while (text_owed_ > 0) {
    auto drawn = late_text_ ? *std::exchange(late_text_, {}) : draw_text();
    if (!place(drawn, rows)) {
      late_text_ = std::move(drawn);
      break;
    }
    text_owed_ -= static_cast<double>(drawn.ids.size());
  }
  std::deque<Drawn> late;
  while (late.size() < most_waiting) {
    auto drawn = waiting_.empty() ? draw_fact() : std::move(waiting_.front());
    if (!waiting_.empty()) waiting_.pop_front();
    if (!place(drawn, rows)) late.push_back(std::move(drawn));
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(late.begin()), std::make_move_iterator(late.end()));
  std::sort(rows.predictions.begin(), rows.predictions.end(),
            [](auto const& a, auto const& b) { return a.position < b.position; });
  return rows;
}

}  // namespace onemask
