#include "store/queue/queue_table.h"

#include <charconv>
#include <mutex>

#include "merlin/base/log.h"

namespace merlin::store {

QueueTable::QueueTable(FileSystem& files, std::string dir, int32_t file_bytes)
    : files_(files), dir_(std::move(dir)), file_bytes_(file_bytes) {}

Status QueueTable::load() {
  const auto topics = files_.list(dir_);
  if (!topics) return topics.error();
  for (const std::string& topic : *topics) {
    const std::string topic_dir = dir_ + "/" + topic;
    if (!files_.is_dir(topic_dir)) continue;
    const auto ids = files_.list(topic_dir);
    if (!ids) return ids.error();
    for (const std::string& name : *ids) {
      int32_t id = 0;
      const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (ec != std::errc() || end != name.data() + name.size() || !files_.is_dir(topic_dir + "/" + name)) {
        log_warn("store", "{}/{} is not a queue: ignored", topic_dir, name);
        continue;
      }
      if (Status s = get(topic, id)->load(); !s) return s;
    }
  }
  return {};
}

ConsumeQueue* QueueTable::find(std::string_view topic, int32_t queue_id) const {
  const std::shared_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return nullptr;
  const auto q = t->second.find(queue_id);
  return q == t->second.end() || q->second.hidden ? nullptr : q->second.queue.get();
}

ConsumeQueue* QueueTable::get(std::string_view topic, int32_t queue_id) {
  if (ConsumeQueue* queue = find(topic, queue_id)) return queue;
  const std::unique_lock lock(mutex_);
  auto t = topics_.find(topic);
  if (t == topics_.end()) t = topics_.emplace(std::string(topic), Queues()).first;
  Slot& slot = t->second[queue_id];
  if (slot.queue == nullptr) {
    slot.queue = std::make_unique<ConsumeQueue>(files_, dir_, std::string(topic), queue_id, file_bytes_);
  }
  slot.hidden = false;
  return slot.queue.get();
}

std::vector<ConsumeQueue*> QueueTable::all() const {
  std::vector<ConsumeQueue*> out;
  const std::shared_lock lock(mutex_);
  for (const auto& [topic, queues] : topics_) {
    for (const auto& [id, slot] : queues) {
      if (!slot.hidden) out.push_back(slot.queue.get());
    }
  }
  return out;
}

std::vector<ConsumeQueue*> QueueTable::of_topic(std::string_view topic) const {
  std::vector<ConsumeQueue*> out;
  const std::shared_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return out;
  for (const auto& [id, slot] : t->second) {
    if (!slot.hidden) out.push_back(slot.queue.get());
  }
  return out;
}

void QueueTable::hide(std::string_view topic) {
  const std::unique_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return;
  for (auto& [id, slot] : t->second) slot.hidden = true;
}

bool QueueTable::is_topic_name(std::string_view topic) {
  return !topic.empty() && topic != "." && topic != ".." &&
         topic.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

Status QueueTable::remove_topic_dir(std::string_view topic) {
  if (!is_topic_name(topic)) return Error{Errc::invalid, "topic " + std::string(topic) + " is no name of a directory"};
  const std::string dir = dir_ + "/" + std::string(topic);
  return files_.exists(dir) ? files_.remove_tree(dir) : Status();
}

int32_t QueueTable::count_with_files() const {
  int32_t count = 0;
  for (const ConsumeQueue* queue : all()) count += queue->has_files() ? 1 : 0;
  return count;
}

}  // namespace merlin::store
