#include "store/progress.h"

#include "store/checkpoint.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

TEST(ProgressTest, ReadsWhatWasWrittenAndNothingElse) {
  FileSystem& files = posix_file_system();
  const std::string path = fresh_dir() + "/merlin.progress";
  EXPECT_FALSE(read_progress(files, path));
  const Progress p{100, 90, 60, 1'700'000'000'123, 7};
  ASSERT_TRUE(write_progress(files, path, p).ok());
  EXPECT_EQ(read_progress(files, path), p);
  std::string content = *files.read_file(path);
  for (size_t i = 0; i < content.size(); ++i) {
    std::string broken = content;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    ASSERT_TRUE(files.write_file_durably(path, broken).ok());
    EXPECT_FALSE(read_progress(files, path)) << "byte " << i;
  }
  ASSERT_TRUE(files.write_file_durably(path, content.substr(0, 20)).ok());
  EXPECT_FALSE(read_progress(files, path));
}

TEST(CheckpointTest, HasApachesLayout) {
  FileSystem& files = posix_file_system();
  const std::string path = fresh_dir() + "/checkpoint";
  EXPECT_EQ(read_checkpoint(files, path), Checkpoint());
  const Checkpoint c{10'000, 9'000, 8'000, 7, 6};
  ASSERT_TRUE(write_checkpoint(files, path, c).ok());
  EXPECT_EQ(read_checkpoint(files, path), c);
  EXPECT_EQ(c.trusted_timestamp_ms(), 6'000);
  const std::string bytes = *files.read_file(path);
  ASSERT_EQ(bytes.size(), 4096u);
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  EXPECT_EQ(load_be<int64_t>(at), 10'000);
  EXPECT_EQ(load_be<int64_t>(at + 8), 9'000);
  EXPECT_EQ(load_be<int64_t>(at + 16), 8'000);
  EXPECT_EQ(load_be<int64_t>(at + 24), 7);
  EXPECT_EQ(load_be<int64_t>(at + 32), 6);
}

}  // namespace
}  // namespace merlin::store
