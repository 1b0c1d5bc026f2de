#include "door/remoting/registration.h"

#include <algorithm>
#include <condition_variable>

#include "door/remoting/json_text.h"
#include "merlin/base/crc32.h"
#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"
#include "merlin/wire/response_code.h"

namespace merlin::door {

namespace {

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
  const std::vector<meta::TopicPtr> topics = topics_.all();
  return register_call(topics, mappings_.all());
}

rpc::Call Registration::register_call(std::span<const meta::TopicPtr> topics,
                                      const std::vector<meta::QueueMappingPtr>& mappings) const {
  rpc::Call call;
  call.code = wire::request_code::register_broker;
  call.body =
      "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":" +
      meta::topic_wrapper_json(topics, topics_.version(), static_cast<int32_t>(settings_.broker_permission.load()),
                               {mappings_.version(), {}, meta::mapping_infos_json(mappings)}) +
      "}";
  call.ext = {{"brokerName", settings_.broker_name},
              {"brokerAddr", settings_.broker_addr},
              {"clusterName", settings_.cluster_name},
              {"haServerAddr", settings_.ha_addr},
              {"brokerId", std::to_string(settings_.broker_id)},
              {"enableActingMaster", "false"},
              {"compressed", "false"},
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

size_t Registration::register_all(int64_t timeout_ms) {
  return send_to_all(register_all_call(), timeout_ms);
}

void Registration::register_topic(const meta::TopicPtr& topic) {
  const int64_t timeout_ms = std::min<int64_t>(settings_.timeout_ms, change_timeout_ms_max);
  if (topic == nullptr) {
    register_all(timeout_ms);
    return;
  }
  const std::span<const meta::TopicPtr> one(&topic, 1);
  std::vector<meta::QueueMappingPtr> mappings;
  if (auto mapping = mappings_.find(topic->name)) mappings.push_back(std::move(mapping));
  // The route of code 217 has no place for a mapping.
  const bool is_single = settings_.single_topic_register.load() != 0 && mappings.empty();
  const size_t accepted = send_to_all(is_single ? single_topic_call(*topic) : register_call(one, mappings), timeout_ms);
  // A nameserver that does not know this broker refuses a table of one topic: give it the whole.
  if (accepted < settings_.nameservers.size()) register_all(timeout_ms);
}

void Registration::start_register_all() {
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
