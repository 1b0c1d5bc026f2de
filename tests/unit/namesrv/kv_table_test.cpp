#include "namesrv/kv_table.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace merlin::namesrv::test {
namespace {

class Kv : public ::testing::Test {
 protected:
  Kv() {
    std::string pattern = (std::filesystem::temp_directory_path() / "merlin-kv-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    path = folder + "/namesrv/kvConfig.json";
  }
  ~Kv() override { std::filesystem::remove_all(folder); }
  void write(const std::string& content) {
    std::filesystem::create_directories(folder + "/namesrv");
    std::ofstream(path) << content;
  }
  std::string content() const {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder;
  std::string path;
};

TEST_F(Kv, survives_a_restart_in_apaches_shape) {
  KvTable kv(posix_file_system(), path);
  ASSERT_TRUE(kv.load().ok());
  EXPECT_FALSE(kv.table_json("ORDER_TOPIC_CONFIG").has_value());
  ASSERT_TRUE(kv.put("ORDER_TOPIC_CONFIG", "T", "b:4").ok());
  ASSERT_TRUE(kv.put("ORDER_TOPIC_CONFIG", "U", "b:1").ok());
  ASSERT_TRUE(kv.remove("ORDER_TOPIC_CONFIG", "U").ok());
  ASSERT_TRUE(kv.remove("nowhere", "U").ok());
  EXPECT_EQ(content(), R"({"configTable":{"ORDER_TOPIC_CONFIG":{"T":"b:4"}}})");
  KvTable again(posix_file_system(), path);
  ASSERT_TRUE(again.load().ok());
  EXPECT_EQ(again.get("ORDER_TOPIC_CONFIG", "T"), "b:4");
  EXPECT_FALSE(again.get("ORDER_TOPIC_CONFIG", "U").has_value());
  EXPECT_EQ(again.table_json("ORDER_TOPIC_CONFIG"), R"({"table":{"T":"b:4"}})");
}

TEST_F(Kv, broken_file_falls_back_to_the_last_good_one) {
  KvTable kv(posix_file_system(), path);
  ASSERT_TRUE(kv.put("N", "k", "1").ok());
  ASSERT_TRUE(kv.put("N", "k", "2").ok());
  write("");
  KvTable again(posix_file_system(), path);
  ASSERT_TRUE(again.load().ok());
  EXPECT_EQ(again.get("N", "k"), "1");
}

TEST_F(Kv, broken_file_without_backup_is_an_error_and_stays) {
  write("{broken");
  KvTable kv(posix_file_system(), path);
  const Status loaded = kv.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find(path), std::string::npos) << loaded.error().message;
  EXPECT_EQ(content(), "{broken");
}

TEST_F(Kv, has_a_size_limit) {
  KvTable kv(posix_file_system(), path);
  EXPECT_EQ(kv.put("N", "k", std::string(KvTable::bytes_max, 'x')).error().code, Errc::limit);
  EXPECT_TRUE(kv.put("N", "k", "small").ok());
}

TEST_F(Kv, failed_write_is_reported) {
  std::ofstream(folder + "/namesrv") << "a file where the folder should be";
  KvTable kv(posix_file_system(), path);
  EXPECT_FALSE(kv.put("N", "k", "v").ok());
}

}  // namespace
}  // namespace merlin::namesrv::test
