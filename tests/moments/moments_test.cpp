#include "moments/corpus_share.hpp"
#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include "support/world.hpp"
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/moments/moments.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Layers = std::vector<int>;

constexpr std::int64_t segments = 400, segment_length = 60, all_tokens = segments * segment_length;
constexpr std::int64_t early_token = 258, late_token = 259;  // the first only in the first segment, the other only in the last

/// One folder for all ranks of the test.
struct MomentsTest {
  MomentsTest() {
    if (world().rank() == 0) own_folder_.emplace();
    folder_ = world().broadcast(own_folder_ ? own_folder_->path().string() : "", 0);
    ids_ = at::empty({segments, segment_length}, at::kLong);
    auto const values = random_ids(static_cast<std::size_t>(all_tokens), 3);
    std::transform(values.begin(), values.end(), ids_.data_ptr<std::int64_t>(), [](auto id) { return id % early_token; });
    ids_[0][7] = early_token;
    ids_[segments - 1][0] = late_token;
    if (world().rank() == 0) {
      write_file_atomically(folder_ / "ids.safetensors", write_safetensors({{"ids", ids_.to(at::kInt)}}, {}));
      write_text(folder_ / "tokenizer.json", tiny_tokenizer().dump());
    }
    options_.ids = folder_ / "ids.safetensors";
    world().barrier();
  }
  ~MomentsTest() { world().barrier(); }

  Tokenizer tokenizer() const { return Tokenizer::open(folder_); }
  std::filesystem::path checkpoints(std::string const& store) const { return folder_ / (store + ".checkpoints"); }
  std::map<int, std::string> keys(Layers const& layers) const { return moment_keys(options_, layers, prints_); }

  void make(Communicator const& comm, CausalLM const& model, std::string const& store, Layers const& layers) const {
    make_moments(comm, model, tokenizer(), options_, layers, ObjectStore(folder_ / store, false), checkpoints(store), prints_);
  }
  /// What all ranks together say in refusal; "" when they succeed.
  std::string refusal(CausalLM const& model, std::string const& store, Layers const& layers) const {
    try {
      make(world(), model, store, layers);
    } catch (std::exception const& error) {
      return error.what();
    }
    return "";
  }
  /// Hash of an object; "absent" where there is none.
  std::string object(std::string const& store, int layer) const {
    auto const bytes = ObjectStore(folder_ / store, false).get(keys({layer}).at(layer));
    return bytes ? sha256(*bytes) : "absent";
  }
  /// As one rank makes them, once per test.
  std::string expected(int layer) const {
    if (!std::filesystem::exists(folder_ / "expected")) {
      world().barrier();
      if (world().rank() == 0) make(Communicator(), *sound_, "expected", {0, 1, 2});
      world().barrier();
    }
    return object("expected", layer);
  }
  SecondMoment load(std::string const& store, int layer) const {
    return load_moment(ObjectStore(folder_ / store, false), keys({layer}).at(layer), layer, 64);
  }
  /// A model in which a token leads to keys that are not numbers.
  static std::unique_ptr<CausalLM> poisoned(std::int64_t token) {
    auto checkpoint = tiny_gpt2();
    checkpoint.tensors["transformer.wte.weight"][token].fill_(std::numeric_limits<double>::quiet_NaN());
    return checkpoint.load();
  }
  /// In float64 from the definition.
  at::Tensor direct(int layer, std::int64_t tokens) const {
    auto sum = at::zeros({64, 64}, at::kDouble);
    Layers const layers{layer};
    for (std::int64_t done = 0, row = 0; done < tokens; ++row) {
      auto const length = std::min(segment_length, tokens - done);
      auto const* data = ids_.const_data_ptr<std::int64_t>() + row * segment_length;
      visit_keys(*sound_, pack_rows({{data, data + length}}, at::kCPU), layers, [&](int, at::Tensor const& keys) {
        auto const x = keys.to(at::kDouble);
        sum += at::mm(x.t(), x);
      });
      done += length;
    }
    return sum / static_cast<double>(tokens);
  }

  std::optional<TemporaryFolder> own_folder_;
  std::filesystem::path folder_;
  at::Tensor ids_;
  MomentsOptions options_;
  Fingerprints prints_{"model", "tokenizer", "execution"};
  std::unique_ptr<CausalLM> sound_ = tiny_gpt2().load();
};

