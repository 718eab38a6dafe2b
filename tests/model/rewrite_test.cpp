#include "support/tiny_families.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/model/rewrite.hpp>

#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Tensors = std::map<std::string, at::Tensor>;

class RewriteTest : public testing::Test {
 protected:
  RewriteTest() { std::filesystem::create_directory(source_); }

  void write(std::string const& name, std::string const& content) {
    std::filesystem::create_directories((source_ / name).parent_path());
    write_file_atomically(source_ / name, content);
  }
  /// GPT-2 in two files: layer 1 in the second.
  void write_shards(at::ScalarType dtype = at::kFloat) {
    std::map<std::string, Tensors> files;
    std::string map, config = gpt2_.config;
    for (auto const& [name, tensor] : gpt2_.tensors) {
      auto const* file =
          name.find("h.1.") == std::string::npos ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
      files[file].emplace(name, tensor.to(dtype));
      map += (map.empty() ? "\"" : ", \"") + name + "\": \"" + file + "\"";
    }
    for (auto const& [file, tensors] : files) write(file, write_safetensors(tensors, {{"format", "pt"}}));
    write("model.safetensors.index.json", R"({"metadata": {"total_size": 1}, "weight_map": {)" + map + "}}");
    write("config.json", config);
  }

  std::vector<TensorChange> rewrite(std::function<at::Tensor(at::Tensor)> const& change,
                                    std::string const& dtype = "keep") const {
    auto const source = Checkpoint::open(source_);
    auto const model = load_as_stored(source);
    return rewrite_checkpoint(source, *model, {{1, change(model->projection(1).weight.to(at::kFloat))}}, dtype, copy_);
  }

  template <typename Error>
  std::string complaint(std::function<at::Tensor(at::Tensor)> const& change, std::string const& dtype = "keep") const {
    auto const before = names(folder_.path());
    try {
      rewrite(change, dtype);
    } catch (Error const& error) {
      EXPECT_EQ(names(folder_.path()), before) << "something was left behind";
      return error.what();
    }
    return "nothing thrown";
  }

  static std::set<std::string> names(std::filesystem::path const& folder) {
    std::set<std::string> names;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(folder))
      names.insert(entry.path().lexically_relative(folder).string());
    return names;
  }

  static ino_t inode(std::filesystem::path const& file) {
    struct stat status {};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    return status.st_ino;
  }

  test::TinyCheckpoint const gpt2_ = test::tiny_gpt2();
  std::string const name_ = "transformer.h.1.mlp.c_proj.weight";
  test::TemporaryFolder folder_;
  std::filesystem::path const source_ = folder_ / "source", copy_ = folder_ / "copy";
};

at::Tensor add_one_entry(at::Tensor weight) {
  weight = weight.clone();
  weight.index_put_({at::tensor(2), at::tensor(5)}, weight.index({at::tensor(2), at::tensor(5)}) + 3);
  return weight;
}

TEST_F(RewriteTest, OneEntryOfEveryFamilyIsAtItsStoredPlace) {
  for (auto const& family : model_families()) {
    SCOPED_TRACE(family);
    auto const checkpoint = test::tiny_family(family);
    auto const model = checkpoint.load();
    auto const name = (family == "gemma3" ? "language_model." : "") + model->projection(1).name;
    auto const place = family == "gpt2" ? std::pair(5, 2) : std::pair(2, 5);
    std::filesystem::remove_all(copy_);
    checkpoint.write_to(source_);
    auto const changes = rewrite(add_one_entry);
    ASSERT_THAT(changes, SizeIs(1));
    EXPECT_EQ(changes[0].name, name);
    EXPECT_EQ(changes[0].file, "model.safetensors");
    EXPECT_EQ(changes[0].shape, checkpoint.tensors.at(name).sizes().vec());
    EXPECT_NEAR(changes[0].norm, 3, 1e-6);
    EXPECT_NEAR(changes[0].largest, 3, 1e-6);
    EXPECT_NEAR(changes[0].relative, 3 / checkpoint.tensors.at(name).norm().item<double>(), 1e-6);

    auto const file = SafetensorsFile::open(copy_ / "model.safetensors");
    for (auto const& [stored, before] : checkpoint.tensors) {
      auto expected = before.clone();
      if (stored == name) expected[place.first][place.second] += 3;
      EXPECT_TRUE(at::equal(file.tensor(stored), expected)) << stored;
    }
    EXPECT_EQ(load_as_stored(Checkpoint::open(copy_))->projection(1).weight[2][5].item<float>(),
              add_one_entry(load_as_stored(Checkpoint::open(source_))->projection(1).weight)[2][5].item<float>());
  }
}

