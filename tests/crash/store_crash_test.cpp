// Power cuts at random moments: what was durable is there, nothing that was not sent is, and offsets never change their
// message.
#include "merlin/base/faulty_file_system.h"
#include "model/store_model.h"

namespace merlin::store {
namespace {

void power_cuts(uint64_t seed, bool sync_flush, int cuts) {
  auto disk = std::make_unique<FaultyFileSystem>(seed, 1 << 20);
  auto f = std::make_unique<StoreFixture>(small_options("/store"), *disk);
  f->options.sync_flush = sync_flush;
  ModelQueues carried;
  for (int cut = 0; cut < cuts; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut) + (sync_flush ? " sync" : " async") + " seed " + std::to_string(seed));
    StoreModel model(*f, seed * 1000 + static_cast<uint64_t>(cut));
    model.queues() = carried;
    const Status opened = f->open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    ASSERT_NO_FATAL_FAILURE(model.check_all());
    disk->cut_power_after(model.number(0, 150));
    // What a client was told is durable stays; so does what the store itself says.
    std::atomic<int64_t> acknowledged{0};
    std::atomic<int> waiting{0};
    for (int i = 0; i < 60 && !disk->power_is_off(); ++i) {
      f->clock.advance_ms(model.number(0, 2000));
      const int64_t end = model.burst();
      ++waiting;
      f->store->wait_durable(end, 1'000'000, [&, end](DurableCode code) {
        if (code == DurableCode::durable && acknowledged.load() < end) acknowledged = end;
        --waiting;
      });
      if (model.chance(30)) eventually([&] { return waiting.load() == 0; });
    }
    const auto quiet = [&] { return waiting.load() == 0; };
    if (sync_flush || model.chance(50)) {
      ASSERT_TRUE(eventually(quiet));
    }
    if (model.chance(20)) f->store->close();
    const int64_t kept = std::max(acknowledged.load(), f->store->stats().durable_offset);
    f->store.reset();
    CrashOptions crash;
    crash.page_survival = static_cast<double>(model.number(0, 10)) / 10;
    crash.entry_survival = static_cast<double>(model.number(0, 10)) / 10;
    auto next_disk = disk->crash(seed + static_cast<uint64_t>(cut), crash);
    auto next = std::make_unique<StoreFixture>(f->options, *next_disk);
    next->clock.advance_ms(f->clock.wall_ms() - next->clock.wall_ms());
    const Status again = next->open();
    ASSERT_TRUE(again.ok()) << again.error().message;
    StoreModel after(*next, seed);
    after.queues() = model.queues();
    after.refused() = model.refused();
    ASSERT_NO_FATAL_FAILURE(after.check_prefixes(kept));
    carried = after.queues();
    next->store.reset();
    f = std::move(next);
    disk = std::move(next_disk);
  }
}

TEST(StoreCrashTest, SyncFlushKeepsWhatItAcknowledged) {
  const uint64_t seed = run_seed();
  for (uint64_t i = 0; i < 6; ++i) ASSERT_NO_FATAL_FAILURE(power_cuts(seed + i, true, 8));
}

TEST(StoreCrashTest, AsyncFlushLosesASuffixAtMost) {
  const uint64_t seed = run_seed();
  for (uint64_t i = 0; i < 6; ++i) ASSERT_NO_FATAL_FAILURE(power_cuts(seed + i, false, 8));
}

}  // namespace
}  // namespace merlin::store