RANK_TEST_F(MomentsTest, AnyNumberOfRanksAndOfLayersGivesTheSameBits) {
  make(world(), *sound_, "together", {2, 0, 1});
  make(world(), *sound_, "apart", {1});
  make(world(), *sound_, "apart", {2});
  world().barrier();
  for (int layer : {0, 1, 2}) EXPECT_EQ(object("together", layer), expected(layer)) << layer;
  for (int layer : {1, 2}) EXPECT_EQ(object("apart", layer), expected(layer)) << layer;
  EXPECT_TRUE(std::filesystem::is_empty(checkpoints("together")));
}

RANK_TEST_F(MomentsTest, TheyAreMeansOverAllTokens) {
  make(world(), *sound_, "store", {0, 2});
  world().barrier();
  for (int layer : {0, 2}) {
    auto const moment = load("store", layer);
    EXPECT_EQ(moment.tokens, all_tokens);
    EXPECT_EQ(moment.model, sound_->fingerprint());
    EXPECT_LT(largest_difference(moment.matrix, direct(layer, all_tokens)), 1e-5);
  }
}

RANK_TEST_F(MomentsTest, ALimitCutsTheLastSegment) {
  for (std::int64_t const tokens : {1, 59, 60, 5003}) {
    options_.tokens = tokens;
    make(world(), *sound_, "store", {1});
    world().barrier();
    auto const moment = load("store", 1);
    EXPECT_EQ(moment.tokens, tokens);
    EXPECT_LT(largest_difference(moment.matrix, direct(1, tokens)), 1e-5) << tokens;
  }
  options_.tokens = all_tokens + 1;
  EXPECT_THAT(refusal(*sound_, "store", {1}), AllOf(HasSubstr("24000"), HasSubstr("24001")));
}

RANK_TEST_F(MomentsTest, ConvergenceComparesWithHalfTheTokens) {
  make(world(), *sound_, "store", {1});
  world().barrier();
  auto const whole = load("store", 1);
  ASSERT_EQ(whole.convergence.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    auto const share = all_tokens >> (2 - i);  // reached at the end of a unit, at most 2048 + 59 tokens late
    EXPECT_GE(whole.convergence[i].tokens, share);
    EXPECT_LT(whole.convergence[i].tokens, share + 2107);
  }
  auto const half = direct(1, whole.convergence[1].tokens), full = direct(1, all_tokens);
  EXPECT_NEAR(whole.convergence[2].change, ((full - half).norm() / full.norm()).item<double>(), 1e-5);
}

RANK_TEST_F(MomentsTest, GoesOnFromTheLastSection) {
  auto const failure = refusal(*poisoned(late_token), "store", {0, 2});
  EXPECT_THAT(failure, AllOf(HasSubstr("Layer 0"), HasSubstr("row 400"), HasSubstr("not finite")));
  world().barrier();
  EXPECT_EQ(object("store", 0), "absent");
  // What the first segment gives cannot be computed now; it must come from the checkpoint, also beside a layer that has none.
  auto const no_start = poisoned(early_token);
  EXPECT_EQ(refusal(*no_start, "store", {0, 2}), "");
  world().barrier();
  for (int layer : {0, 2}) {
    EXPECT_NE(expected(layer), "absent");
    auto const resumed = load("store", layer), whole = load("expected", layer);
    EXPECT_TRUE(resumed.matrix.equal(whole.matrix)) << layer;
    ASSERT_EQ(resumed.convergence.size(), whole.convergence.size());
    for (std::size_t i = 0; i < whole.convergence.size(); ++i)
      EXPECT_EQ(resumed.convergence[i].change, whole.convergence[i].change);
  }
  EXPECT_THAT(refusal(*no_start, "other", {0}), HasSubstr("beginning of the corpus"));
}

RANK_TEST_F(MomentsTest, LayersMayHaveGotDifferentlyFar) {
  EXPECT_NE(refusal(*poisoned(late_token), "store", {1}), "");
  make(world(), *sound_, "store", {0, 1, 2});
  world().barrier();
  for (int layer : {0, 1, 2}) EXPECT_EQ(object("store", layer), expected(layer)) << layer;
}

RANK_TEST_F(MomentsTest, DamagedCheckpointsAreNotBelieved) {
  auto const file = checkpoints("store") / (keys({1}).at(1) + ".safetensors");
  auto const spoils = std::vector<std::function<void(std::string&)>>{
      [](std::string& content) { content.resize(content.size() / 2); },
      [](std::string& content) { content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 4); },
      [](std::string& content) { content.clear(); }};
  for (auto const& spoil : spoils) {
    EXPECT_NE(refusal(*poisoned(late_token), "store", {1}), "");
    world().barrier();
    if (world().rank() == 0) {
      auto content = read_file(file);
      spoil(content);
      write_text(file, content);
    }
    world().barrier();
    EXPECT_NE(refusal(*poisoned(early_token), "store", {1}), "");  // nothing to go on from
    world().barrier();
  }
  if (world().rank() == 0) CheckpointFile(file).write(write_safetensors({{"sum", at::ones({3, 3})}}, {{"moment", "{}"}}));
  world().barrier();
  make(world(), *sound_, "store", {1});
  world().barrier();
  EXPECT_EQ(object("store", 1), expected(1));
}