TEST_F(RewriteTest, NamesWithoutThePrefixAreFoundAndKept) {
  auto bare = gpt2_;
  bare.tensors.clear();
  for (auto const& [name, tensor] : gpt2_.tensors) bare.tensors[name.substr(std::string("transformer.").size())] = tensor;
  bare.write_to(source_);
  EXPECT_EQ(rewrite(add_one_entry).at(0).name, "h.1.mlp.c_proj.weight");
  EXPECT_EQ(Checkpoint::open(copy_).names(), Checkpoint::open(source_).names());
}

TEST_F(RewriteTest, HashesAreOfTheBytesInTheFiles) {
  gpt2_.write_to(source_);
  auto const change = rewrite([](at::Tensor weight) { return weight * 2; }).at(0);
  auto const hash = [&](std::filesystem::path const& folder) {
    auto const tensor = SafetensorsFile::open(folder / "model.safetensors").tensor(name_);
    return sha256({static_cast<char const*>(tensor.const_data_ptr()), tensor.nbytes()});
  };
  EXPECT_EQ(change.sha256_before, hash(source_));
  EXPECT_EQ(change.sha256_after, hash(copy_));
  EXPECT_NE(change.sha256_before, change.sha256_after);
  EXPECT_NEAR(change.relative, 1, 1e-12);
}

TEST_F(RewriteTest, FilesOfWeightsWithoutAChangeAreLinked) {
  write_shards();
  EXPECT_EQ(rewrite(add_one_entry).at(0).file, "model-00002-of-00002.safetensors");
  EXPECT_EQ(inode(copy_ / "model-00001-of-00002.safetensors"), inode(source_ / "model-00001-of-00002.safetensors"));
  EXPECT_NE(inode(copy_ / "model-00002-of-00002.safetensors"), inode(source_ / "model-00002-of-00002.safetensors"));
  EXPECT_EQ(read_file(copy_ / "model.safetensors.index.json"), read_file(source_ / "model.safetensors.index.json"));
  EXPECT_EQ(SafetensorsFile::open(copy_ / "model-00002-of-00002.safetensors").metadata().at("format"), "pt");
}

