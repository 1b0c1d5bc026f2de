// Damage below the synced point: kept, named, answered with an error; what had not been synced is cut.
#include "store/log/damage.h"

#include <algorithm>

#include "merlin/base/faulty_file_system.h"
#include "store/log/commit_log.h"
#include "store/log/resync.h"
#include "store_fixture.h"

namespace merlin::store {
namespace {

std::string segment_path(const StoreOptions& o, int64_t start) {
  const std::string digits = std::to_string(start);
  return o.root_dir + "/commitlog/" + std::string(20 - digits.size(), '0') + digits;
}

class DamageTest : public testing::Test {
 protected:
  DamageTest() : f(options(), disk) {}

  static StoreOptions options() {
    StoreOptions o = small_options("/store");
    o.queue_flush_interval_ms = 3'600'000;  // the keeper writes when the test says so
    o.flush_least_pages = 0;
    o.index_enabled = true;
    o.index_hash_slots = 100;
    o.index_entries_max = 1000;
    return o;
  }

  // Ten messages in each of two queues, alternating.
  void fill() {
    ASSERT_TRUE(f.open().ok());
    for (int i = 0; i < 10; ++i) {
      for (int queue = 0; queue < 2; ++queue) {
        const std::string body = "body " + std::to_string(queue) + " " + std::to_string(i) + std::string(300, 'x');
        items[queue].push_back(f.send("topic", queue, body, "KEYS\x01key" + std::to_string(i) + "\x02"));
      }
    }
  }
  void overwrite(int64_t offset, std::string_view bytes) {
    const int64_t start = offset - offset % f.options.segment_size_bytes;
    auto file = disk.open(segment_path(f.options, start), OpenMode::read_write);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->pwrite(as_bytes(bytes), offset - start).ok());
    ASSERT_TRUE((*file)->sync_data().ok());
  }
  // As after a crash: nothing vouches for the queues, so all of the log is looked at.
  void lose_progress() {
    ASSERT_TRUE(disk.remove("/store/merlin.progress").ok());
    ASSERT_TRUE(disk.remove("/store/checkpoint").ok());
    ASSERT_TRUE(disk.remove_tree("/store/consumequeue").ok());
  }
  std::string body_at(int queue, int64_t offset) {
    const GetResult got = f.get("topic", queue, offset);
    if (got.status != GetStatus::found) return std::string(text(got.status));
    return std::string(as_text(records_of(got.bytes).at(0).body)).substr(0, 8);
  }

  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f;
  std::vector<AppendItem> items[2];
};

TEST_F(DamageTest, a_record_that_rots_is_an_error_and_all_else_goes_on) {
  fill();
  f.close();
  const AppendItem& bad = items[0][4];
  overwrite(bad.physical_offset + 120, "rot");
  lose_progress();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().damaged_ranges, 1);
  EXPECT_EQ(f.store->stats().damaged_bytes, bad.size);
  EXPECT_EQ(f.store->max_offset(f.store->find_queue("topic", 0)), 10);
  EXPECT_EQ(body_at(0, 3), "body 0 3");
  EXPECT_EQ(body_at(0, 5), "body 0 5");
  EXPECT_EQ(body_at(1, 4), "body 1 4");
  // One that begins in it is told, one that begins in front of it ends there.
  const GetResult at = f.get("topic", 0, 4);
  EXPECT_EQ(at.status, GetStatus::damaged);
  EXPECT_EQ(at.next_begin_offset, 4);
  EXPECT_NE(at.error.find("damaged from " + std::to_string(bad.physical_offset)), std::string::npos) << at.error;
  const GetResult before = f.get("topic", 0, 0);
  EXPECT_EQ(before.message_count, 4);
  EXPECT_EQ(before.next_begin_offset, 4);

  LogBytes bytes;
  EXPECT_EQ(f.store->record_at(bad.physical_offset, bytes).error().code, Errc::corrupt);
  EXPECT_TRUE(f.store->record_at(items[0][5].physical_offset, bytes).ok());
  // The key index went over it as well.
  EXPECT_TRUE(eventually([&] { return f.store->stats().indexed_offset == f.store->stats().max_physical_offset; }));
  EXPECT_EQ(f.send("topic", 0, "next").queue_offset, 10);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.get("topic", 0, 4).status, GetStatus::damaged);
  f.close();
}

