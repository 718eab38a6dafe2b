#include "pretrain/row_stream.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;
using testing::ElementsAre;

constexpr std::int64_t period = 900, head = 901;

/// Facts of four tokens, two of them the object's: fact i is {10 i + 1, …, 10 i + 4} as it begins a sequence, and begins with
/// 10 i + 5 behind a sentence. Texts of `text_tokens` tokens from 1000 on.
Sequences tiny_sequences(std::int64_t facts, std::int64_t texts = 0, std::int64_t text_tokens = 8) {
  Sequences sequences;
  sequences.period = {period};
  for (std::int64_t i = 0; i < facts; ++i) {
    auto const id = 10 * i;
    sequences.facts.push_back({{id + 1, id + 2, id + 3, id + 4}, {id + 5, id + 2, id + 3, id + 4}, 2});
  }
  for (std::int64_t i = 0; i < texts; ++i) {
    Ids text(static_cast<std::size_t>(text_tokens));
    std::iota(text.begin(), text.end(), 1000 + 100 * i);
    sequences.text.push_back(text);
  }
  return sequences;
}

TrainingOptions bare_options(std::int64_t rows, std::int64_t row_tokens) {
  TrainingOptions options;
  options.rows = rows;
  options.row_tokens = row_tokens;
  options.other_share = options.prefix_share = options.period_share = 0;
  return options;
}

/// Sequences as they stand in the rows, one after the other.
std::vector<Ids> sequences_in(PackedRows const& rows) {
  std::map<std::pair<std::int64_t, std::int64_t>, Ids> found;
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    if (rows.sequence[i] < 0) continue;
    auto& ids = found[{static_cast<std::int64_t>(i) / rows.width, rows.sequence[i]}];
    EXPECT_EQ(rows.positions[i], std::ssize(ids));
    ids.push_back(rows.ids[i]);
  }
  std::vector<Ids> all;
  for (auto& [place, ids] : found) all.push_back(std::move(ids));
  return all;
}

