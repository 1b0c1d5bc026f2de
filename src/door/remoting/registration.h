// The broker's side of the nameservers: register, renew, unregister.
//
// Owns:    nothing but counters; connections belong to rpc::Client.
// Threads: register_all() and register_topic() block: workers or the main thread. start_register_all() returns at once.
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
  int32_t timeout_ms = 24'000;  // registerBrokerTimeoutMills
};

std::vector<std::string> split_nameservers(std::string_view text);

class Registration {
 public:
  // A changed topic's answer waits at most this long for nameservers that do not answer.
  static constexpr int64_t change_timeout_ms_max = 3'000;

  Registration(RegistrationSettings settings, rpc::Client& client, meta::TopicTable& topics,
               const meta::QueueMappingTable& mappings);

  // Registers the whole table everywhere; returns how many nameservers accepted it. Blocks.
  size_t register_all(int64_t timeout_ms);
  // Registers one topic (enableSingleTopicRegister: by code 217, unless it is a static one); nullptr: the whole table.
  // Blocks.
  void register_topic(const meta::TopicPtr& topic);
  // Renewal: does not wait.
  void start_register_all();
  // Whether every nameserver accepted the last registration it answered.
  bool all_registered() const;
  // Says goodbye. Blocks up to the timeout.
  void unregister_all(int64_t timeout_ms);
  const RegistrationSettings& settings() const { return settings_; }

 private:
  rpc::Call register_call(std::span<const meta::TopicPtr> topics,
                          const std::vector<meta::QueueMappingPtr>& mappings) const;
  rpc::Call register_all_call() const;
  rpc::Call single_topic_call(const meta::TopicConfig& topic) const;
  // Sends to all and waits; returns the number of answers with code 0.
  size_t send_to_all(const rpc::Call& call, int64_t timeout_ms);
  void note(const std::string& nameserver, const Result<rpc::OwnedCommand>& answer);

  const RegistrationSettings settings_;
  rpc::Client& client_;
  meta::TopicTable& topics_;
  const meta::QueueMappingTable& mappings_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> last_state_;  // guarded by mutex_; what was logged last, by nameserver
};

}  // namespace merlin::door
