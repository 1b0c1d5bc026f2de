// Random work on a store, with restarts of all kinds, against the model.
#include "model/store_model.h"

#include "merlin/base/faulty_file_system.h"

namespace merlin::store {
namespace {

// What may happen to the folder while no store is open. None of it may lose a message.
enum class Harm {
  none,
  progress_gone,
  checkpoint_gone,
  queues_gone,
  progress_garbage,
  tail_garbage,
  next_segment_garbage
};

void harm_disk(StoreFixture& f, StoreModel& model, Harm harm, bool clean, int64_t log_end) {
  const std::string& root = f.options.root_dir;
  const auto write = [&](const std::string& path, int64_t offset, size_t size) {
    std::vector<uint8_t> garbage(size);
    for (uint8_t& b : garbage) b = static_cast<uint8_t>(model.number(0, 255));
    auto file = f.files.open(path, OpenMode::create);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->pwrite(garbage, offset).ok());
  };
  const int64_t segment = f.options.segment_size_bytes;
  char name[32];
  std::snprintf(name, sizeof name, "/commitlog/%020lld", static_cast<long long>(log_end - log_end % segment));
  switch (harm) {
    case Harm::none:
      break;
    case Harm::progress_gone:
      (void)f.files.remove(root + "/merlin.progress").ok();
      break;
    case Harm::checkpoint_gone:
      (void)f.files.remove(root + "/checkpoint").ok();
      break;
    case Harm::queues_gone:
      ASSERT_TRUE(f.files.remove_tree(root + "/consumequeue").ok());
      break;
    case Harm::progress_garbage:
      write(root + "/merlin.progress", 3, 20);
      break;
    case Harm::tail_garbage:
      if (!f.files.exists(root + name)) break;
      write(root + name, log_end % segment,
            static_cast<size_t>(model.number(1, std::min<int64_t>(500, segment - log_end % segment))));
      break;
    case Harm::next_segment_garbage: {
      if (!f.files.exists(root + name)) break;
      std::snprintf(name, sizeof name, "/commitlog/%020lld",
                    static_cast<long long>(log_end - log_end % segment + segment));
      write(root + name, 0, static_cast<size_t>(segment));
      break;
    }
  }
  (void)clean;
}

void run(StoreFixture& f, uint64_t seed, int rounds) {
  StoreModel model(f, seed);
  ASSERT_TRUE(f.open().ok());
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const int64_t bursts = model.number(0, 60);
    for (int64_t i = 0; i < bursts; ++i) {
      f.clock.advance_ms(model.number(0, 2000));
      model.burst();
    }
    ASSERT_NO_FATAL_FAILURE(model.check_all());
    if (model.chance(30)) continue;
    // The log only holds what is known to be synced after a moment; a restart in between must not matter.
    if (model.chance(50)) std::this_thread::sleep_for(std::chrono::milliseconds(model.number(0, 8)));
    const int64_t end = f.store->stats().max_physical_offset;
    const bool clean = model.chance(40);
    if (clean) {
      f.close();
    } else {
      f.store.reset();
    }
    const auto harm = static_cast<Harm>(model.number(0, 6));
    harm_disk(f, model, harm, clean, end);
    SCOPED_TRACE("harm " + std::to_string(static_cast<int>(harm)) + (clean ? " clean" : " unclean"));
    const Status opened = f.open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    ASSERT_EQ(f.store->stats().max_physical_offset, end);
    ASSERT_NO_FATAL_FAILURE(model.check_all());
  }
  f.close();
  ASSERT_TRUE(f.open().ok());
  model.check_all();
  f.close();
}

TEST(StoreModelTest, RandomWorkAndRestarts) {
  const uint64_t seed = run_seed();
  for (uint64_t i = 0; i < 4; ++i) {
    FaultyFileSystem disk(seed + i, 1 << 20);
    StoreFixture f(small_options("/store"), disk);
    f.options.dispatch_ring_items = i % 2 == 0 ? 4 : 1024;
    f.options.sync_flush = false;
    ASSERT_NO_FATAL_FAILURE(run(f, seed + i, 25)) << "seed " << seed + i;
  }
}

// A full or failing disk refuses appends and gives the offsets back; what was placed stays.
TEST(StoreModelTest, DiskTrouble) {
  const uint64_t seed = run_seed();
  FaultyFileSystem disk(seed, 1 << 20);
  StoreFixture f(small_options("/store"), disk);
  StoreModel model(f, seed);
  ASSERT_TRUE(f.open().ok());
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const int trouble = static_cast<int>(model.number(0, 3));
    if (trouble == 1) disk.set_quota_bytes(disk.used_bytes() + model.number(0, 30'000));
    if (trouble == 2) {
      disk.add_fault({FileOp::write, "commitlog", model.number(0, 5), model.number(1, 3), EIO,
                      static_cast<size_t>(model.number(0, 900))});
    }
    for (int i = 0; i < 20; ++i) model.burst();
    if (trouble == 3) {
      disk.add_fault(
          {FileOp::write, "consumequeue", 0, model.number(1, 4), EIO, static_cast<size_t>(model.number(0, 50))});
      for (int i = 0; i < 20; ++i) model.burst();
    }
    disk.set_quota_bytes(FaultyFileSystem::quota_none);
    disk.clear_faults();
    model.burst();
    // A queue that could not write its page is caught up by the housekeeper.
    ASSERT_TRUE(eventually([&] {
      const StoreStats s = f.store->stats();
      return s.dispatched_offset == s.max_physical_offset;
    }));
    ASSERT_NO_FATAL_FAILURE(model.check_all());
    if (model.chance(20)) {
      if (model.chance(50)) f.store->close();
      ASSERT_TRUE(f.open().ok());
      ASSERT_NO_FATAL_FAILURE(model.check_all());
    }
  }
  f.close();
}

}  // namespace
}  // namespace merlin::store
