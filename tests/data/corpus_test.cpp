#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/data/corpus.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t vocabulary = 256;

/// Every byte of a text is a token.
class CorpusTest : public testing::Test {
 protected:
  Tokenizer tokenizer(bool bos = false) const {
    TemporaryFolder const folder;
    auto content = tiny_tokenizer();
    write_text(folder / "tokenizer.json", content.dump());
    if (bos) write_text(folder / "tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "!"})");
    return Tokenizer::open(folder.path());
  }

  std::filesystem::path file(std::string const& name, std::string const& content) const {
    write_text(folder_ / name, content);
    return folder_ / name;
  }

  /// All segments as texts.
  std::vector<std::string> texts(Corpus const& corpus, std::int64_t longest = 1000, bool bos = false) const {
    std::vector<std::string> all;
    auto const words = tokenizer(bos);
    for (std::size_t u = 0; u < corpus.units(); ++u) {
      for (auto const& segment : corpus.segments(u, words, longest, vocabulary)) all.push_back(words.decode(segment.ids));
    }
    return all;
  }

  TemporaryFolder folder_;
};

TEST_F(CorpusTest, BlankLinesPartDocuments) {
  auto const corpus = Corpus::of_texts({file("a.txt", "\n \none\n\t\r\ntwo\nlines\n\n\nthree")});
  ASSERT_EQ(corpus.units(), 1u);
  EXPECT_THAT(texts(corpus), ElementsAre("one", "two\nlines", "three"));
  EXPECT_THAT(corpus.place(0, 1), AllOf(HasSubstr("a.txt"), HasSubstr("line 5")));
  EXPECT_THAT(corpus.place(0, 2), HasSubstr("line 9"));
}

TEST_F(CorpusTest, LineEndsAndMarksAreNoText) {
  std::string plain;
  for (int i = 0; i < 900; ++i) plain += "line " + std::to_string(i) + (i % 3 == 2 ? "\n\n" : "\n");
  auto crlf = plain;
  for (std::size_t at = 0; (at = crlf.find('\n', at)) != std::string::npos; at += 2) crlf.replace(at, 1, "\r\n");
  auto const mark = std::string("\xef\xbb\xbf");
  auto const expected = Corpus::of_texts({file("plain.txt", plain)});
  ASSERT_GT(expected.units(), 1u);
  for (auto const& content : {crlf, mark + plain, mark + crlf, crlf.substr(0, crlf.size() - 3)}) {
    auto const corpus = Corpus::of_texts({file("other.txt", content)});
    EXPECT_EQ(texts(corpus), texts(expected));
    EXPECT_EQ(corpus.units(), expected.units());
    for (std::size_t u = 0; u < corpus.units(); ++u)
      EXPECT_EQ(corpus.segments(u, tokenizer(), 1000, vocabulary).size(),
                expected.segments(u, tokenizer(), 1000, vocabulary).size());
    EXPECT_THAT(corpus.place(1, 0), HasSubstr(expected.place(1, 0).substr(expected.place(1, 0).find("line "))));
  }
  EXPECT_THAT(texts(Corpus::of_texts({file("a.jsonl", mark + "{\"text\": \"a\\r\\nb\"}\r\n")})), ElementsAre("a\r\nb"));
  EXPECT_THAT(texts(Corpus::of_ids(file("ids.jsonl", mark + "[104]\r\n[105]\r\n"))), ElementsAre("h", "i"));
}

TEST_F(CorpusTest, FilesThatAreNoTextAreRefused) {
  auto const refusal = [&](std::string const& content) {
    return complaint_of([&] { Corpus::of_texts({file("a.txt", content)}); });
  };
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
              AllOf(HasSubstr("a.txt"), HasSubstr("git lfs pull")));
  EXPECT_THAT(refusal("\x1f\x8b\x08"), HasSubstr("gunzip"));
  EXPECT_THAT(refusal(std::string("\xff\xfe[\0", 4)), HasSubstr("UTF-16"));
}

TEST_F(CorpusTest, LongDocumentsAreCutIntoSegments) {
  auto const corpus = Corpus::of_texts({file("a.txt", "abcdefgh\n\nxyz")});
  EXPECT_THAT(texts(corpus, 3), ElementsAre("abc", "def", "gh", "xyz"));
  EXPECT_THAT(texts(corpus, 3, true), ElementsAre("!ab", "!cd", "!ef", "!gh", "!xy", "!z"));
  EXPECT_EQ(corpus.segments(0, tokenizer(), 3, vocabulary)[3].document, 1u);
  EXPECT_NE(complaint_of([&] { texts(corpus, 1, true); }), "");
}

TEST_F(CorpusTest, FilesFollowEachOther) {
  file("b1.txt", "2");
  file("b0.txt", "1");
  auto const lines = file("c.jsonl", "{\"text\": \"3\\n\\n3\"}\n\n{\"text\": \"\"}\n{\"text\": \"4\", \"id\": 7}\n");
  auto const corpus = Corpus::of_texts({folder_ / "b*.txt", lines});
  EXPECT_TRUE(corpus.is_text());
  EXPECT_THAT(texts(corpus), ElementsAre("1", "2", "3\n\n3", "4"));
  EXPECT_THAT(corpus.place(2, 2), HasSubstr("line 4"));
}