RANK_TEST_F(MomentsTest, StoredOnesAreNotComputedAgain) {
  if (world().rank() == 0) {
    ObjectStore(folder_ / "store", false).put(keys({2}).at(2), to_bytes({2, 7, at::eye(64), "stored", {}}));
  }
  world().barrier();
  auto const broken = poisoned(late_token);
  EXPECT_EQ(refusal(*broken, "store", {2}), "");
  EXPECT_NE(refusal(*broken, "store", {1, 2}), "");  // layer 1 is not there
  make(world(), *sound_, "store", {1, 2});
  world().barrier();
  EXPECT_EQ(load("store", 2).model, "stored");
  EXPECT_EQ(object("store", 1), expected(1));
}

RANK_TEST_F(MomentsTest, TextsAreTokenizedByTheirRank) {
  std::string text;
  for (int d = 0; d < 300; ++d) text += "Paragraph " + std::to_string(d * d) + " of a text, " + std::string(350, 'a') + "\n\n";
  if (world().rank() == 0) write_text(folder_ / "a.txt", text);
  world().barrier();
  options_.ids.clear();
  options_.text = {folder_ / "a.txt"};
  make(world(), *sound_, "store", {0});
  world().barrier();
  EXPECT_EQ(object("store", 0), expected(0));
  std::int64_t bytes_of_text = 0;  // every byte is a token, but those of line breaks
  for (char c : text) bytes_of_text += c != '\n';
  EXPECT_EQ(load("store", 0).tokens, bytes_of_text);
}

RANK_TEST_F(MomentsTest, KeysNameAllThatDecidesBits) {
  auto const key = [&] { return keys({1}).at(1); };
  auto const first = key();
  EXPECT_EQ(first, keys({0, 1, 2}).at(1));
  EXPECT_NE(first, keys({0}).at(0));
  auto const differs_with = [&](auto const& change) {
    auto const options = options_;
    auto const prints = prints_;
    change();
    EXPECT_NE(key(), first);
    options_ = options;
    prints_ = prints;
  };
  differs_with([&] { options_.tokens = 100; });
  differs_with([&] { options_.segment = 32; });
  differs_with([&] { prints_.model = "another"; });
  differs_with([&] { prints_.execution = "another"; });
  prints_.tokenizer = "another";  // ids are what they are
  EXPECT_EQ(key(), first);
  if (world().rank() == 0) write_file_atomically(folder_ / "same", write_safetensors({{"x", ids_}}, {}));
  world().barrier();
  if (world().rank() == 0) std::filesystem::rename(folder_ / "same", folder_ / "same.safetensors");
  world().barrier();
  options_.ids = folder_ / "same.safetensors";
  EXPECT_EQ(key(), first);
}

RANK_TEST_F(MomentsTest, KeysChangeWithTheSettingsThatTheTableSays) {
  for (auto const& field : fields_of<MomentsOptions>()) {
    if (field.enters != Enters::moments) continue;
    auto const before = options_;
    auto const key = keys({1}).at(1);
    EXPECT_EQ(field.set(options_, YAML::Node(7)), "");
    EXPECT_NE(keys({1}).at(1), key) << field.name;
    options_ = before;
  }
}

RANK_TEST_F(MomentsTest, BadInputIsRefusedByAll) {
  EXPECT_THAT(refusal(*sound_, "store", {3}), HasSubstr("layers 0 to 2"));
  options_.segment = 65;
  EXPECT_THAT(refusal(*sound_, "store", {1}), HasSubstr("64 positions"));
  options_.segment = 0;
  options_.text = {folder_ / "absent.txt"};
  EXPECT_THAT(refusal(*sound_, "store", {1}), HasSubstr("choose one"));
  options_.ids.clear();
  EXPECT_THAT(refusal(*sound_, "store", {1}), HasSubstr("absent.txt"));
  options_.text.clear();
  EXPECT_THAT(refusal(*sound_, "store", {1}), HasSubstr("none is named"));
  options_.files = {{1, folder_ / "tokenizer.json"}};
  EXPECT_THAT(refusal(*sound_, "store", {1}), HasSubstr("tokenizer.json"));
  auto const ids = [&](std::map<std::string, at::Tensor> const& tensors) {
    world().barrier();
    if (world().rank() == 0) write_file_atomically(folder_ / "bad.safetensors", write_safetensors(tensors, {}));
    world().barrier();
    options_ = {};
    options_.ids = folder_ / "bad.safetensors";
    return refusal(*sound_, "store", {1});
  };
  EXPECT_THAT(ids({{"a", ids_}, {"b", ids_}}), HasSubstr("several"));
  EXPECT_THAT(ids({{"a", ids_.to(at::kFloat)}}), HasSubstr("no integer tensor"));
  EXPECT_THAT(ids({{"a", ids_.flatten()}}), HasSubstr("no integer tensor"));
  EXPECT_THAT(ids({{"a", ids_ + 1}}), AllOf(HasSubstr("row 400"), HasSubstr("260"), HasSubstr("0 to 259")));
  EXPECT_THAT(ids({{"a", ids_.narrow(0, 0, 0)}}), HasSubstr("no rows"));
}

