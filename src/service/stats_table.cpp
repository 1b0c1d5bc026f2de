#include "service/stats_table.h"

#include <algorithm>
#include <cstring>

#include "merlin/message/names.h"

namespace merlin::service {

namespace {

constexpr size_t minute_samples = 7;
constexpr size_t hour_samples = 7;
constexpr size_t day_samples = 25;

// Counters of a row, by kind.
constexpr size_t nums = 0;
constexpr size_t bytes = 1;
constexpr size_t sent_backs = 2;
constexpr size_t latency = 2;

std::atomic<uint64_t> next_table_id{1};

}  // namespace

// A row that a thread has found before.
struct StatsTable::Remembered {
  static constexpr size_t places = 1024;

  uint64_t table_id = 0;
  uint64_t generation = 0;
  const void* identity = nullptr;
  std::string group;
  RowPtr row;
};

StatsTable::Remembered& StatsTable::remembered(const void* identity, std::string_view group) {
  // A plain pointer in front of the owner: reading it needs no guard.
  static thread_local constinit Remembered* all = nullptr;
  if (all == nullptr) {
    thread_local const auto owner = std::make_unique<Remembered[]>(Remembered::places);
    all = owner.get();
  }
  uint64_t mixed = reinterpret_cast<uintptr_t>(identity) + group.size();
  if (group.size() >= sizeof(uint32_t)) {
    uint32_t tail;  // where names differ most
    std::memcpy(&tail, group.data() + group.size() - sizeof tail, sizeof tail);
    mixed += uint64_t{tail} << 20;
  }
  return all[(mixed * 0x9E3779B97F4A7C15U) >> 54];
}

StatsTable::StatsTable(const Clock& clock) : clock_(clock), id_(next_table_id.fetch_add(1)) {}

void StatsTable::append_key(Kind kind, std::string_view topic, std::string_view group, int32_t queue_id,
                            std::string& out) {
  out.push_back(static_cast<char>(kind));
  if (kind == Kind::queue) {
    out += std::to_string(queue_id);
    out.push_back('@');
  }
  // As a "commercial" key: nobody is known to own the topic.
  if (kind == Kind::given_up) out += "null@";
  out += topic;
  if (kind == Kind::topic || kind == Kind::broker) return;
  out.push_back('@');
  if (kind == Kind::put_queue) {
    out += std::to_string(queue_id);
  } else {
    out += group;
  }
  if (kind == Kind::given_up) out += "@SEND_BACK_TO_DLQ";
}

StatsTable::RowPtr StatsTable::find_or_make(Kind kind, std::string_view topic, std::string_view group,
                                            int32_t queue_id) {
  if (message::is_lmq(topic)) topic = message::lmq_prefix;
  if (message::is_lmq(group)) group = message::lmq_prefix;
  std::string key;
  append_key(kind, topic, group, queue_id, key);
  {
    const std::shared_lock lock(mutex_);
    if (const auto it = rows_.find(key); it != rows_.end()) return it->second;
    if (rows_.size() >= rows_max) return nullptr;
  }
  auto made = std::make_shared<Row>();
  made->kind = kind;
  made->is_user_topic = !message::is_system_topic(topic);
  made->changed_ms = clock_.wall_ms();
  if (kind == Kind::queue) {
    made->group = find_or_make(Kind::group, topic, group, 0);
    if (!made->group) return nullptr;
  }
  const std::unique_lock lock(mutex_);
  if (rows_.size() >= rows_max) return nullptr;
  return rows_.emplace(std::move(key), std::move(made)).first->second;
}

void StatsTable::topic_put(const void* identity, std::string_view topic, int64_t messages, int64_t size,
                           int64_t requests) {
  Remembered& last = remembered(identity, {});
  const uint64_t generation = generation_.load(std::memory_order_acquire);
  if (last.identity != identity || last.generation != generation || last.table_id != id_ || !last.group.empty()) {
    RowPtr found = find_or_make(Kind::topic, topic, {}, 0);
    if (!found) return;
    last.table_id = id_;
    last.generation = generation;
    last.identity = identity;
    last.group.clear();
    last.row = std::move(found);
  }
  Row& row = *last.row;
  row.counters[nums].add(messages, requests);
  row.counters[bytes].value.fetch_add(size, std::memory_order_relaxed);
}

void StatsTable::group_get(const void* identity, std::string_view group, std::string_view topic, int32_t queue_id,
                           int64_t messages, int64_t size, int64_t latency_ms) {
  Remembered& last = remembered(identity, group);
  const uint64_t generation = generation_.load(std::memory_order_acquire);
  if (last.identity != identity || last.generation != generation || last.table_id != id_ || last.group != group) {
    RowPtr found = find_or_make(Kind::queue, topic, group, queue_id);
    if (!found) return;
    last.table_id = id_;
    last.generation = generation;
    last.identity = identity;
    last.group = group;
    last.row = std::move(found);
  }
  Row& row = *last.row;
  row.counters[nums].add(messages, 1);
  row.counters[bytes].value.fetch_add(size, std::memory_order_relaxed);
  row.counters[latency].value.fetch_add(latency_ms, std::memory_order_relaxed);
}

void StatsTable::sent_back(std::string_view group, std::string_view topic) {
  if (const RowPtr found = find_or_make(Kind::group, topic, group, 0)) found->counters[sent_backs].add(1, 1);
}

void StatsTable::given_up(std::string_view group, std::string_view topic) {
  if (const RowPtr found = find_or_make(Kind::given_up, topic, group, 0)) found->counters[nums].add(1, 1);
}

void StatsTable::queue_put(std::string_view topic, int32_t queue_id, int64_t messages, int64_t size) {
  const RowPtr found = find_or_make(Kind::put_queue, topic, {}, queue_id);
  if (!found) return;
  found->counters[nums].add(messages, messages);
  found->counters[bytes].add(size, messages);
}

// What follows from the counters of a topic or a queue: those of the group, and the sums over all.
void StatsTable::carry(Row& row) {
  const int64_t times = row.counters[nums].times.load(std::memory_order_relaxed);
  const int64_t got = row.counters[nums].value.load(std::memory_order_relaxed);
  const int64_t size = row.counters[bytes].value.load(std::memory_order_relaxed);
  const bool is_queue = row.kind == Kind::queue;
  // A call is counted once, for nums.
  row.counters[bytes].times.store(times, std::memory_order_relaxed);
  if (is_queue) {
    row.counters[latency].times.store(times, std::memory_order_relaxed);
    row.group->counters[nums].add(got - row.carried_nums, times - row.carried_times);
    row.group->counters[bytes].add(size - row.carried_bytes, times - row.carried_times);
  }
  if (row.is_user_topic) (is_queue ? user_get_ : user_put_).fetch_add(got - row.carried_nums);
  row.carried_nums = got;
  row.carried_bytes = size;
  row.carried_times = times;
}

StatsTable::Sample StatsTable::now_of(const Row& row, int64_t now_ms) {
  Sample out;
  out.at_ms = now_ms;
  for (size_t i = 0; i < counters_max; ++i) {
    out.value[i] = row.counters[i].value.load(std::memory_order_relaxed);
    out.times[i] = row.counters[i].times.load(std::memory_order_relaxed);
  }
  return out;
}

// A row's window begins with nothing, one step before its first sample.
void StatsTable::push(std::vector<Sample>& window, const Sample& sample, int64_t step_ms, size_t size_max) {
  if (window.empty()) {
    Sample before;
    before.at_ms = sample.at_ms - step_ms;
    window.push_back(before);
  }
  window.push_back(sample);
  if (window.size() > size_max) window.erase(window.begin());
}

void StatsTable::sample(int64_t put_messages, int64_t get_messages) {
  const int64_t now_ms = clock_.wall_ms();
  // A clock that was set back must not stop the samples.
  const auto take = [now_ms](int64_t& next_ms, int64_t step_ms) {
    if (now_ms < next_ms && next_ms - now_ms <= step_ms) return false;
    next_ms = now_ms + step_ms;
    return true;
  };
  const bool minute = take(next_minute_ms_, minute_step_ms);
  const bool hour = take(next_hour_ms_, hour_step_ms);
  const bool day = take(next_day_ms_, day_step_ms);
  if (!minute && !hour && !day) return;
  const RowPtr put = find_or_make(Kind::broker, "put", {}, 0);
  const RowPtr get = find_or_make(Kind::broker, "get", {}, 0);
  std::vector<RowPtr> rows;
  {
    const std::shared_lock lock(mutex_);
    rows.reserve(rows_.size());
    for (const auto& [key, row] : rows_) rows.push_back(row);
  }
  for (const RowPtr& row : rows) {
    if (row->kind == Kind::queue || row->kind == Kind::topic) carry(*row);
  }
  if (put) put->counters[nums].value = put_messages;
  if (put) put->counters[bytes].value = user_put_messages();
  if (get) get->counters[nums].value = get_messages;
  if (get) get->counters[bytes].value = user_get_messages();
  const std::lock_guard windows_lock(windows_mutex_);
  for (const RowPtr& row : rows) {
    const Sample sample = now_of(*row, now_ms);
    int64_t times = 0;
    for (size_t i = 0; i < counters_max; ++i) times += sample.times[i];
    if (times != row->seen_times || row->kind == Kind::broker) row->changed_ms = now_ms;
    row->seen_times = times;
    if (minute) push(row->minute, sample, minute_step_ms, minute_samples);
    if (hour) push(row->hour, sample, hour_step_ms, hour_samples);
    if (day) push(row->day, sample, day_step_ms, day_samples);
  }
  drop_idle(now_ms, rows.size() < rows_max ? idle_ms_max : idle_when_full_ms);
}

void StatsTable::drop_idle(int64_t now_ms, int64_t idle_ms) {
  const std::unique_lock lock(mutex_);
  const size_t dropped =
      std::erase_if(rows_, [&](const auto& entry) { return now_ms - entry.second->changed_ms > idle_ms; });
  if (dropped > 0) generation_.fetch_add(1, std::memory_order_release);
}

StatsWindow StatsTable::window_of(const std::vector<Sample>& window, size_t counter) {
  StatsWindow out;
  if (window.empty()) return out;
  const Sample& first = window.front();
  const Sample& last = window.back();
  out.sum = last.value[counter] - first.value[counter];
  const int64_t span_ms = last.at_ms - first.at_ms;
  if (span_ms > 0) out.tps = static_cast<double>(out.sum) * 1000.0 / static_cast<double>(span_ms);
  const int64_t times = last.times[counter] - first.times[counter];
  if (times > 0) out.average = static_cast<double>(out.sum) / static_cast<double>(times);
  return out;
}

std::optional<StatsTable::Place> StatsTable::place_of(std::string_view name) {
  if (name == "TOPIC_PUT_NUMS") return Place{Kind::topic, nums};
  if (name == "TOPIC_PUT_SIZE") return Place{Kind::topic, bytes};
  if (name == "GROUP_GET_NUMS") return Place{Kind::group, nums};
  if (name == "GROUP_GET_SIZE") return Place{Kind::group, bytes};
  if (name == "SNDBCK_PUT_NUMS") return Place{Kind::group, sent_backs};
  if (name == "GROUP_GET_LATENCY") return Place{Kind::queue, latency};
  if (name == "SNDBCK2DLQ_TIMES") return Place{Kind::given_up, nums};
  if (name == "QUEUE_PUT_NUMS") return Place{Kind::put_queue, nums};
  if (name == "QUEUE_PUT_SIZE") return Place{Kind::put_queue, bytes};
  if (name == "QUEUE_GET_NUMS") return Place{Kind::queue, nums};
  if (name == "QUEUE_GET_SIZE") return Place{Kind::queue, bytes};
  return std::nullopt;
}

std::optional<StatsWindows> StatsTable::find_place(Place place, std::string_view key) const {
  std::string full(1, static_cast<char>(place.kind));
  full += key;
  const std::lock_guard windows_lock(windows_mutex_);
  const std::shared_lock lock(mutex_);
  const auto it = rows_.find(full);
  if (it == rows_.end()) return std::nullopt;
  const Row& row = *it->second;
  const Counter& counter = row.counters[place.counter];
  if (place.kind != Kind::broker && counter.times.load(std::memory_order_relaxed) == 0) return std::nullopt;
  return StatsWindows{window_of(row.minute, place.counter), window_of(row.hour, place.counter),
                      window_of(row.day, place.counter)};
}

std::optional<StatsWindows> StatsTable::find(std::string_view name, std::string_view key) const {
  if (name.starts_with("BROKER_")) {
    if (key != cluster_name_) return std::nullopt;
    if (name == "BROKER_PUT_NUMS") return find_place({Kind::broker, nums}, "put");
    if (name == "BROKER_GET_NUMS") return find_place({Kind::broker, nums}, "get");
    if (name == "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC") return find_place({Kind::broker, bytes}, "put");
    if (name == "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC") return find_place({Kind::broker, bytes}, "get");
    return std::nullopt;
  }
  const auto place = place_of(name);
  if (!place) return std::nullopt;
  if (place->kind != Kind::queue || name == "GROUP_GET_LATENCY") return find_place(*place, key);
  // Apache's key here is topic@queue@group, where the row's is queue@topic@group.
  const size_t first = key.find('@');
  const size_t second = first == std::string_view::npos ? first : key.find('@', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::string own(key.substr(first + 1, second - first - 1));
  own += '@';
  own += key.substr(0, first);
  own += key.substr(second);
  return find_place(*place, own);
}

double StatsTable::topic_put_tps(std::string_view topic) const {
  const auto found = find_place({Kind::topic, nums}, topic);
  return found ? found->minute.tps : 0;
}

double StatsTable::group_get_tps(std::string_view group, std::string_view topic) const {
  std::string key(topic);
  key += '@';
  key += group;
  const auto found = find_place({Kind::group, nums}, key);
  return found ? found->minute.tps : 0;
}

// Rows of a topic, or of a group.
void StatsTable::forget(const std::string_view* topic, const std::string_view* group) {
  const std::unique_lock lock(mutex_);
  const size_t dropped = std::erase_if(rows_, [&](const auto& entry) {
    const char kind = entry.first.front();
    std::string_view rest = std::string_view(entry.first).substr(1);
    if (kind == static_cast<char>(Kind::broker)) return false;
    if (kind == static_cast<char>(Kind::given_up)) rest.remove_prefix(std::string_view("null@").size());
    if (kind == static_cast<char>(Kind::queue)) rest.remove_prefix(rest.find('@') + 1);
    const size_t at = rest.find('@');
    if (topic != nullptr && rest.substr(0, at) == *topic) return true;
    if (group == nullptr || at == std::string_view::npos || kind == static_cast<char>(Kind::put_queue)) return false;
    rest.remove_prefix(at + 1);
    return rest.substr(0, rest.find('@')) == *group;
  });
  if (dropped > 0) generation_.fetch_add(1, std::memory_order_release);
}

void StatsTable::topic_deleted(std::string_view topic) {
  forget(&topic, nullptr);
}

void StatsTable::group_deleted(std::string_view group) {
  forget(nullptr, &group);
}

size_t StatsTable::size() const {
  const std::shared_lock lock(mutex_);
  return rows_.size();
}

}  // namespace merlin::service
