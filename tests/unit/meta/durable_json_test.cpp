#include "meta/durable_json.h"

#include <atomic>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "meta/data_version.h"
#include "support.h"

namespace merlin::meta {
namespace {

using testing::HasSubstr;

TEST(DurableJson, BareKeysGetQuotes) {
  EXPECT_EQ(quote_bare_keys(R"({0:5})"), R"({"0":5})");
  EXPECT_EQ(quote_bare_keys("{ 0 : 5,\n\t-1:6 , \"a\":{12:1}}"), "{ \"0\" : 5,\n\t\"-1\":6 , \"a\":{\"12\":1}}");
  EXPECT_EQ(quote_bare_keys(R"({"a":[1,2,-3],"b":1.5e3})"), R"({"a":[1,2,-3],"b":1.5e3})");
  EXPECT_EQ(quote_bare_keys(R"({"a 1:2 \" {0:1}":"7:8"})"), R"({"a 1:2 \" {0:1}":"7:8"})");
  EXPECT_EQ(quote_bare_keys(R"(["open)"), R"(["open)");
}

TEST(DurableJson, ParseNeverThrows) {
  nlohmann::json out;
  for (const std::string_view text : {"", "{", "nul", "{\"a\":1e999}", "\"\xFF\"", "[1,]", "{0:}", "{:1}", "\"\\"}) {
    EXPECT_EQ(parse_json(text, out).error().code, Errc::corrupt) << text;
  }
  const std::string deep(200'000, '[');
  EXPECT_FALSE(parse_json(deep, out));
  EXPECT_TRUE(parse_json(deep + std::string(200'000, ']'), out));
}

TEST(DurableJson, StringsComeBack) {
  const std::string text = std::string("a\"\\/\n\r\t\b\f\x01 \xC3\xA4\xF0\x9F\x98\x80") + '\0' + "end";
  std::string out;
  append_json_string(out, text);
  EXPECT_EQ(json_of(out), text);
  std::string broken;
  append_json_string(broken, "a\xFF\xC3");
  EXPECT_EQ(json_of(broken), "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(DurableJson, PrettyAsApacheWritesIt) {
  // Golden files of Apache are compact JSON run through the same rules: undo, redo, compare.
  for (const std::string name : {"topics.json", "subscriptionGroup.json", "consumerOffset.json"}) {
    const std::string text = golden(name);
    std::string compact;
    for (const char c : text) {
      if (c != '\n' && c != '\t') compact.push_back(c);
    }
    EXPECT_EQ(pretty_json(compact), text) << name;
  }
}

class DurableFile : public testing::Test {
 protected:
  FaultyFileSystem files_;
  std::string seen_;
  const std::string path_ = "/store/config/x.json";

  Result<LoadedFrom> load() {
    seen_.clear();
    return load_file(files_, path_, [this](std::string_view text) -> Status {
      if (text == "bad") return Error{Errc::corrupt, "bad content"};
      seen_ = text;
      return {};
    });
  }
};

TEST_F(DurableFile, NothingThere) {
  const auto loaded = load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(*loaded, LoadedFrom::nothing);
}

TEST_F(DurableFile, BrokenOrEmptyOrMissingFallsBack) {
  ASSERT_TRUE(save_file(files_, path_, "one"));
  ASSERT_TRUE(save_file(files_, path_, "two"));
  EXPECT_EQ(*load(), LoadedFrom::file);
  EXPECT_EQ(seen_, "two");
  for (const std::string_view damage : {"bad", ""}) {
    damage_file(files_, path_, damage);
    EXPECT_EQ(*load(), LoadedFrom::backup) << damage;
    EXPECT_EQ(seen_, "one");
  }
  EXPECT_FALSE(files_.exists(path_)) << "a broken file goes out of the way";
  EXPECT_EQ(*load(), LoadedFrom::backup);
  EXPECT_EQ(seen_, "one");
}

TEST_F(DurableFile, BothBrokenIsAnErrorWithBothReasons) {
  ASSERT_TRUE(save_file(files_, path_, "one"));
  ASSERT_TRUE(save_file(files_, path_, "two"));
  damage_file(files_, path_, "bad");
  damage_file(files_, path_ + ".bak", "");
  const auto loaded = load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message, HasSubstr("bad content"));
  EXPECT_THAT(loaded.error().message, HasSubstr(".bak is empty"));
  EXPECT_TRUE(files_.exists(path_));  // nothing is thrown away
}

TEST(DataVersion, JsonInApachesOrder) {
  DataVersion version;
  version.next(start_ms);
  version.next(start_ms + 5);
  EXPECT_EQ(version.json(), R"({"counter":2,"stateVersion":0,"timestamp":1700000000005})");
  const auto parsed = DataVersion::parse(version.json());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, version);
  EXPECT_FALSE(DataVersion::parse("[]").ok());
  EXPECT_FALSE(DataVersion::parse(R"({"counter":"x"})").ok());
  EXPECT_FALSE(DataVersion::parse("").ok());
}

TEST(DurableJson, ABrokenFileNeverReplacesTheGoodBackup) {
  FaultyFileSystem files(1);
  const auto decode = [](std::string_view text) { return text == "good" ? Status() : Error{Errc::corrupt, "bad"}; };
  ASSERT_TRUE(files.make_dirs("/d"));
  ASSERT_TRUE(save_file(files, "/d/f", "good"));
  ASSERT_TRUE(save_file(files, "/d/f", "good"));
  const auto damage = [&files] {
    auto file = files.open("/d/f", OpenMode::create);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->pwrite(as_bytes("twisted"), 0));
  };
  for (int i = 0; i < 3; ++i) {
    damage();
    const auto loaded = load_file(files, "/d/f", decode);
    ASSERT_TRUE(loaded.ok()) << "round " << i;
    EXPECT_EQ(*loaded, LoadedFrom::backup);
    ASSERT_TRUE(save_file(files, "/d/f", "good"));
  }
  EXPECT_TRUE(files.exists("/d/f.broken"));
}

}  // namespace
}  // namespace merlin::meta