TEST_F(DamageTest, offsets_of_lost_records_at_the_end_are_not_given_again) {
  fill();
  ASSERT_TRUE(eventually([&] { return f.store->stats().durable_offset == f.last_end; }));
  f.close();
  ASSERT_TRUE(disk.write_file_durably("/store/abort", "1").ok());
  // The last two of queue 1 and the last of queue 0 between them.
  const int64_t begin = items[1][8].physical_offset;
  overwrite(begin, std::string(static_cast<size_t>(f.last_end - begin), '\0'));
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().max_physical_offset, f.last_end);
  EXPECT_EQ(f.get("topic", 1, 9).status, GetStatus::damaged);
  EXPECT_EQ(f.send("topic", 1, "next").queue_offset, 10);
  EXPECT_EQ(f.send("topic", 0, "next").queue_offset, 10);
  EXPECT_EQ(body_at(1, 10), "next");
  f.close();
}

TEST_F(DamageTest, damage_in_front_of_the_mark_is_found_when_it_is_read) {
  fill();
  f.close();
  overwrite(items[0][2].physical_offset + 4, "????");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().damaged_ranges, 0);
  EXPECT_EQ(f.get("topic", 0, 0).message_count, 2);
  EXPECT_EQ(f.get("topic", 0, 2).status, GetStatus::damaged);
  EXPECT_EQ(f.store->stats().damaged_ranges, 1);
  EXPECT_EQ(body_at(0, 3), "body 0 3");
  f.close();
}

TEST_F(DamageTest, a_sector_that_cannot_be_read_is_damage_and_not_the_end) {
  fill();
  f.close();
  lose_progress();
  disk.add_fault({.op = FileOp::read, .path_part = "commitlog", .calls_passed = 0, .calls_failed = 3});
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().max_physical_offset, f.last_end);
  disk.clear_faults();
  EXPECT_EQ(f.send("topic", 0, "next").queue_offset, 10);
  f.close();
}

TEST_F(DamageTest, what_was_not_synced_is_a_torn_tail_and_goes) {
  StoreOptions o = options();
  o.flush_interval_ms = 3'600'000;
  f.options = o;
  fill();
  f.store.reset();  // no flush
  overwrite(items[0][4].physical_offset + 120, "rot");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().damaged_ranges, 0);
  EXPECT_EQ(f.store->stats().max_physical_offset, items[0][4].physical_offset);
  EXPECT_EQ(f.send("topic", 0, "next").queue_offset, 4);
  f.close();
}

// A log as Apache leaves it: nothing of ours says how far it was synced.
TEST_F(DamageTest, the_checkpoint_of_another_broker_tells_what_was_synced) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 10; ++i) {
    items[0].push_back(f.send("topic", 0, std::string(300, 'x')));
    f.clock.advance_ms(1000);
  }
  f.close();
  for (const char* name : {"merlin.progress", "merlin.synced"})
    ASSERT_TRUE(disk.remove(std::string("/store/") + name).ok());
  ASSERT_TRUE(disk.write_file_durably("/store/abort", "1").ok());
  overwrite(items[0][4].physical_offset + 120, "rot");
  overwrite(items[0][9].physical_offset + 120, "rot");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().damaged_ranges, 1);
  // The last record is as old as the checkpoint, so nothing says that it had been synced.
  EXPECT_EQ(f.store->stats().max_physical_offset, items[0][9].physical_offset);
  EXPECT_EQ(f.store->max_offset(f.store->find_queue("topic", 0)), 9);
  f.close();
}

TEST_F(DamageTest, a_log_that_lost_its_last_files_is_refused_by_name) {
  fill();
  for (int i = 0; i < 50; ++i) f.send("topic", 0, std::string(1000, 'x'));
  f.close();
  const auto names = *disk.list("/store/commitlog");
  ASSERT_GT(names.size(), 3U);
  for (size_t i = 1; i < names.size(); ++i) ASSERT_TRUE(disk.remove("/store/commitlog/" + names[i]).ok());
  const Status refused = f.open();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("/store/commitlog"), std::string::npos);
  ASSERT_TRUE(disk.remove("/store/commitlog/" + names[0]).ok());
  EXPECT_FALSE(f.open().ok());
  ASSERT_TRUE(disk.remove("/store/merlin.synced").ok());
  ASSERT_TRUE(disk.remove("/store/merlin.progress").ok());
  EXPECT_TRUE(f.open().ok());
  f.close();
}

