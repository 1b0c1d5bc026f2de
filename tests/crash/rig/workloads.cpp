#include <algorithm>

#include "crash/rig/workload.h"

namespace merlin::rig {

namespace {

const std::vector<std::string> both = {"A", "B"};

void appends(Driver& d) {
  d.open();
  for (int i = 0; i < 10; ++i) {
    d.send(both[static_cast<size_t>(d.number(0, 1))], static_cast<int32_t>(d.number(0, 1)), 120);
    if (d.number(0, 2) > 0) d.wait();
  }
  d.wait();
}

void rolls(Driver& d) {
  d.open();
  for (int i = 0; i < 9; ++i) {
    d.send("A", 0, 700);
    d.send("B", 1, 500);
    if (d.number(0, 1) == 0) d.wait();
  }
  d.tick();
  d.send("A", 0, 700);
  d.wait();
}

void batches(Driver& d) {
  d.open();
  for (int i = 0; i < 6; ++i) {
    d.send_burst(both, 0, 150, static_cast<int>(d.number(2, 5)), true);
    d.send_burst({"A"}, 1, 100, 3);
    if (d.number(0, 1) == 0) d.wait();
  }
  d.wait();
}

// Records of several pages: torn in the middle, with whole sectors of body gone.
void large(Driver& d) {
  d.open();
  for (int i = 0; i < 4; ++i) {
    d.send("A", 0, static_cast<size_t>(d.number(3000, 6000)));
    d.send("A", 1, 300);
    if (i % 2 == 1) d.wait();
  }
  d.wait();
}

void topics_come_and_go(Driver& d) {
  d.open();
  for (int i = 0; i < 3; ++i) d.send_burst(both, 0, 100, 4);
  d.wait();
  if (d.number(0, 1) == 0) d.tick();
  d.delete_topic("A");
  d.send("B", 0, 100);
  d.send("A", 0, 100);
  d.wait();
  d.send_burst({"A"}, 0, 100, 3);
  d.tick();
  d.send("A", 0, 100);
  d.wait();
  d.delete_topic("B");
  d.wait();
}

void retention(Driver& d) {
  d.open();
  for (int i = 0; i < 4; ++i) d.send_burst(both, 0, 900, 2);
  d.wait();
  d.tick();
  d.retain();
  d.send_burst(both, 0, 900, 4);
  d.wait();
  d.tick();
  d.retain();
  d.send("B", 0, 100);
  d.wait();
}

void keys(Driver& d) {
  d.open();
  for (int i = 0; i < 5; ++i) {
    d.send_burst(both, 0, 100, 4);
    d.wait();
    // The index is synced every ten seconds, and its entries know their second.
    d.pass_ms(11'000);
    if (i % 2 == 0) d.tick();
  }
  d.close();
  d.open();
  d.send_burst(both, 0, 100, 4);
  d.wait();
}

void metadata(Driver& d) {
  d.open();
  d.save_topic("A", 2);
  d.save_group("g", 3);
  for (int i = 0; i < 4; ++i) {
    d.send("A", 0, 100);
    d.wait();
    d.commit("g", "A", 0, i);
    if (i % 2 == 1) d.commit("h", "A", 1, i * 10);
    d.save_offsets();
    d.save_topic("B", i % 2 == 0 ? 4 : 0);
    d.save_group("h", i % 2 == 0 ? 5 : 0);
  }
  d.commit("g", "A", 0, 9);
  d.save_topic("A", 3);
}

void stops(Driver& d) {
  for (int life = 0; life < 3; ++life) {
    d.open();
    d.send_burst(both, 0, 200, static_cast<int>(d.number(1, 5)));
    if (d.number(0, 1) == 0) d.wait();
    d.send("A", 1, 300);
    d.close();
  }
  d.open();
}

// The process dies, the machine does not: nothing that was placed is lost by that.
void kills(Driver& d) {
  for (int life = 0; life < 3; ++life) {
    d.open();
    d.send_burst(both, 0, 200, static_cast<int>(d.number(1, 6)));
    d.wait();
    if (d.number(0, 1) == 0) d.tick();
    d.send("A", 1, 300);
    d.kill();
  }
  d.open();
  d.send("A", 1, 300);
  d.wait();
}

void progress(Driver& d) {
  d.open();
  for (int i = 0; i < 5; ++i) {
    d.send_burst(both, static_cast<int32_t>(d.number(0, 2)), 100, static_cast<int>(d.number(1, 6)));
    if (d.number(0, 2) == 0) d.wait();
    d.tick();
  }
  d.wait();
}

// 0: the housekeeper's turn, 1: a clean restart, 2: one after a kill.
void tick_or_restart(Driver& d, int64_t what) {
  if (what == 0) return d.tick();
  what == 1 ? d.close() : d.kill();
  d.open();
}

// Queues whose records hold several messages each, beside one of the other kind.
void batch_queues(Driver& d) {
  const std::vector<std::string> topics = {"Batch", "A", "Batch"};
  d.open();
  for (int i = 0; i < 12; ++i) {
    const auto what = d.number(0, 7);
    switch (what) {
      case 0:
      case 1:
      case 2:
        tick_or_restart(d, what);
        break;
      case 3:
        if (i > 4) d.delete_topic("Batch");
        break;
      default:
        d.send_burst(topics, static_cast<int32_t>(d.number(0, 1)), static_cast<size_t>(d.number(10, 500)),
                     static_cast<int>(d.number(1, 4)));
        if (d.number(0, 1) == 0) d.wait();
    }
  }
  d.wait();
  d.tick();
  if (d.number(0, 1) == 0) d.retain();
}

void full_disk(Driver& d) {
  d.open();
  d.send_burst(both, 0, 300, 3);
  d.wait();
  d.set_room(d.number(0, 3) * 4096);
  for (int i = 0; i < 8; ++i) d.send_burst(both, 0, 900, 2);
  d.wait();
  d.unlimited_room();
  for (int i = 0; i < 2; ++i) d.send_burst(both, 0, 500, 2);
  d.wait();
  d.tick();
}

// Records in many queues; one of the queues is deleted meanwhile, and the topic that they were sent to.
void light(Driver& d) {
  d.open();
  for (int i = 0; i < 5; ++i) {
    d.send_burst(both, 0, 200, static_cast<int>(d.number(2, 5)));
    if (d.number(0, 1) == 0) d.wait();
    if (d.number(0, 2) == 0) d.tick();
  }
  d.wait();
  d.delete_topic("%LMQ%a");
  d.send_burst(both, 0, 200, 4);
  d.wait();
  if (d.number(0, 1) == 0) {
    d.kill();
    d.open();
  }
  d.send_burst({"A"}, 0, 300, 4);
  d.wait();
  d.tick();
  d.delete_topic("A");
  d.send_burst({"B"}, 1, 100, 3);
  d.wait();
  d.close();
  d.open();
  d.send_burst({"B"}, 1, 100, 3);
  d.wait();
}

void mixed(Driver& d) {
  d.open();
  for (int i = 0; i < 14; ++i) {
    const auto what = d.number(0, 9);
    switch (what) {
      case 0:
      case 1:
      case 2:
        tick_or_restart(d, what);
        break;
      case 3:
        d.delete_topic(both[static_cast<size_t>(d.number(0, 1))]);
        break;
      case 4:
        d.send_burst(both, 1, 400, 4, true);
        break;
      case 5:
        d.commit("g", "A", 0, i);
        d.save_offsets();
        break;
      default:
        d.send_burst(both, 0, static_cast<size_t>(d.number(10, 900)), static_cast<int>(d.number(1, 4)));
        if (d.number(0, 1) == 0) d.wait();
    }
  }
  d.wait();
}

std::vector<Workload> all() {
  std::vector<Workload> out;
  const auto add = [&](const std::string& name, void (*run)(Driver&), Config config) {
    for (const bool sync : {true, false}) {
      config.sync_flush = sync;
      out.push_back({name + (sync ? "-sync" : "-async"), config, run});
    }
  };
  add("appends", appends, {});
  add("rolls", rolls, {.segment_bytes = 4096});
  add("batches", batches, {});
  add("large", large, {.segment_bytes = 16 * 1024});
  add("topics", topics_come_and_go, {});
  add("retention", retention, {.segment_bytes = 4096});
  add("keys", keys, {.key_index = true});
  add("metadata", metadata, {});
  add("stops", stops, {.segment_bytes = 4096});
  add("kills", kills, {.segment_bytes = 4096});
  add("progress", progress, {.segment_bytes = 4096});
  add("full", full_disk, {.segment_bytes = 4096});
  add("light", light, {.light = true, .segment_bytes = 4096});
  add("batchcq", batch_queues, {.segment_bytes = 4096});
  const auto again = [&](const std::string& prefix, std::initializer_list<const char*> names, auto change) {
    for (const std::string name : names) {
      for (const char* flush : {"-sync", "-async"}) {
        Workload w = *std::find_if(out.begin(), out.end(), [&](const Workload& o) { return o.name == name + flush; });
        w.name = prefix + w.name;
        change(w.config);
        out.push_back(std::move(w));
      }
    }
  };
  again("db-", {"rolls", "topics", "retention", "stops", "kills", "progress", "light"},
        [](Config& c) { c.database = true; });
  again("many-", {"rolls", "topics", "retention", "stops", "kills", "progress", "full", "light"},
        [](Config& c) { c.many = true; });
  add("many-batchcq", batch_queues, {.segment_bytes = 4096, .many = true});
  add("many-mixed", mixed, {.segment_bytes = 4096, .many = true});
  add("mixed", mixed, {.key_index = true, .segment_bytes = 4096});
  return out;
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> list = all();
  return list;
}

const Workload* find_workload(std::string_view name) {
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

}  // namespace merlin::rig