TEST_F(RewriteTest, EveryFileSaysItsFormatForTransformers) {
  write_shards();
  for (auto const* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    std::map<std::string, at::Tensor> tensors;
    auto const file = SafetensorsFile::open(source_ / name);
    for (auto const& tensor : file.names()) tensors[tensor] = file.tensor(tensor).clone();
    save_safetensors(source_ / name, tensors, {});
  }
  rewrite(add_one_entry);
  for (auto const* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    EXPECT_EQ(SafetensorsFile::open(copy_ / name).metadata().at("format"), "pt") << name;
}

TEST_F(RewriteTest, LinksToFilesElsewhereAreFollowed) {
  write_shards();
  std::filesystem::create_directory(folder_ / "blobs");
  for (std::string const name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json"}) {
    std::filesystem::rename(source_ / name, folder_ / "blobs" / name);
    std::filesystem::create_symlink("../blobs/" + name, source_ / name);
  }
  rewrite(add_one_entry);
  for (auto const& entry : std::filesystem::directory_iterator(copy_)) EXPECT_FALSE(entry.is_symlink()) << entry.path();
  EXPECT_NO_THROW(Checkpoint::open(copy_));
}

TEST_F(RewriteTest, OtherFilesAreCopiedButForOtherWeights) {
  gpt2_.write_to(source_);
  std::set<std::string> const kept{"tokenizer.json", "merges.txt", "modeling.py",
                                   ".gitattributes", "templates",  "templates/one.jinja"};
  for (auto const& name : kept)
    if (name != "templates") write(name, "content of " + name);
  for (auto const* name : {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "original/consolidated.00.pth",
                           "consolidated.safetensors", "model.safetensors.index.json", ".git/HEAD", "training_args.bin"})
    write(name, "an old one");
  rewrite(add_one_entry);
  auto expected = kept;
  expected.insert({"config.json", "model.safetensors"});
  EXPECT_EQ(names(copy_), expected);
  EXPECT_EQ(read_file(copy_ / "templates/one.jinja"), "content of templates/one.jinja");
  EXPECT_EQ(read_file(copy_ / "config.json"), read_file(source_ / "config.json"));
}

TEST_F(RewriteTest, TheTypeOfTheFileIsKept) {
  write_shards(at::kHalf);
  auto const change = rewrite([](at::Tensor weight) { return weight + 0.1F; }).at(0);
  EXPECT_EQ(change.dtype, "float16");
  auto const after = SafetensorsFile::open(copy_ / change.file).tensor(name_);
  EXPECT_EQ(after.scalar_type(), at::kHalf);
  EXPECT_TRUE(at::equal(after, (gpt2_.tensors.at(name_).to(at::kHalf).to(at::kFloat) + 0.1F).to(at::kHalf)));
  // As written: the change is that of rounded entries.
  auto const difference = after.to(at::kDouble) - gpt2_.tensors.at(name_).to(at::kHalf).to(at::kDouble);
  EXPECT_NEAR(change.norm, difference.norm().item<double>(), 1e-12);
  EXPECT_NE(change.norm, 0.1 * std::sqrt(16.0 * 64));
}

TEST_F(RewriteTest, ATypeConvertsAllFloatingTensors) {
  write_shards();
  auto const change = rewrite(add_one_entry, "bfloat16").at(0);
  EXPECT_EQ(change.dtype, "bfloat16");
  EXPECT_EQ(change.sha256_before.size(), 64U);
  auto const copy = Checkpoint::open(copy_);
  for (auto const& [file_name, file] : copy.files()) {
    for (auto const& name : file.names()) {
      auto expected = gpt2_.tensors.at(name).clone();
      if (name == name_) expected[5][2] += 3;
      EXPECT_TRUE(at::equal(file.tensor(name), expected.to(at::kBFloat16))) << name;
      EXPECT_EQ(file.tensor(name).scalar_type(), at::kBFloat16) << name;
    }
  }
  EXPECT_THAT(read_file(copy_ / "config.json"), HasSubstr(R"("torch_dtype": "bfloat16")"));
  EXPECT_EQ(copy.config(), Checkpoint::open(source_).config());
  EXPECT_THAT(read_file(copy_ / "model.safetensors.index.json"), HasSubstr("\"total_size\": " + std::to_string(copy.bytes())));
}

TEST_F(RewriteTest, ConfigurationsInsideStateTheTypeToo) {
  auto checkpoint = test::tiny_family("gemma3");
  std::string const text = R"("text_config": {)";
  checkpoint.config.replace(checkpoint.config.find(text), text.size(), text + R"("torch_dtype": "float64", )");
  std::filesystem::create_directory(source_);
  checkpoint.write_to(source_);
  rewrite(add_one_entry, "bfloat16");
  auto const config = read_file(copy_ / "config.json");
  EXPECT_THAT(config, testing::Not(HasSubstr("float64")));
  EXPECT_THAT(config, HasSubstr(R"("torch_dtype": "bfloat16")"));
}

TEST_F(RewriteTest, AWiderTypeKeepsWhatRoundingWouldLose) {
  write_shards(at::kHalf);
  EXPECT_THAT(complaint<RunError>([](at::Tensor weight) { return weight * (1 + 1e-5F); }), HasSubstr("rounded"));
  auto const change = rewrite([](at::Tensor weight) { return weight * (1 + 1e-5F); }, "float32").at(0);
  EXPECT_NEAR(change.relative, 1e-5, 1e-6);
}

TEST_F(RewriteTest, TensorsOfOtherTypesAreKept) {
  auto checkpoint = gpt2_;
  checkpoint.tensors["transformer.h.0.attn.bias"] = at::ones({1, 1, 4, 4}, at::kBool).tril();
  checkpoint.tensors["scales"] = at::tensor({1.5, -448.0}).to(at::ScalarType::Float8_e4m3fn);
  checkpoint.write_to(source_);
  rewrite(add_one_entry, "float16");
  auto const file = SafetensorsFile::open(copy_ / "model.safetensors");
  EXPECT_EQ(file.stored("scales").bytes, SafetensorsFile::open(source_ / "model.safetensors").stored("scales").bytes);
  EXPECT_TRUE(at::equal(file.tensor("transformer.h.0.attn.bias"), checkpoint.tensors["transformer.h.0.attn.bias"]));
  EXPECT_EQ(file.tensor("transformer.wte.weight").scalar_type(), at::kHalf);
}

TEST_F(RewriteTest, NothingIsWrittenWithoutAChange) {
  gpt2_.write_to(source_);
  EXPECT_THAT(complaint<RunError>([](at::Tensor weight) { return weight; }), HasSubstr("no entry"));
  EXPECT_THAT(complaint<RunError>([](at::Tensor weight) { return weight; }, "float16"), HasSubstr("no entry"));
}

TEST_F(RewriteTest, EntriesThatDoNotFitAreRefused) {
  gpt2_.write_to(source_);
  EXPECT_THAT(complaint<UserError>([](at::Tensor weight) { return weight + 1e6F; }, "float16"),
              AllOf(HasSubstr(name_), HasSubstr("float16")));
  EXPECT_THAT(complaint<UserError>([](at::Tensor weight) { return weight * NAN; }), HasSubstr(name_));
  auto large = gpt2_;
  large.tensors["transformer.wpe.weight"] = large.tensors["transformer.wpe.weight"] * 1e6;
  large.write_to(source_);
  EXPECT_THAT(complaint<UserError>(add_one_entry, "float16"), HasSubstr("transformer.wpe.weight"));
  EXPECT_THAT(complaint<UserError>(add_one_entry, "float8"), HasSubstr("'float8'"));
}

TEST_F(RewriteTest, NothingIsWrittenOver) {
  gpt2_.write_to(source_);
  auto const source = Checkpoint::open(source_);
  auto const model = load_as_stored(source);
  std::filesystem::create_directory(copy_);
  std::filesystem::create_directory_symlink(source_, folder_ / "alias");
  write_file_atomically(folder_ / "file", "a file");
  auto const refusal = [&](std::filesystem::path const& folder) -> std::string {
    auto const before = names(folder_.path());
    try {
      rewrite_checkpoint(source, *model, {{1, at::zeros({16, 64})}}, "keep", folder);
    } catch (UserError const& error) {
      EXPECT_EQ(names(folder_.path()), before) << folder;
      return error.what();
    }
    return "nothing thrown";
  };
  for (auto const& folder : {source_, source_ / "", source_ / "inside" / "deep", source_ / "." / "..", folder_ / "alias"})
    EXPECT_THAT(refusal(folder), ::testing::AnyOf(HasSubstr("checkpoint that is read"), HasSubstr("not empty"))) << folder;
  EXPECT_THAT(refusal(folder_ / "file"), HasSubstr("not a folder"));
  EXPECT_THAT(names(copy_), IsEmpty());
  EXPECT_THAT(rewrite_checkpoint(source, *model, {{1, at::zeros({16, 64})}}, "keep", copy_ / ""), SizeIs(1));  // it is empty
  EXPECT_THAT(refusal(copy_), HasSubstr("not empty"));
  EXPECT_THAT(rewrite_checkpoint(source, *model, {{1, at::zeros({16, 64})}}, "keep", folder_ / "new" / "folder"), SizeIs(1));
}

}  // namespace
}  // namespace onemask