// A message whose body is the image of a record that says it stands right there.
TEST_F(DamageTest, a_record_inside_a_body_is_not_taken_for_one) {
  ASSERT_TRUE(f.open().ok());
  const auto image_at = [](int64_t offset) {
    const message::RecordSpec spec = spec_of("forged", 0, "forged");
    std::string image(message::record_size(spec), '\0');
    message::encode_record(spec, reinterpret_cast<uint8_t*>(image.data()));
    message::stamp_record(reinterpret_cast<uint8_t*>(image.data()), 0, offset, 1'700'000'000'000);
    return image;
  };
  const AppendItem first = f.send("topic", 0, "first");
  const int64_t carrier_at = first.physical_offset + first.size;
  // The body begins behind the fixed part of the record: 88 bytes with its length.
  const AppendItem carrier = f.send("topic", 0, image_at(carrier_at + 88) + image_at(carrier_at + 88 + 100));
  ASSERT_EQ(carrier.physical_offset, carrier_at);
  const AppendItem last = f.send("topic", 0, "last");
  f.close();
  overwrite(carrier_at, std::string(40, '\0'));  // head and size are gone
  lose_progress();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->find_queue("forged", 0), nullptr);
  const ConsumeQueue* queue = f.store->find_queue("topic", 0);
  EXPECT_EQ(f.store->max_offset(queue), 3);
  EXPECT_EQ(body_at(0, 2), "last");
  EXPECT_EQ(f.get("topic", 0, 1).status, GetStatus::damaged);
  EXPECT_EQ(f.store->stats().damaged_bytes, last.physical_offset - carrier_at);
  f.close();
}

TEST_F(DamageTest, noise_over_the_end_of_a_segment_ends_at_the_next) {
  fill();
  for (int i = 0; i < 50; ++i) items[0].push_back(f.send("topic", 0, std::string(1000, 'x')));
  f.close();
  const int64_t size = f.options.segment_size_bytes;
  overwrite(size - 3000, std::string(3000, '!'));
  lose_progress();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->stats().damaged_ranges, 1);
  EXPECT_EQ(f.store->max_offset(f.store->find_queue("topic", 0)), 60);
  EXPECT_EQ(f.store->max_offset(f.store->find_queue("topic", 1)), 10);
  int lost = 0;
  for (size_t i = 0; i < items[0].size(); ++i) {
    const AppendItem& item = items[0][i];
    const bool hit = item.physical_offset < size && item.physical_offset + item.size > size - 3000;
    EXPECT_EQ(f.get("topic", 0, static_cast<int64_t>(i)).status, hit ? GetStatus::damaged : GetStatus::found) << i;
    lost += hit ? 1 : 0;
  }
  EXPECT_GT(lost, 1);
  f.close();
}

TEST(DamageListTest, ranges_are_joined_and_bounded) {
  DamageList list;
  list.add({100, 200, "a"});
  list.add({300, 400, "b"});
  EXPECT_EQ(list.count(), 2);
  list.add({200, 300, "c"});
  ASSERT_EQ(list.count(), 1);
  EXPECT_EQ(list.bytes(), 300);
  EXPECT_TRUE(list.find(399).has_value());
  EXPECT_FALSE(list.find(400).has_value());
  for (int64_t i = 0; i < 3000; ++i) list.add({1000 + i * 10, 1001 + i * 10, "many"});
  EXPECT_EQ(list.count(), static_cast<int64_t>(DamageList::ranges_max));
  for (int64_t i = 0; i < 3000; ++i) EXPECT_TRUE(list.find(1000 + i * 10).has_value());
  list.drop_below(20'000);
  EXPECT_FALSE(list.find(100).has_value());
  list.cut(20'000);
  EXPECT_TRUE(list.empty() || list.all().back().end <= 20'000);
}

}  // namespace
}  // namespace merlin::store
