#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/store/object_store.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

std::string const key = sha256("made from this");

class ObjectStoreTest : public testing::Test {
 protected:
  std::filesystem::path file(std::string const& of) const { return folder_ / of.substr(0, 2) / of; }

  void overwrite(std::string const& bytes) const { std::ofstream(file(key), std::ios::binary | std::ios::trunc) << bytes; }

  test::TemporaryFolder folder_;
  ObjectStore store_{folder_.path(), true, "one kind of machine"};
};

TEST_F(ObjectStoreTest, GivesBackWhatWasPut) {
  std::string const payload("zero \0 and \xff", 11);
  EXPECT_FALSE(store_.has(key));
  EXPECT_EQ(store_.get(key), std::nullopt);
  store_.put(key, payload);
  EXPECT_TRUE(store_.has(key));
  EXPECT_EQ(store_.get(key), payload);
  EXPECT_EQ(ObjectStore(folder_.path(), false).get(key), payload);

  store_.put(sha256("nothing"), "");
  EXPECT_EQ(store_.get(sha256("nothing")), "");
}

TEST_F(ObjectStoreTest, KnowsWhatMadeAnObject) {
  auto const other = sha256("by another"), several = sha256("by both"), nobody = sha256("by nobody");
  EXPECT_EQ(store_.maker_of(key), std::nullopt);
  store_.put(key, "payload");
  ObjectStore(folder_.path(), false, "another kind").put(other, "payload");
  store_.put(several, "payload", "one kind and another");
  ObjectStore(folder_.path(), false).put(nobody, "payload");
  EXPECT_EQ(store_.maker_of(key), "one kind of machine");
  EXPECT_EQ(store_.maker_of(other), "another kind");
  EXPECT_EQ(store_.maker_of(several), "one kind and another");
  EXPECT_EQ(store_.maker_of(nobody), "");
  auto const object = store_.read(other);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->payload, "payload");
  EXPECT_EQ(object->made_by, "another kind");

  ObjectStore(folder_.path(), false, "another kind").put(key, "payload");
  EXPECT_EQ(store_.maker_of(key), "one kind of machine") << "an object that is there is left alone";
}

TEST_F(ObjectStoreTest, ReadsObjectsThatDoNotSayWhatMadeThem) {
  // The bytes of earlier versions: payload, magic, its length, SHA-256 of the key and the payload.
  std::string const payload = "of old";
  std::string const sum = Hasher().text(key).bytes(payload.data(), payload.size()).hex();
  std::string bytes = payload + "1MASKOBJ" + std::string("\6\0\0\0\0\0\0\0", 8);
  for (std::size_t i = 0; i < sum.size(); i += 2) bytes += static_cast<char>(std::stoi(sum.substr(i, 2), nullptr, 16));
  std::filesystem::create_directories(file(key).parent_path());
  overwrite(bytes);
  EXPECT_TRUE(store_.has(key));
  EXPECT_EQ(store_.get(key), payload);
  EXPECT_EQ(store_.maker_of(key), "");
  ObjectStore(folder_.path(), false).put(sha256("new"), payload);
  EXPECT_EQ(std::filesystem::file_size(file(sha256("new"))), bytes.size());
}

TEST_F(ObjectStoreTest, AddsLittleAndLeavesNoTemporaryFiles) {
  store_.put(key, std::string(1000, 'x'));
  store_.put(key, std::string(1000, 'x'));
  EXPECT_LT(std::filesystem::file_size(file(key)), 1100U);
  auto const entries = std::filesystem::directory_iterator(file(key).parent_path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(ObjectStoreTest, NeverBelievesATornObject) {
  store_.put(key, "a payload of some length");
  std::string const whole = read_file(file(key));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    overwrite(whole.substr(0, size));
    EXPECT_FALSE(store_.has(key)) << size;
    EXPECT_EQ(store_.maker_of(key), std::nullopt) << size;
    EXPECT_EQ(store_.get(key), std::nullopt) << size;
  }
  store_.put(key, "a payload of some length");
  EXPECT_EQ(store_.get(key), "a payload of some length");
}

TEST_F(ObjectStoreTest, NeverBelievesAnAlteredObject) {
  store_.put(key, "a payload of some length");
  std::string const whole = read_file(file(key));
  for (std::size_t place = 0; place < whole.size(); ++place) {
    std::string altered = whole;
    altered[place] = static_cast<char>(altered[place] ^ 1);
    overwrite(altered);
    EXPECT_EQ(store_.get(key), std::nullopt) << place;
    EXPECT_FALSE(store_.has(key)) << "a damaged object is moved aside";
  }
}

TEST_F(ObjectStoreTest, NeverBelievesAnObjectUnderAnothersName) {
  std::string const other = sha256("another");
  store_.put(key, "payload");
  std::filesystem::create_directories(file(other).parent_path());
  std::filesystem::copy_file(file(key), file(other));
  EXPECT_EQ(store_.get(other), std::nullopt);
  EXPECT_EQ(store_.get(key), "payload");
}

TEST_F(ObjectStoreTest, RefusesWhatIsNoKey) {
  for (auto const& bad :
       {std::string(), std::string("../../etc/passwd"), std::string(64, 'A'), std::string(63, 'a'), std::string(64, '/')}) {
    EXPECT_THROW(store_.has(bad), UserError);
    EXPECT_THROW(store_.get(bad), UserError);
    EXPECT_THROW(store_.put(bad, "x"), UserError);
  }
}

TEST_F(ObjectStoreTest, FindsAKeyByItsBeginning) {
  auto const one = "abcdef0" + std::string(57, '1'), two = "abcdef1" + std::string(57, '1');
  store_.put(one, "one");
  EXPECT_EQ(store_.find("abcdef"), one);
  store_.put(two, "two");
  EXPECT_EQ(store_.find("abcdef0"), one);
  EXPECT_EQ(store_.find(two), two);
  std::ofstream(file(one).string() + ".damaged") << "moved aside";
  EXPECT_EQ(store_.find("abcdef01"), one);
  for (auto const& [bad, part] : std::map<std::string, std::string>{{"abcdef", "2 objects"},
                                                                    {"abcdef2", "no object"},
                                                                    {"012345", "no object"},
                                                                    {"abcde", "6 to 64"},
                                                                    {"", "6 to 64"},
                                                                    {"../../etc", "6 to 64"},
                                                                    {"ABCDEF0", "6 to 64"},
                                                                    {one + "1", "6 to 64"}}) {
    try {
      store_.find(bad);
      ADD_FAILURE() << bad;
    } catch (UserError const& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(part)) << bad;
    }
  }
}

TEST_F(ObjectStoreTest, SaysThatTheDiskIsFullAndLeavesNothing) {
  // A limit on file sizes fails like a full disk: after a part was written.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit const small{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(store_.put(key, std::string(100'000, 'x')), RunError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_FALSE(store_.has(key));
  EXPECT_TRUE(std::filesystem::is_empty(file(key).parent_path()));
  store_.put(key, "now it fits");
  EXPECT_EQ(store_.get(key), "now it fits");
}

}  // namespace
}  // namespace onemask