RANK_TEST_F(MomentsTest, ACorpusThatIsTooSmallIsRefusedBeforeTheWork) {
  if (world().rank() == 0) write_text(folder_ / "a.txt", "seven c");
  if (world().rank() == 0) write_text(folder_ / "b.jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n");
  world().barrier();
  options_.ids.clear();
  auto const complaint = [&](char const* text, std::int64_t tokens, std::int64_t least) {
    options_.text = {folder_ / text};
    options_.tokens = tokens;
    auto const check = [&] {
      check_moments(options_, keys({1}), *sound_, tokenizer(), least, ObjectStore(folder_ / "store", false));
    };
    return complaint_of(check);
  };
  EXPECT_EQ(complaint("a.txt", 0, 7), "");
  EXPECT_THAT(complaint("a.txt", 0, 8), AllOf(HasSubstr("has 7 tokens"), HasSubstr("at least 8")));
  EXPECT_THAT(complaint("a.txt", 9, 0), HasSubstr("only 7 tokens, but 9 are requested"));
  EXPECT_THAT(complaint("b.jsonl", 0, 0), HasSubstr("line 2"));
}

RANK_TEST_F(MomentsTest, StoredOnesMustFit) {
  ObjectStore const store(folder_ / "store", false);
  auto const key = keys({1}).at(1);
  EXPECT_THROW(load_moment(store, key, 1, 64), RunError);
  world().barrier();
  if (world().rank() == 0) store.put(key, to_bytes({1, 7, at::eye(64), "model", {}}));
  world().barrier();
  EXPECT_NO_THROW(load_moment(store, key, 1, 64));
  EXPECT_THROW(load_moment(store, key, 2, 64), ShapeError);
  EXPECT_THROW(load_moment(store, key, 1, 32), ShapeError);
}

RANK_TEST_F(MomentsTest, ExportsAreImported) {
  if (world().rank() == 0) {
    write_file_atomically(folder_ / "export", to_bytes({1, 7, at::eye(64), sound_->fingerprint(), {}}));
  }
  world().barrier();
  options_ = {};
  options_.files = {{1, folder_ / "export"}};
  make(world(), *sound_, "store", {1});
  world().barrier();
  EXPECT_EQ(load("store", 1).tokens, 7);
  EXPECT_THAT(refusal(*poisoned(1), "other", {1}), HasSubstr("another model"));
}

TEST(Sections, EndAtSharesAndBeforeFourMebitokens) {
  auto const ends = [](std::vector<std::int64_t> const& units) {
    std::vector<std::pair<std::size_t, bool>> result;
    std::size_t first = 0;
    for (auto const& section : cut_sections(units)) {
      EXPECT_EQ(section.first, first);
      first = section.last;
      result.emplace_back(section.last, section.mark);
    }
    return result;
  };
  using Ends = std::vector<std::pair<std::size_t, bool>>;
  EXPECT_EQ(ends(std::vector<std::int64_t>(8, 100)), (Ends{{1, true}, {2, true}, {4, true}, {8, true}}));
  EXPECT_EQ(ends({1000, 1, 0}), (Ends{{1, true}, {2, true}}));
  EXPECT_EQ(ends({0, 0, 5}), (Ends{{3, true}}));
  // 16 Mi tokens: shares at 2, 4, 8 and 16 Mi, and one more end at 12.
  EXPECT_EQ(ends(std::vector<std::int64_t>(16, 1 << 20)), (Ends{{2, true}, {4, true}, {8, true}, {12, false}, {16, true}}));
  EXPECT_EQ(ends({}), Ends{});
}

}  // namespace
}  // namespace onemask::test