TEST(PackedRows, SequencesLieEndToEndInTheFirstRowWithRoom) {
  PackedRows rows(2, 6);
  EXPECT_EQ(rows.add({1, 2, 3, 4}), 0);
  EXPECT_EQ(rows.add({5, 6, 7}), 6);
  EXPECT_EQ(rows.add({8, 9}), 4);
  EXPECT_EQ(rows.add({1, 2, 3, 4}), -1);
  EXPECT_EQ(rows.add({1}), 9);
  EXPECT_THAT(rows.ids, ElementsAre(1, 2, 3, 4, 8, 9, 5, 6, 7, 1, 0, 0));
  EXPECT_THAT(rows.positions, ElementsAre(0, 1, 2, 3, 0, 1, 0, 1, 2, 0, 0, 0));
  EXPECT_EQ(rows.tokens, 10);
  Ids const first(rows.sequence.begin(), rows.sequence.begin() + 6), second(rows.sequence.begin() + 6, rows.sequence.end());
  EXPECT_THAT(first, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_EQ(Ids(second.begin(), second.begin() + 4), (Ids{0, 0, 0, 1}));
  EXPECT_EQ(std::set<std::int64_t>(second.begin(), second.end()).size(), 4U);  // the two places behind the end stand alone
}

TEST(PackedRows, APartHasItsOwnPredictions) {
  PackedRows rows(3, 4);
  rows.add({1, 2, 3});
  rows.add({4, 5, 6, 7});
  rows.add({8, 9});
  rows.predictions = {{1, 3, 1, false}, {4, 5, 1, false}, {8, 9, 3, true}};
  auto const part = rows.part(1, 2);
  EXPECT_THAT(part.ids, ElementsAre(4, 5, 6, 7, 8, 9, 0, 0));
  EXPECT_EQ(part.tokens, 6);
  ASSERT_EQ(part.predictions.size(), 2U);
  EXPECT_EQ(part.predictions[0].position, 0);
  EXPECT_EQ(part.predictions[1].position, 4);
  EXPECT_EQ(part.predictions[1].token, 9);
}

TEST(RowStream, EveryStatementOnceInEachEpoch) {
  auto const sequences = tiny_sequences(10);
  RowStream stream(sequences, bare_options(5, 8), 0, 1);  // rows with room for an epoch
  std::vector<std::vector<Ids>> epochs;
  for (int step = 0; step < 6; ++step) {
    auto drawn = sequences_in(stream.next());
    epochs.push_back(drawn);
    std::sort(drawn.begin(), drawn.end());
    ASSERT_EQ(drawn.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(drawn[i], sequences.facts[i].plain);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(RowStream, NoPieceOfTextIsLost) {
  auto const sequences = tiny_sequences(1, 3, 5);
  RowStream stream(sequences, bare_options(1, 8), 0.9, 1);  // more text is owed in each step than the row has room for
  std::map<Ids, int> seen;
  for (int step = 0; step < 30; ++step) {
    for (auto const& ids : sequences_in(stream.next())) ++seen[ids];
  }
  for (auto const& piece : sequences.text) EXPECT_EQ(seen[piece], 10);
}

TEST(RowStream, WhatFindsNoRoomComesInTheNextStep) {
  auto sequences = tiny_sequences(20);
  sequences.facts[7].plain = {71, 72, 73, 74, 75, 76, 77, 78};  // a whole row
  RowStream stream(sequences, bare_options(3, 8), 0, 1);
  std::map<Ids, int> seen;
  for (int step = 0; step < 200; ++step) {
    for (auto const& ids : sequences_in(stream.next())) ++seen[ids];
  }
  EXPECT_EQ(seen.size(), 20U);
  auto const [least, most] = std::minmax_element(seen.begin(), seen.end(), [](auto& a, auto& b) { return a.second < b.second; });
  EXPECT_GT(least->second, 20);
  EXPECT_LE(most->second - least->second, 3);
}

TEST(RowStream, ObjectsHaveTheirWeight) {
  auto const sequences = tiny_sequences(4);
  auto options = bare_options(2, 8);
  options.object_weight = 2.5;
  auto const rows = RowStream(sequences, options, 0, 1).next();
  ASSERT_EQ(rows.predictions.size(), 8U);
  for (auto const& prediction : rows.predictions) {
    auto const place = static_cast<std::size_t>(prediction.position);
    EXPECT_TRUE(prediction.object);
    EXPECT_EQ(prediction.weight, 2.5F);
    EXPECT_EQ(prediction.token, rows.ids[place + 1]);
    EXPECT_GE(rows.positions[place + 1], 2);
  }
}

TEST(RowStream, OtherTokensCountAtTheirShare) {
  auto const sequences = tiny_sequences(4);
  auto options = bare_options(2, 8);
  options.other_share = 1;
  auto const all = RowStream(sequences, options, 0, 1).next();
  EXPECT_EQ(all.predictions.size(), 12U);  // every token but each sequence's first
  for (auto const& prediction : all.predictions) {
    auto const position = all.positions[static_cast<std::size_t>(prediction.position)];
    EXPECT_EQ(prediction.object, position >= 1);
    EXPECT_EQ(prediction.weight, position >= 1 ? 3 : 1);
  }
  EXPECT_TRUE(
      std::is_sorted(all.predictions.begin(), all.predictions.end(), [](auto& a, auto& b) { return a.position < b.position; }));

  options.other_share = 0.25;
  RowStream stream(sequences, options, 0, 1);
  int others = 0;
  for (int step = 0; step < 500; ++step) {
    for (auto const& prediction : stream.next().predictions) others += !prediction.object;
  }
  EXPECT_NEAR(others, 500, 80);  // of 2000
}

TEST(RowStream, APeriodStandsBehindTheObject) {
  auto const sequences = tiny_sequences(6);
  auto options = bare_options(3, 5);
  options.period_share = 1;
  auto const rows = RowStream(sequences, options, 0, 1).next();
  for (auto const& ids : sequences_in(rows)) {
    ASSERT_EQ(ids.size(), 5U);
    EXPECT_EQ(ids.back(), period);
  }
  for (auto const& prediction : rows.predictions) EXPECT_NE(prediction.token, period);  // it is no part of the object
  options.row_tokens = 4;                                                               // where there is no room there is none
  for (auto const& ids : sequences_in(RowStream(sequences, options, 0, 1).next())) EXPECT_EQ(ids.size(), 4U);
}

TEST(RowStream, StatementsStandBehindAPieceOfText) {
  auto sequences = tiny_sequences(6, 3, 40);
  sequences.head = {head};
  for (auto& text : sequences.text) text.front() = head;
  for (auto& fact : sequences.facts) fact.plain.insert(fact.plain.begin(), head);
  auto options = bare_options(20, 16);
  options.prefix_share = 1;
  auto const rows = RowStream(sequences, options, 0, 1).next();
  std::size_t longest = 0;
  for (auto const& ids : sequences_in(rows)) {
    ASSERT_GE(ids.size(), 6U);  // head, period, fact
    EXPECT_EQ(ids.front(), head);
    EXPECT_EQ(ids[ids.size() - 5], period);
    EXPECT_EQ(ids[ids.size() - 4] % 10, 5);  // as it goes on behind a sentence
    Ids const piece(ids.begin() + 1, ids.end() - 5);
    longest = std::max(longest, piece.size());
    for (std::size_t i = 0; i < piece.size(); ++i) EXPECT_EQ(piece[i], piece[0] + static_cast<std::int64_t>(i));
    EXPECT_TRUE(piece.empty() || piece[0] > 1000);
  }
  EXPECT_EQ(longest, 10U);
  for (auto const& prediction : rows.predictions) EXPECT_LT(prediction.token, 60);
}

TEST(RowStream, TextHasItsShare) {
  auto const sequences = tiny_sequences(20, 5, 6);
  auto options = bare_options(4, 32);
  options.prefix_share = 0;
  RowStream stream(sequences, options, 0.25, 1);
  std::int64_t text = 0;
  std::map<std::int64_t, int> pieces;
  for (int step = 0; step < 100; ++step) {
    for (auto const& ids : sequences_in(stream.next())) {
      if (ids.front() < 1000) continue;
      text += std::ssize(ids);
      ++pieces[ids.front()];
    }
  }
  EXPECT_NEAR(static_cast<double>(text) / (100 * 4 * 32), 0.25, 0.002);
  for (auto const& [first, count] : pieces) EXPECT_NEAR(count, 3200.0 / 30, 1) << first;  // in epochs as well
}

TEST(RowStream, IsAFunctionOfTheSeed) {
  auto const sequences = tiny_sequences(15, 4, 12);
  TrainingOptions options;
  options.rows = 3;
  options.row_tokens = 24;
  RowStream first(sequences, options, 0.2, 7), second(sequences, options, 0.2, 7), other(sequences, options, 0.2, 8);
  bool differs = false;
  for (int step = 0; step < 20; ++step) {
    auto const a = first.next(), b = second.next(), c = other.next();
    EXPECT_EQ(a.ids, b.ids);
    EXPECT_EQ(a.sequence, b.sequence);
    ASSERT_EQ(a.predictions.size(), b.predictions.size());
    for (std::size_t i = 0; i < a.predictions.size(); ++i) EXPECT_EQ(a.predictions[i].position, b.predictions[i].position);
    differs = differs || a.ids != c.ids;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace onemask::test
