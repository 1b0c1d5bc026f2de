#include "door/remoting/registration.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <condition_variable>
#include <zlib.h>

#include "door/remoting/json_text.h"
#include "merlin/base/crc32.h"
#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"
#include "merlin/wire/response_code.h"

namespace merlin::door {

namespace {

void append_part(std::string& out, std::string_view part) {
  std::array<uint8_t, 4> size;
  store_be<int32_t>(size.data(), static_cast<int32_t>(part.size()));
  out.append(reinterpret_cast<const char*>(size.data()), size.size()).append(part);
}

void append_count(std::string& out, size_t count) {
  append_part(out, {});
  store_be<int32_t>(reinterpret_cast<uint8_t*>(out.data() + out.size() - 4), static_cast<int32_t>(count));
}

// RegisterBrokerBody with compression: each part behind its length, all of it deflated.
std::string compressed_registration(std::span<const meta::TopicPtr> topics, const meta::DataVersion& version,
                                    int32_t permission, const std::vector<meta::QueueMappingPtr>& mappings) {
  std::string plain;
  append_part(plain, version.json());
  append_count(plain, topics.size());
  const bool is_restricted = (permission & meta::perm_read) == 0 || (permission & meta::perm_write) == 0;
  for (const meta::TopicPtr& topic : topics) {
    if (!is_restricted) {
      append_part(plain, topic->line());
      continue;
    }
    meta::TopicConfig masked;
    masked.name = topic->name;
    masked.read_queue_nums = topic->read_queue_nums;
    masked.write_queue_nums = topic->write_queue_nums;
    masked.perm = topic->perm & permission;
    append_part(plain, masked.line());
  }
  append_part(plain, "[]");  // filter servers
  append_count(plain, mappings.size());
  for (const meta::QueueMappingPtr& mapping : mappings) append_part(plain, mapping->info_json());
  uLongf size = compressBound(plain.size());
  std::string out(size, '\0');
  const int rc = compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
                           plain.size(), Z_DEFAULT_COMPRESSION);
  assert(rc == Z_OK);
  (void)rc;
  out.resize(size);
  return out;
}

// Counts answers; shared with calls that may outlive the wait.
struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  size_t pending = 0;
  size_t accepted = 0;
};

}  // namespace

std::vector<std::string> split_nameservers(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = text.find(';');
    std::string_view one = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!one.empty()) out.emplace_back(one);
  }
  return out;
}

Registration::Registration(RegistrationSettings settings, rpc::Client& client, meta::TopicTable& topics,
                           const meta::QueueMappingTable& mappings)
    : settings_(std::move(settings)), client_(client), topics_(topics), mappings_(mappings) {}

rpc::Call Registration::register_all_call() const {
  const meta::DataVersion version = topics_.version();
  const std::vector<meta::TopicPtr> topics = topics_.all();
  return register_call(topics, mappings_.all(), version);
}

rpc::Call Registration::register_call(std::span<const meta::TopicPtr> topics,
                                      const std::vector<meta::QueueMappingPtr>& mappings,
                                      const meta::DataVersion& version) const {
  rpc::Call call;
  call.code = wire::request_code::register_broker;
  const auto permission = static_cast<int32_t>(settings_.broker_permission.load());
  const bool is_compressed = settings_.compressed_register.load() != 0;
  if (is_compressed) {
    call.body = compressed_registration(topics, version, permission, mappings);
  } else {
    call.body = "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":" +
                meta::topic_wrapper_json(topics, version, permission,
                                         {mappings_.version(), {}, meta::mapping_infos_json(mappings)}) +
                "}";
  }
  call.ext = {{"brokerName", settings_.broker_name},
              {"brokerAddr", settings_.broker_addr},
              {"clusterName", settings_.cluster_name},
              {"haServerAddr", settings_.ha_addr},
              {"brokerId", std::to_string(settings_.broker_id)},
              {"enableActingMaster", "false"},
              {"compressed", is_compressed ? "true" : "false"},
              {"bodyCrc32", std::to_string(crc32_31(as_bytes(call.body)))}};
  return call;
}

rpc::Call Registration::single_topic_call(const meta::TopicConfig& topic) const {
  rpc::Call call;
  call.code = wire::request_code::register_topic_in_namesrv;
  call.ext = {{"topic", topic.name}};
  const int32_t perm = topic.perm & static_cast<int32_t>(settings_.broker_permission.load());
  call.body = "{\"brokerDatas\":[],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":" +
              json_string(settings_.broker_name) + ",\"perm\":" + std::to_string(perm) +
              ",\"readQueueNums\":" + std::to_string(topic.read_queue_nums) +
              ",\"topicSysFlag\":" + std::to_string(topic.topic_sys_flag) +
              ",\"writeQueueNums\":" + std::to_string(topic.write_queue_nums) + "}]}";
  return call;
}

void Registration::note(const std::string& nameserver, const Result<rpc::OwnedCommand>& answer) {
  std::string state = "registered";
  if (!answer) {
    state = answer.error().message;
  } else if (answer->code != wire::response_code::success) {
    state = "code " + std::to_string(answer->code) + " " + answer->remark;
  }
  std::lock_guard lock(mutex_);
  std::string& last = last_state_[nameserver];
  if (last == state) return;
  last = state;
  if (state == "registered") {
    log_info("registration", "registered with nameserver {}", nameserver);
  } else {
    log_warn("registration", "nameserver {} did not register this broker: {}", nameserver, state);
  }
}

