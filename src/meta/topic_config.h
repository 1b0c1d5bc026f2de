// Topics: their queue numbers, permission and attributes, in config/topics.json.
//
// Owns:     the table of topics and <store>/config/topics.json.
// Threads:  find() and the other readers from anywhere: a shared lock and a reference count. Changes are serialized by
// a mutex
//           and write the file (fsync): on workers, not on reactors.
// Survives: each change is on disk when its call returns, in the file or in its journal (table_file.h); a broken file
//           falls back to topics.json.bak.
// Fails:    when the file cannot be written the change is in force in memory, the call says Errc::io or no_space, and
//           persist_if_dirty() tries again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/attributes.h"
#include "meta/data_version.h"
#include "meta/table_file.h"
#include "meta/text_map.h"

namespace merlin::meta {

inline constexpr int32_t perm_inherit = 1;
inline constexpr int32_t perm_write = 2;
inline constexpr int32_t perm_read = 4;
inline constexpr int32_t perm_priority = 8;
// "RW-", "R-X" ...
std::string perm_text(int32_t perm);

inline constexpr int32_t topic_sys_flag_unit = 1;
inline constexpr int32_t topic_sys_flag_unit_sub = 2;

struct TopicConfig {
  std::string name;
  int32_t read_queue_nums = 16;
  int32_t write_queue_nums = 16;
  int32_t perm = perm_read | perm_write;
  bool multi_tag = false;  // topicFilterType: SINGLE_TAG or MULTI_TAG
  int32_t topic_sys_flag = 0;
  bool order = false;
  Attributes attributes;

  bool operator==(const TopicConfig&) const = default;
  std::string_view attribute(std::string_view key, std::string_view default_value) const;
  bool is_batch_queue() const { return attribute("queue.type", "SimpleCQ") == "BatchCQ"; }
  // NORMAL, FIFO, DELAY, TRANSACTION, MIXED, UNSPECIFIED, PRIORITY, LITE
  std::string_view message_type() const { return attribute("message.type", "NORMAL"); }
  // As Java's toString(), for logs and remarks.
  std::string text() const;
  // With `mapping_detail`, a JSON object: as TopicConfigAndQueueMapping, the form for static topics.
  std::string json(std::string_view mapping_detail = {}) const;
  // "name readQ writeQ perm SINGLE_TAG {attributes}", the form inside a compressed registration.
  std::string line() const;
  // One TopicConfig object; unknown fields are passed over, missing ones keep their defaults.
  static Result<TopicConfig> parse(std::string_view json);
  // A list of them: {"topicConfigList":[...]}, the body of UPDATE_AND_CREATE_TOPIC_LIST.
  static Result<std::vector<TopicConfig>> parse_list(std::string_view json);
};

using TopicPtr = std::shared_ptr<const TopicConfig>;

// Whether a new topic's file is written before the call returns, or by a later persist_if_dirty().
enum class WriteFile { now, later };

class TopicTable : private TableContent {
 public:
  static constexpr int32_t queue_nums_max = 65'536;  // per topic; an update that asks for more is refused
  static constexpr size_t topics_max = 1'000'000;    // none is made beyond it

  // What the system topics depend on (BrokerConfig, MessageStoreConfig).
  struct Setup {
    std::string cluster_name = "DefaultCluster";
    std::string broker_name;
    bool auto_create_topic_enable = true;
    int32_t default_topic_queue_nums = 8;
    bool cluster_topic_enable = true;
    bool broker_topic_enable = true;
    bool trace_topic_enable = false;
    std::string trace_topic_name = "RMQ_SYS_TRACE_TOPIC";
    int32_t revive_queue_num = 8;
    bool timer_wheel_enable = true;
    bool has_batch_queues = true;  // whether topics may have queue.type=BatchCQ
  };

  TopicTable(FileSystem& files, const Clock& clock, const std::string& store_root);
  TopicTable(const TopicTable&) = delete;
  TopicTable& operator=(const TopicTable&) = delete;

  // Puts the system topics into the table, then what the file says over them.
  Status open(const Setup& setup);
  // autoCreateTopicEnable and defaultTopicQueueNums, changed at run time: TBW102 appears, or loses the right to be
  // inherited from, or offers another number of queues.
  // 0: the number stays.
  void set_auto_create(bool enable, int32_t default_topic_queue_nums = 0);

  // enableLmq: names of light queues are topics that stand in no table and cannot be changed. Before open().
  void set_light_queues(bool on) { light_queues_ = on; }
  bool is_light(std::string_view name) const;

