// Our store on a folder, with the same commands and the same output as java/JavaStore.java.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <unistd.h>

#include "merlin/base/log.h"
#include "merlin/message/properties.h"
#include "store/message_store.h"

namespace merlin::store {
namespace {

void append(MessageStore& store, int from, int count) {
  Buffer scratch;
  for (int i = from; i < from + count; ++i) {
    const std::string topic = "T" + std::to_string(i % 3);
    const std::string body = "body " + std::to_string(i) + std::string(static_cast<size_t>(i % 50), 'x');
    std::string properties;
    message::append_property(properties, "KEYS", "k" + std::to_string(i));
    message::append_property(properties, "TAGS", "tag" + std::to_string(i % 5));
    AppendItem item;
    item.spec.topic = topic;
    item.spec.queue_id = i % 2;
    item.spec.body = as_bytes(body);
    item.spec.properties = properties;
    item.spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
    item.spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    item.queue = store.queue(topic, i % 2);
    item.tags_code = message::tags_code(properties);
    store.append({&item, 1}, scratch);
    if (item.code != AppendCode::ok) std::abort();
  }
}

void dump(const MessageStore& store) {
  std::map<std::string, const ConsumeQueue*> queues;
  for (const QueueName& q : store.queues()) {
    queues[q.topic + " " + std::to_string(q.queue_id)] = store.find_queue(q.topic, q.queue_id);
  }
  for (const auto& [name, queue] : queues) {
    int64_t offset = store.min_offset(queue);
    const int64_t max = store.max_offset(queue);
    std::printf("QUEUE %s %ld %ld\n", name.c_str(), offset, max);
    GetResult result;
    while (offset < max) {
      store.get(queue, offset, {}, nullptr, result);
      for (ByteView slice : result.bytes.slices) {
        while (!slice.empty()) {
          const auto record = message::decode_record(slice, true);
          if (!record) std::abort();
          std::printf("MESSAGE %s %ld %ld %.*s\n", name.c_str(), record->queue_offset, record->physical_offset,
                      static_cast<int>(record->body.size()), reinterpret_cast<const char*>(record->body.data()));
          slice = slice.subspan(static_cast<size_t>(record->total_size));
        }
      }
      offset = result.next_begin_offset;
    }
  }
}

int run(int argc, char** argv) {
  if (argc < 4) return 64;
  log_init("/dev/stderr", LogLevel::info);
  StoreOptions options;
  options.root_dir = argv[1];
  options.segment_size_bytes = 256 * 1024;
  options.consume_queue_file_bytes = 100 * 20;
  options.index_hash_slots = 1000;
  options.index_entries_max = 4000;
  SystemClock clock;
  MessageStore store(options, posix_file_system(), clock, [](const Error&) { std::abort(); });
  if (Status s = store.open(); !s) {
    std::printf("LOAD FAILED %s\n", s.error().message.c_str());
    return 2;
  }
  const bool appends = std::string(argv[2]) == "append";
  if (appends && argc < 6) return 64;
  if (appends) {
    append(store, std::atoi(argv[3]), std::atoi(argv[4]));
  } else {
    dump(store);
  }
  std::fflush(stdout);
  if (std::string(argv[appends ? 5 : 3]) == "close") {
    store.close();
  } else {
    _exit(0);  // as kill -9: no destructor runs
  }
  return 0;
}

}  // namespace
}  // namespace merlin::store

int main(int argc, char** argv) {
  return merlin::store::run(argc, argv);
}
