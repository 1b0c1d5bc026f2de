// Clients: who asks what is in the tables.
#include "service/clients.h"

namespace merlin::service {

std::shared_ptr<const Subscription> Clients::subscription(std::string_view group, std::string_view topic) const {
  std::shared_lock lock(mutex_);
  const auto it = consumers_.find(group);
  if (it == consumers_.end()) return nullptr;
  const auto sub = it->second.subscriptions.find(topic);
  return sub == it->second.subscriptions.end() ? nullptr : sub->second;
}

bool Clients::has_consumer_group(std::string_view group) const {
  std::shared_lock lock(mutex_);
  return consumers_.find(group) != consumers_.end();
}

bool Clients::is_broadcasting(std::string_view group) const {
  std::shared_lock lock(mutex_);
  const auto it = consumers_.find(group);
  return it != consumers_.end() && it->second.message_model == broadcasting;
}

std::vector<std::string> Clients::consumer_ids(std::string_view group) const {
  std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  const auto it = consumers_.find(group);
  if (it == consumers_.end()) return out;
  // Each once, though a client may have two connections for a while: members share the queues by their place in this
  // list, and the share of a second place would be nobody's.
  for (const auto& [id, channels] : it->second.client_ids) out.push_back(id);
  return out;
}

std::optional<ConsumerGroupSnapshot> Clients::consumer_group(std::string_view group) const {
  std::shared_lock lock(mutex_);
  const auto it = consumers_.find(group);
  if (it == consumers_.end()) return std::nullopt;
  ConsumerGroupSnapshot out;
  out.consume_type = it->second.consume_type;
  out.message_model = it->second.message_model;
  out.consume_from_where = it->second.consume_from_where;
  for (const auto& [topic, subscription] : it->second.subscriptions) out.subscriptions.push_back(subscription);
  for (const auto& [id, member] : it->second.channels) out.clients.push_back(member.client);
  return out;
}

std::optional<ClientInfo> Clients::consumer(std::string_view group, std::string_view client_id) const {
  std::shared_lock lock(mutex_);
  const auto it = consumers_.find(group);
  if (it == consumers_.end() || it->second.client_ids.find(client_id) == it->second.client_ids.end()) {
    return std::nullopt;
  }
  // An open one, where the client has come back on a new connection and the old one is not known to be gone.
  const ClientInfo* found = nullptr;
  for (const auto& [id, member] : it->second.channels) {
    if (member.client.client_id != client_id) continue;
    found = &member.client;
    if (found->channel->is_open()) break;
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

ClientChannelPtr Clients::producer_channel(std::string_view client_id) const {
  std::shared_lock lock(mutex_);
  const auto it = producer_channels_.find(client_id);
  if (it == producer_channels_.end()) return nullptr;
  for (auto at = it->second.rbegin(); at != it->second.rend(); ++at) {
    if (at->second.channel->is_open()) return at->second.channel;
  }
  return nullptr;
}

std::vector<ClientInfo> Clients::producers(std::string_view group) const {
  std::shared_lock lock(mutex_);
  std::vector<ClientInfo> out;
  const auto it = producers_.find(group);
  if (it == producers_.end()) return out;
  for (const auto& [id, client] : it->second) out.push_back(client);
  return out;
}

std::map<std::string, std::vector<ClientInfo>> Clients::all_producers() const {
  std::shared_lock lock(mutex_);
  std::map<std::string, std::vector<ClientInfo>> out;
  for (const auto& [name, channels] : producers_) {
    std::vector<ClientInfo>& list = out[name];
    for (const auto& [id, client] : channels) list.push_back(client);
  }
  return out;
}

std::vector<std::string> Clients::groups_subscribing(std::string_view topic) const {
  std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, group] : consumers_) {
    if (group.subscriptions.find(topic) != group.subscriptions.end()) out.push_back(name);
  }
  return out;
}

}  // namespace merlin::service