  TopicPtr find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  bool is_order(std::string_view name) const;
  std::vector<TopicPtr> all() const;  // sorted by name
  size_t size() const;
  // Grows with every change of any topic: callers that keep a TopicPtr compare it.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  DataVersion version() const;
  // Names that clients may not create: message::is_system_topic and the topics made from cluster and broker name.
  bool is_system_topic(std::string_view name) const;

  // The topic, made from `default_topic` when it does not exist (createTopicInSendMessageMethod): min(client's wish,
  // default's queues) queues, the default's permission without "inherit". Errc::not_found when the default topic does
  // not exist or may not be inherited from. A file that cannot be written is logged, not an error: the topic exists.
  Result<TopicPtr> create_for_send(std::string_view name, std::string_view default_topic, int32_t client_queue_nums,
                                   int32_t topic_sys_flag);
  // The topic, made as given when it does not exist: retry and DLQ topics (createTopicInSendMessageBackMethod). An
  // existing one changes its `order` when that differs. nullptr when topics_max is reached.
  TopicPtr create_if_absent(std::string_view name, int32_t queue_nums, int32_t perm, bool order, int32_t topic_sys_flag,
                            WriteFile write = WriteFile::now);

  // Creates or replaces; `config.attributes` holds changes ("+k", "-k"). Errc::invalid for attributes, in Apache's
  // words.
  Result<TopicPtr> update(TopicConfig config);
  // Several at once with one write of the file; those before a bad one stay, as in Apache.
  Status update_list(std::vector<TopicConfig> configs);
  // Errc::not_found when it does not exist.
  Status remove(std::string_view name);
  void set_unit_flags(std::string_view name, std::optional<bool> unit, std::optional<bool> unit_sub);
  // The nameserver's ORDER_TOPIC_CONFIG names these: they become ordered.
  void mark_ordered(const std::set<std::string>& names);
  // A change that concerns all of them (brokerPermission): the next registration carries a new version.
  void bump_version();
  // Writes what is not on disk yet, and the whole file when its time has come.
  Status persist_if_dirty();
  // The whole file, and no journal left: the broker stops.
  Status close();
  TableFile& file() { return file_; }

  // {"dataVersion":..,"topicConfigTable":{..}}: the file, compact.
  std::string json() const;

 private:
  uint64_t publish(TopicConfig config);
  uint64_t publish_all(std::vector<TopicConfig> configs);
  void add_system_topics(const Setup& setup);
  Result<TopicConfig> inherited(std::string_view name, std::string_view default_topic, int32_t client_queue_nums,
                                int32_t topic_sys_flag) const;
  Result<TopicConfig> altered(TopicConfig config) const;
  void persist_or_warn(uint64_t change);
  Status decode(std::string_view text);
  Status apply(const JournalLine& line);
  uint64_t change_count() const override { return generation(); }
  size_t row_count() const override { return size(); }
  Status write_json(const Sink& sink) const override;
  void take_changes(std::string& lines) override;

  const Clock& clock_;
  TableFile file_;
  bool light_queues_ = false;                              // constant after open()
  std::set<std::string, std::less<>> made_system_topics_;  // constant after open()
  std::mutex change_mutex_;                                // one decision at a time: read, change, publish
  bool auto_create_ = true;                                // guarded by change_mutex_
  int32_t default_queue_nums_ = 8;                         // guarded by change_mutex_
  bool has_batch_queues_ = true;                           // guarded by change_mutex_
  mutable std::shared_mutex mutex_;      // held for a look-up or an exchange, never while writing a file
  NamedSet<TopicConfig> topics_;         // guarded by mutex_
  TextSet changed_;                      // guarded by mutex_; names whose journal line is due
  DataVersion version_;                  // guarded by mutex_
  std::atomic<uint64_t> generation_{1};  // counts changes; grows under mutex_
};

// What the wrapper below says of static topics: "topic":{..} of each, without the braces around.
struct MappingTexts {
  DataVersion version;
  std::string details;
  std::string infos;
};

// The body of GET_ALL_TOPIC_CONFIG and the wrapper inside a registration (TopicConfigAndMappingSerializeWrapper). With
// `broker_permission` lacking read or write, each topic goes out as Apache sends it then: permission masked, other
// fields default.
std::string topic_wrapper_json(std::span<const TopicPtr> topics, const DataVersion& version,
                               int32_t broker_permission = 6, const MappingTexts& mappings = {});
// [seq, seq + max) of the sorted table, from 0 when `data_version_json` is not the current version
// (subTopicConfigTable).
std::vector<TopicPtr> topic_page(const TopicTable& table, std::string_view data_version_json, int64_t seq, int64_t max);

}  // namespace merlin::meta
