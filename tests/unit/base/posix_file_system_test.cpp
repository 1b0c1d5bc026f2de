#include <cerrno>
#include <filesystem>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/base/file_system.h"

namespace merlin {
namespace {

class PosixFileSystem : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "merlin-base-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  std::string dir_;
  FileSystem& files_ = posix_file_system();
};

TEST_F(PosixFileSystem, writes_reads_and_maps) {
  auto file = files_.open(path("f"), OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->truncate(10'000).ok());
  auto mapping = (*file)->map_read(10'000);
  ASSERT_TRUE(mapping.ok());
  ASSERT_TRUE((*file)->pwrite(as_bytes("hello"), 9'000).ok());
  EXPECT_EQ(as_text({(*mapping)->data() + 9'000, 5}), "hello");
  std::string text(2'000, '?');
  const auto n = (*file)->pread({reinterpret_cast<uint8_t*>(text.data()), text.size()}, 9'000);
  ASSERT_TRUE(n.ok());
  EXPECT_EQ(*n, 1'000U);
  EXPECT_EQ(text.substr(0, 5), "hello");
  EXPECT_TRUE((*file)->sync_data().ok());
  file->reset();
  ASSERT_TRUE(files_.remove(path("f")).ok());
  EXPECT_EQ(as_text({(*mapping)->data() + 9'000, 5}), "hello");
}

TEST_F(PosixFileSystem, a_mapping_tells_what_memory_holds) {
  constexpr size_t size = 8 << 20;
  auto file = files_.open(path("f"), OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->truncate(size).ok());
  auto mapping = (*file)->map_read(size);
  ASSERT_TRUE(mapping.ok());
  const std::string text(5 << 20, 'x');
  ASSERT_TRUE((*file)->pwrite(as_bytes(text), 0).ok());
  EXPECT_TRUE((*mapping)->in_memory(0, text.size()));
  EXPECT_TRUE((*mapping)->in_memory(4'095, 2));
  EXPECT_TRUE((*mapping)->in_memory(text.size() - 1, 1));
  EXPECT_FALSE((*mapping)->in_memory(text.size() - 1, 2)) << "nobody has touched the hole behind it";
  EXPECT_FALSE((*mapping)->in_memory(100, text.size()));
}

TEST_F(PosixFileSystem, names_the_path_and_the_reason) {
  const auto absent = files_.open(path("absent"), OpenMode::read_write);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, Errc::not_found);
  EXPECT_EQ(absent.error().sys_errno, ENOENT);
  EXPECT_NE(absent.error().message.find(path("absent")), std::string::npos);
  EXPECT_EQ(files_.list(path("absent")).error().code, Errc::not_found);
  auto file = files_.open(path("f"), OpenMode::create);
  ASSERT_TRUE(file.ok());
  auto read_only = files_.open(path("f"), OpenMode::read_only);
  ASSERT_TRUE(read_only.ok());
  EXPECT_EQ((*read_only)->pwrite(as_bytes("x"), 0).error().code, Errc::io);
}

TEST_F(PosixFileSystem, directories_are_made_listed_and_removed) {
  ASSERT_TRUE(files_.make_dirs(path("a/b/c")).ok());
  ASSERT_TRUE(files_.make_dirs(path("a/b/c")).ok());
  ASSERT_TRUE(files_.open(path("a/z"), OpenMode::create).ok());
  ASSERT_TRUE(files_.open(path("a/y"), OpenMode::create).ok());
  EXPECT_EQ(*files_.list(path("a")), (std::vector<std::string>{"b", "y", "z"}));
  EXPECT_TRUE(files_.is_dir(path("a/b")));
  EXPECT_FALSE(files_.is_dir(path("a/z")));
  EXPECT_TRUE(files_.sync_dir(path("a")).ok());
  ASSERT_TRUE(files_.remove_tree(path("a")).ok());
  EXPECT_FALSE(files_.exists(path("a")));
  const auto space = files_.space(dir_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST_F(PosixFileSystem, read_file_keeps_its_limit) {
  ASSERT_TRUE(files_.write_file_durably(path("f"), "12345").ok());
  EXPECT_EQ(*files_.read_file(path("f"), 5), "12345");
  EXPECT_EQ(files_.read_file(path("f"), 4).error().code, Errc::limit);
}

TEST_F(PosixFileSystem, a_durable_write_keeps_the_old_content_as_bak) {
  ASSERT_TRUE(files_.write_file_durably(path("f"), "a long first version").ok());
  EXPECT_FALSE(files_.exists(path("f.bak")));
  ASSERT_TRUE(files_.write_file_durably(path("f"), "second").ok());
  EXPECT_EQ(*files_.read_file(path("f")), "second");
  EXPECT_EQ(*files_.read_file(path("f.bak")), "a long first version");
  ASSERT_TRUE(files_.write_file_durably(path("f"), "third").ok());
  EXPECT_EQ(*files_.read_file(path("f.bak")), "second");
  EXPECT_FALSE(files_.exists(path("f.tmp")));
}

TEST_F(PosixFileSystem, a_leftover_tmp_does_not_reach_the_file) {
  auto tmp = files_.open(path("f.tmp"), OpenMode::create);
  ASSERT_TRUE(tmp.ok());
  ASSERT_TRUE((*tmp)->pwrite(as_bytes("left over by a crash, and longer"), 0).ok());
  ASSERT_TRUE(files_.write_file_durably(path("f"), "short").ok());
  EXPECT_EQ(*files_.read_file(path("f")), "short");
}

TEST_F(PosixFileSystem, another_process_cannot_take_the_lock) {
  auto held = files_.lock(path("lock"));
  ASSERT_TRUE(held.ok());
  // POSIX record locks do not exclude their own process, so another one has to try.
  const auto try_in_child = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto second = files_.lock(path("lock"));
      ::_exit(second.ok() ? 0 : second.error().code == Errc::exists ? 1 : 2);
    }
    int state = 0;
    EXPECT_EQ(::waitpid(child, &state, 0), child);
    return WEXITSTATUS(state);
  };
  EXPECT_EQ(try_in_child(), 1);
  held->reset();
  EXPECT_EQ(try_in_child(), 0);
}

// Against the faulty twin, because a real disk does not fail on request.
TEST(WriteFileDurably, a_failure_at_any_step_leaves_a_readable_version) {
  for (int64_t step = 0; step < 10; ++step) {
    FaultyFileSystem files;
    ASSERT_TRUE(files.write_file_durably("f", "old").ok());
    files.add_fault({.calls_passed = step, .sys_errno = ENOSPC});
    const Status second = files.write_file_durably("f", "new");
    files.clear_faults();
    const auto main = files.read_file("f");
    const std::string seen = main ? *main : *files.read_file("f.bak");
    if (second.ok()) {
      EXPECT_EQ(seen, "new");
    } else {
      EXPECT_EQ(second.error().code, Errc::no_space);
      EXPECT_TRUE(seen == "old" || seen == "new") << "step " << step << ": " << seen;
    }
    EXPECT_TRUE(files.write_file_durably("f", "again").ok());
    EXPECT_EQ(*files.read_file("f"), "again");
  }
}

}  // namespace

// A start, or a look at a store, must not hang because somebody put such a thing there.
TEST_F(PosixFileSystem, refuses_what_is_no_regular_file) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", path("zeros"));
  std::filesystem::create_directory(path("folder"));
  for (const char* name : {"pipe", "zeros", "folder"}) {
    for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write, OpenMode::create}) {
      EXPECT_FALSE(files_.open(path(name), mode)) << name;
    }
  }
}

TEST_F(PosixFileSystem, reads_without_waiting_only_what_memory_holds) {
  auto file = files_.open(path("f"), OpenMode::create);
  ASSERT_TRUE(file.ok());
  const std::string content(100'000, 'x');
  ASSERT_TRUE((*file)->pwrite(as_bytes(content), 0).ok());
  std::vector<uint8_t> out(content.size());
  const auto now = (*file)->pread_now(out, 0);
  ASSERT_TRUE(now.ok());
  // 0: this file system cannot tell what is in memory.
  EXPECT_TRUE(*now == content.size() || *now == 0) << *now;
  ASSERT_TRUE((*file)->sync_data().ok());
  (*file)->forget(0, 0);
  const auto later = (*file)->pread_now(out, 0);
  ASSERT_TRUE(later.ok());
  EXPECT_LE(*later, *now);
  EXPECT_EQ(*(*file)->pread(out, 0), content.size());
}

}  // namespace merlin
