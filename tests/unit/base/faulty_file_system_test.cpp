#include "merlin/base/faulty_file_system.h"

#include <gtest/gtest.h>

namespace merlin {
namespace {

std::unique_ptr<File> create(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::create);
  EXPECT_TRUE(file.ok());
  return std::move(*file);
}

void put(File& file, std::string_view text, int64_t offset = 0) {
  ASSERT_TRUE(file.pwrite(as_bytes(text), offset).ok());
}

TEST(FaultyFileSystem, keeps_what_is_written_and_shows_it_in_mappings) {
  FaultyFileSystem files;
  ASSERT_TRUE(files.make_dirs("/a/b").ok());
  auto file = create(files, "/a/b/f");
  ASSERT_TRUE(file->truncate(1 << 20).ok());
  auto mapping = file->map_read(1 << 20);
  ASSERT_TRUE(mapping.ok());
  put(*file, "hello", 100'000);
  EXPECT_EQ(as_text({(*mapping)->data() + 100'000, 5}), "hello");
  EXPECT_EQ(*files.read_file("/a//b/./f"),
            std::string(100'000, '\0') + "hello" + std::string((1 << 20) - 100'005, '\0'));
  file.reset();
  ASSERT_TRUE(files.remove("/a/b/f").ok());
  EXPECT_EQ(as_text({(*mapping)->data() + 100'000, 5}), "hello");
  EXPECT_EQ(files.open("/a/b/f", OpenMode::read_only).error().code, Errc::not_found);
  EXPECT_EQ(files.open("/x/f", OpenMode::create).error().code, Errc::not_found);
}

TEST(FaultyFileSystem, renames_lists_and_removes) {
  FaultyFileSystem files;
  ASSERT_TRUE(files.make_dirs("d/e").ok());
  put(*create(files, "d/2"), "two");
  put(*create(files, "d/1"), "one");
  EXPECT_EQ(*files.list("d"), (std::vector<std::string>{"1", "2", "e"}));
  ASSERT_TRUE(files.rename("d/1", "d/2").ok());
  EXPECT_EQ(*files.read_file("d/2"), "one");
  EXPECT_FALSE(files.exists("d/1"));
  EXPECT_TRUE(files.is_dir("d/e"));
  EXPECT_FALSE(files.remove("d/e").ok());
  ASSERT_TRUE(files.remove_tree("d").ok());
  EXPECT_FALSE(files.exists("d"));
}

TEST(FaultyFileSystem, the_lock_is_exclusive_until_its_file_goes) {
  FaultyFileSystem files;
  auto held = files.lock("lock");
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(files.lock("lock").error().code, Errc::exists);
  held->reset();
  EXPECT_TRUE(files.lock("lock").ok());
}

TEST(FaultyFileSystem, fails_the_nth_matching_call) {
  FaultyFileSystem files;
  auto log = create(files, "log");
  auto other = create(files, "other");
  files.add_fault(
      {.op = FileOp::write, .path_part = "log", .calls_passed = 1, .calls_failed = 1, .bytes_before_failure = 2});
  put(*log, "aaaa");
  put(*other, "oooo");
  const Status failed = log->pwrite(as_bytes("bbbb"), 0);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Errc::io);
  EXPECT_EQ(*files.read_file("log"), "bbaa");
  put(*log, "cccc");
  files.add_fault({.op = FileOp::sync, .sys_errno = ENOSPC});
  EXPECT_EQ(other->sync_data().error().code, Errc::no_space);
  EXPECT_TRUE(other->sync_data().ok());
}

TEST(FaultyFileSystem, a_full_disk_takes_what_fits_and_recovers) {
  FaultyFileSystem files;
  auto file = create(files, "f");
  files.set_quota_bytes(8192);
  const std::string big(10'000, 'x');
  EXPECT_EQ(file->pwrite(as_bytes(big), 0).error().code, Errc::no_space);
  EXPECT_EQ(*file->size(), 8192);
  EXPECT_EQ(files.space("f")->free_bytes, 0);
  put(*file, "rewriting needs no room");
  EXPECT_EQ(create(files, "g")->pwrite(as_bytes("g"), 0).error().code, Errc::no_space);
  ASSERT_TRUE(file->truncate(4096).ok());
  put(*create(files, "g"), "g");
  ASSERT_TRUE(files.remove("f").ok());
  EXPECT_EQ(files.used_bytes(), 8192);  // still open
  file.reset();
  EXPECT_EQ(files.used_bytes(), 4096);
}

TEST(FaultyFileSystem, crash_keeps_what_was_synced_and_may_lose_the_rest) {
  FaultyFileSystem files;
  auto file = create(files, "f");
  put(*file, std::string(40'960, 'a'));
  ASSERT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(files.sync_dir("/").ok());
  put(*file, std::string(20'480, 'b'), 20'480);
  size_t old_pages = 0;
  size_t new_pages = 0;
  size_t torn_pages = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string content = *files.crash(seed)->read_file("f");
    ASSERT_EQ(content.size(), 40'960U);
    EXPECT_EQ(content.substr(0, 20'480), std::string(20'480, 'a'));
    for (size_t page = 5; page < 10; ++page) {
      const auto b = std::count(content.begin() + static_cast<long>(page * 4096),
                                content.begin() + static_cast<long>((page + 1) * 4096), 'b');
      ASSERT_EQ(b % 512, 0);
      ++(b == 0 ? old_pages : b == 4096 ? new_pages : torn_pages);
    }
  }
  EXPECT_GT(torn_pages, 100U);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string content = *files.crash(seed, {.torn_sectors = false})->read_file("f");
    ++(content[20'480] == 'a' ? old_pages : new_pages);
  }
  EXPECT_GT(old_pages, 10U);
  EXPECT_GT(new_pages, 10U);
}

TEST(FaultyFileSystem, crash_loses_entries_that_nobody_synced_but_never_half_a_rename) {
  FaultyFileSystem files;
  ASSERT_TRUE(files.make_dirs("d").ok());
  auto old_file = create(files, "d/f");
  put(*old_file, "old");
  ASSERT_TRUE(old_file->sync_data().ok());
  ASSERT_TRUE(files.sync_dir("d").ok());
  auto new_file = create(files, "d/f.tmp");
  put(*new_file, "new");
  ASSERT_TRUE(new_file->sync_data().ok());
  ASSERT_TRUE(files.rename("d/f.tmp", "d/f").ok());
  auto late = create(files, "d/late");
  size_t renamed = 0;
  size_t late_seen = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto disk = files.crash(seed);
    const std::string content = *disk->read_file("d/f");
    ASSERT_TRUE(content == "old" || content == "new") << seed;
    if (content == "new") {
      ++renamed;
      EXPECT_FALSE(disk->exists("d/f.tmp"));
    }
    if (disk->exists("d/late")) {
      ++late_seen;
      EXPECT_EQ(content, "new");  // changes survive oldest first
    }
  }
  EXPECT_GT(renamed, late_seen);
  EXPECT_LT(renamed, 100U);
  EXPECT_GT(late_seen, 10U);
  ASSERT_TRUE(files.sync_dir("d").ok());
  for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_TRUE(files.crash(seed)->exists("d/late"));
}

TEST(FaultyFileSystem, crash_takes_a_truncation_as_a_whole_or_not_at_all) {
  FaultyFileSystem files;
  auto file = create(files, "f");
  put(*file, std::string(20'000, 'a'));
  ASSERT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(files.sync_dir("").ok());
  ASSERT_TRUE(file->truncate(5'000).ok());
  ASSERT_TRUE(file->truncate(20'000).ok());
  size_t cut = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string content = *files.crash(seed)->read_file("f");
    const std::string as_cut = std::string(5'000, 'a') + std::string(15'000, '\0');
    if (content == as_cut) {
      ++cut;
    } else {
      EXPECT_EQ(content, std::string(20'000, 'a')) << seed;
    }
  }
  EXPECT_GT(cut, 5U);
  EXPECT_LT(cut, 45U);
}

TEST(FaultyFileSystem, pages_of_a_failed_sync_stay_lost_although_the_next_sync_succeeds) {
  FaultyFileSystem files;
  auto file = create(files, "f");
  put(*file, std::string(4096, 'a'));
  ASSERT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(files.sync_dir("").ok());
  put(*file, std::string(4096, 'b'));
  files.add_fault({.op = FileOp::sync});
  ASSERT_FALSE(file->sync_data().ok());
  ASSERT_TRUE(file->sync_data().ok());
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) lost |= files.crash(seed)->read_file("f")->find('a') != std::string::npos;
  EXPECT_TRUE(lost);
  put(*file, std::string(4096, 'c'));
  ASSERT_TRUE(file->sync_data().ok());
  for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(*files.crash(seed)->read_file("f"), std::string(4096, 'c'));
}

TEST(FaultyFileSystem, a_cut_stops_everything_at_the_given_call) {
  FaultyFileSystem files;
  auto file = create(files, "f");
  files.cut_power_after(2);
  put(*file, "one");
  ASSERT_TRUE(file->sync_data().ok());
  EXPECT_FALSE(files.power_is_off());
  EXPECT_FALSE(file->pwrite(as_bytes("two"), 0).ok());
  EXPECT_TRUE(files.power_is_off());
  EXPECT_FALSE(file->sync_data().ok());
  EXPECT_FALSE(files.open("f", OpenMode::read_only).ok());
  const auto disk = files.crash(1, {.entry_survival = 1});
  EXPECT_EQ(*disk->read_file("f"), "one");
}

TEST(FaultyFileSystem, a_lying_sync_saves_nothing) {
  FaultyFileSystem files;
  files.set_sync_lies(true);
  auto file = create(files, "f");
  put(*file, "text");
  ASSERT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(files.sync_dir("").ok());
  EXPECT_FALSE(files.crash(1, {.page_survival = 0, .entry_survival = 0})->exists("f"));
  EXPECT_EQ(*files.crash(1, {.page_survival = 0, .entry_survival = 1})->read_file("f"), "");
}

// The model's own check: whatever survives of a durably written file is one of its versions, once the first is
// complete.
TEST(FaultyFileSystem, write_file_durably_survives_a_cut_at_any_call) {
  for (int64_t cut = 0; cut < 16; ++cut) {
    FaultyFileSystem files(7);
    ASSERT_TRUE(files.make_dirs("/store/config").ok());
    ASSERT_TRUE(files.write_file_durably("/store/config/topics.json", "version 1").ok());
    files.cut_power_after(cut);
    const Status second = files.write_file_durably("/store/config/topics.json", "version 2");
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto disk = files.crash(seed);
      const auto read = disk->read_file("/store/config/topics.json");
      if (second.ok()) {
        ASSERT_TRUE(read.ok());
        EXPECT_EQ(*read, "version 2");
      } else if (read.ok()) {
        EXPECT_TRUE(*read == "version 1" || *read == "version 2") << "cut " << cut << " seed " << seed << ": " << *read;
      } else {
        const auto spare = disk->read_file("/store/config/topics.json.bak");
        ASSERT_TRUE(spare.ok()) << "cut " << cut << " seed " << seed;
        EXPECT_EQ(*spare, "version 1");
      }
    }
  }
}

}  // namespace
}  // namespace merlin
