// The broker's side of the nameservers: register, renew, unregister.
//
// A table of more than parts_topics_min topics, or any with enableSplitRegistration, goes in parts of
// splitRegistrationSize topics: one request could not hold a million. Each part has a data version of its own, since a
// nameserver passes over what comes with the version it has; the last part has the table's. A renewal of a table in
// parts asks each nameserver first which version it has, and sends nothing to one that has the newest.
//
// Owns:    nothing but counters; connections belong to rpc::Client.
// Threads: register_all() and register_topic() block: workers or the main thread. start_register_all() returns at once
//          unless in_parts(): then it blocks, in memory for one part at a time.
// Fails:   a nameserver that does not answer is logged once per change of its state, and tried again each period.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "meta/topic_config.h"
#include "meta/topic_queue_mapping.h"
#include "rpc/client.h"

namespace merlin::door {

struct RegistrationSettings {
  std::vector<std::string> nameservers;  // host:port
  std::string cluster_name;
  std::string broker_name;
  std::string broker_addr;  // ip:port, announced to clients
  std::string ha_addr;
  int64_t broker_id = 0;
  const std::atomic<int64_t>& broker_permission;
  const std::atomic<int64_t>& single_topic_register;
  const std::atomic<int64_t>& split_registration;
  const std::atomic<int64_t>& split_size;
  const std::atomic<int64_t>& compressed_register;
  int32_t timeout_ms = 24'000;  // registerBrokerTimeoutMills
};

std::vector<std::string> split_nameservers(std::string_view text);

class Registration {
 public:
  // A changed topic's answer waits at most this long for nameservers that do not answer.
  static constexpr int64_t change_timeout_ms_max = 3'000;
  static constexpr size_t parts_topics_min = 20'000;

  Registration(RegistrationSettings settings, rpc::Client& client, meta::TopicTable& topics,
               const meta::QueueMappingTable& mappings);

  // Whether the table is registered in parts.
  bool in_parts() const;
  // Registers the whole table everywhere; returns how many nameservers accepted it. Blocks.
  size_t register_all(int64_t timeout_ms);
  // Registers one topic (enableSingleTopicRegister: by code 217, unless it is a static one); nullptr: the whole table,
  // or with in_parts() nothing now: the next renewal does it. Blocks.
  void register_topic(const meta::TopicPtr& topic);
  // Renewal.
  void start_register_all();
  // Whether every nameserver accepted the last registration it answered.
  bool all_registered() const;
  // Says goodbye. Blocks up to the timeout.
  void unregister_all(int64_t timeout_ms);
  const RegistrationSettings& settings() const { return settings_; }

 private:
  rpc::Call register_call(std::span<const meta::TopicPtr> topics, const std::vector<meta::QueueMappingPtr>& mappings,
                          const meta::DataVersion& version) const;
  // Whether the nameserver has the table's version; also renews the registration there.
  bool is_known(const std::string& nameserver) const;
  size_t register_parts(int64_t timeout_ms);
  rpc::Call register_all_call() const;
  rpc::Call single_topic_call(const meta::TopicConfig& topic) const;
  // Sends to all and waits; returns the number of answers with code 0.
  size_t send_to_all(const rpc::Call& call, int64_t timeout_ms);
  void note(const std::string& nameserver, const Result<rpc::OwnedCommand>& answer);

  const RegistrationSettings settings_;
  rpc::Client& client_;
  meta::TopicTable& topics_;
  const meta::QueueMappingTable& mappings_;
  std::atomic<bool> leaving_{false};
  mutable std::mutex mutex_;
  std::map<std::string, std::string> last_state_;  // guarded by mutex_; what was logged last, by nameserver
};

}  // namespace merlin::door