TEST_F(CorpusTest, IdsComeFromLinesOrRows) {
  auto const corpus = Corpus::of_ids(file("a.jsonl", "[104, 105]\n[]\n[33]\n"));
  EXPECT_FALSE(corpus.is_text());
  EXPECT_THAT(texts(corpus, 1000, true), ElementsAre("hi", "!"));
  auto const rows = Corpus::of_rows({{104, 105}, {}, {33}}, "rows", "hash");
  EXPECT_THAT(texts(rows, 1), ElementsAre("h", "i", "!"));
  EXPECT_EQ(rows.place(0, 2), "'rows', row 3");
  EXPECT_EQ(rows.fingerprint(), "hash");
}

TEST_F(CorpusTest, UnitsHoldEveryDocumentOnce) {
  std::string content;
  std::vector<std::string> expected;
  for (int d = 0; d < 200; ++d) {
    expected.push_back(std::to_string(d) + std::string(900, 'x'));
    content += expected.back() + "\n\n";
  }
  auto const corpus = Corpus::of_texts({file("a.txt", content)});
  EXPECT_EQ(corpus.units(), 25u);  // a unit ends with the document in which it reaches 7 KiB
  EXPECT_EQ(texts(corpus), expected);
  EXPECT_EQ(Corpus::of_rows(std::vector(10, std::vector<std::int64_t>(512, 1)), "rows", "").units(), 3u);  // of 2048 tokens
}

TEST_F(CorpusTest, TextWithoutBlankLinesIsCutAtLines) {
  std::string content;
  for (int l = 0; l < 300; ++l) content += std::string(999, 'x') + "\n";
  auto const corpus = Corpus::of_texts({file("a.txt", content)});
  auto const all = texts(corpus, 1'000'000);
  ASSERT_EQ(all.size(), 5u);  // of 66 lines, the first number of lines that reaches 64 KiB
  EXPECT_EQ(all[0].size(), 65'999u);
  EXPECT_EQ(all[4].size(), 35'999u);
}

TEST_F(CorpusTest, FingerprintIsOfContentAndItsReading) {
  auto const print = [&](std::string const& name, std::string const& content) {
    return Corpus::of_texts({file(name, content)}).fingerprint();
  };
  EXPECT_EQ(print("a.txt", "one"), print("b.txt", "one"));
  EXPECT_NE(print("a.txt", "one"), print("a.txt", "two"));
  EXPECT_NE(print("a.txt", "[1]"), print("a.jsonl", "[1]"));
  EXPECT_NE(Corpus::of_ids(file("a.jsonl", "[1]")).fingerprint(), print("a.jsonl", "[1]"));
}

TEST_F(CorpusTest, BadFilesAreNamed) {
  EXPECT_THAT(complaint_of([&] { Corpus::of_texts({folder_ / "absent.txt"}); }), HasSubstr("absent.txt"));
  EXPECT_THAT(complaint_of([&] { Corpus::of_texts({folder_ / "no*.txt"}); }), HasSubstr("no*.txt"));
  EXPECT_THAT(complaint_of([&] { Corpus::of_texts({folder_.path()}); }), HasSubstr("is not a file"));
  EXPECT_THAT(complaint_of([&] { Corpus::of_texts({file("blank.txt", " \n\n")}); }), HasSubstr("blank.txt"));
  EXPECT_NE(complaint_of([&] { Corpus::of_texts({}); }), "");
  EXPECT_NE(complaint_of([&] { Corpus::of_rows({}, "rows", ""); }), "");
}

TEST_F(CorpusTest, BadLinesAreNamed) {
  auto const text = [&](std::string const& name, std::string const& content) {
    return complaint_of([&] { texts(Corpus::of_texts({file(name, content)})); });
  };
  auto const ids = [&](std::string const& content) {
    return complaint_of([&] { texts(Corpus::of_ids(file("i.jsonl", content))); });
  };
  EXPECT_THAT(text("a.txt", "fine\n\nnot \xff fine"), AllOf(HasSubstr("a.txt', line 3"), HasSubstr("UTF-8")));
  EXPECT_THAT(text("a.jsonl", "{\"text\": \"a\"}\n{\"text\": "), HasSubstr("a.jsonl', line 2"));
  EXPECT_THAT(text("a.jsonl", "{\"txt\": \"a\"}"), AllOf(HasSubstr("line 1"), HasSubstr("'text'")));
  EXPECT_THAT(text("a.jsonl", "[1]"), HasSubstr("line 1"));
  EXPECT_THAT(ids("[1]\n{\"text\": \"a\"}"), HasSubstr("line 2"));
  EXPECT_THAT(ids("[1, -2]"), HasSubstr("line 1"));
  EXPECT_THAT(ids("[1.5]"), HasSubstr("line 1"));
  EXPECT_THAT(ids("[255]\n[256]"), AllOf(HasSubstr("line 2"), HasSubstr("256"), HasSubstr("0 to 255")));
  EXPECT_THAT(complaint_of([&] { texts(Corpus::of_rows({{1}, {-1}}, "rows", "")); }), AllOf(HasSubstr("row 2"), HasSubstr("-1")));
}

TEST_F(CorpusTest, AFileThatShrinksIsNoticed) {
  auto const corpus = Corpus::of_texts({file("a.txt", "one\n\ntwo")});
  file("a.txt", "one");
  EXPECT_THROW(texts(corpus), RunError);
}

}  // namespace
}  // namespace onemask::test