size_t Registration::send_to_all(const rpc::Call& call, int64_t timeout_ms) {
  auto answers = std::make_shared<Answers>();
  answers->pending = settings_.nameservers.size();
  for (const std::string& nameserver : settings_.nameservers) {
    client_.call(nameserver, call, timeout_ms, [this, answers, nameserver](Result<rpc::OwnedCommand> answer) {
      note(nameserver, answer);
      std::lock_guard lock(answers->mutex);
      --answers->pending;
      if (answer && answer->code == wire::response_code::success) ++answers->accepted;
      answers->changed.notify_all();
    });
  }
  std::unique_lock lock(answers->mutex);
  // The calls have their own deadline and end by it.
  answers->changed.wait(lock, [&] { return answers->pending == 0; });
  return answers->accepted;
}

bool Registration::in_parts() const {
  return settings_.split_registration.load() != 0 || topics_.size() > parts_topics_min;
}

bool Registration::is_known(const std::string& nameserver) const {
  rpc::Call call;
  call.code = wire::request_code::query_data_version;
  call.ext = {{"brokerName", settings_.broker_name},
              {"brokerAddr", settings_.broker_addr},
              {"clusterName", settings_.cluster_name},
              {"brokerId", std::to_string(settings_.broker_id)}};
  call.body = topics_.version().json();
  const Result<rpc::OwnedCommand> answer = client_.call_blocking(nameserver, std::move(call), settings_.timeout_ms);
  const std::string* changed =
      answer && answer->code == wire::response_code::success ? answer->find("changed") : nullptr;
  return changed != nullptr && *changed == "false";
}

// One part after the other to one nameserver after the other.
size_t Registration::register_parts(int64_t timeout_ms) {
  const meta::DataVersion version = topics_.version();
  const std::vector<meta::TopicPtr> topics = topics_.all();
  const std::span<const meta::TopicPtr> all(topics);
  const auto size = static_cast<size_t>(std::max<int64_t>(settings_.split_size.load(), 2));
  // A first part of one topic would be refused by a nameserver that does not know this broker.
  const size_t parts = std::max<size_t>(all.size() / size, 1);
  size_t accepted = 0;
  for (const std::string& nameserver : settings_.nameservers) {
    Result<rpc::OwnedCommand> answer = Error{Errc::closed, "nothing was sent"};
    for (size_t part = 0; part < parts && !leaving_.load(); ++part) {
      const bool is_last = part + 1 == parts;
      meta::DataVersion own = version;
      own.timestamp_ms -= static_cast<int64_t>(parts - part - 1);
      const auto some = all.subspan(part * size, is_last ? all.size() - part * size : size);
      // The static topics go with the last part, as Apache's do.
      const auto mappings = is_last ? mappings_.all() : std::vector<meta::QueueMappingPtr>();
      answer = client_.call_blocking(nameserver, register_call(some, mappings, own), timeout_ms);
      if (!answer || answer->code != wire::response_code::success) break;
    }
    note(nameserver, answer);
    if (answer && answer->code == wire::response_code::success) ++accepted;
  }
  return accepted;
}

size_t Registration::register_all(int64_t timeout_ms) {
  return in_parts() ? register_parts(timeout_ms) : send_to_all(register_all_call(), timeout_ms);
}

void Registration::register_topic(const meta::TopicPtr& topic) {
  const int64_t timeout_ms = std::min<int64_t>(settings_.timeout_ms, change_timeout_ms_max);
  if (topic == nullptr) {
    // The nameservers have another version by now, and the next renewal sees it.
    if (!in_parts()) register_all(timeout_ms);
    return;
  }
  const std::span<const meta::TopicPtr> one(&topic, 1);
  std::vector<meta::QueueMappingPtr> mappings;
  if (auto mapping = mappings_.find(topic->name)) mappings.push_back(std::move(mapping));
  // The route of code 217 has no place for a mapping.
  const bool is_single = settings_.single_topic_register.load() != 0 && mappings.empty();
  const size_t accepted =
      send_to_all(is_single ? single_topic_call(*topic) : register_call(one, mappings, topics_.version()), timeout_ms);
  // A nameserver that does not know this broker refuses a table of one topic: give it the whole.
  if (accepted < settings_.nameservers.size() && !in_parts()) register_all(timeout_ms);
}

void Registration::start_register_all() {
  if (in_parts()) {
    const auto& all = settings_.nameservers;
    if (std::all_of(all.begin(), all.end(), [this](const std::string& nameserver) { return is_known(nameserver); }))
      return;
    register_parts(settings_.timeout_ms);
    return;
  }
  const rpc::Call call = register_all_call();
  for (const std::string& nameserver : settings_.nameservers) {
    client_.call(nameserver, call, settings_.timeout_ms,
                 [this, nameserver](Result<rpc::OwnedCommand> answer) { note(nameserver, answer); });
  }
}

bool Registration::all_registered() const {
  std::lock_guard lock(mutex_);
  return std::all_of(settings_.nameservers.begin(), settings_.nameservers.end(), [this](const std::string& nameserver) {
    const auto it = last_state_.find(nameserver);
    return it != last_state_.end() && it->second == "registered";
  });
}

void Registration::unregister_all(int64_t timeout_ms) {
  leaving_ = true;  // parts that are still to come would bring this broker back
  rpc::Call call;
  call.code = wire::request_code::unregister_broker;
  call.ext = {{"brokerName", settings_.broker_name},
              {"brokerAddr", settings_.broker_addr},
              {"clusterName", settings_.cluster_name},
              {"brokerId", std::to_string(settings_.broker_id)}};
  const size_t accepted = send_to_all(call, timeout_ms);
  log_info("registration", "unregistered from {} of {} nameservers", accepted, settings_.nameservers.size());
}

}  // namespace merlin::door
