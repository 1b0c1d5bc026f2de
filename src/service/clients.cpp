#include "service/clients.h"

#include <algorithm>

#include "merlin/base/log.h"

namespace merlin::service {

namespace {

// Roughly what a subscription keeps in memory.
size_t bytes_of(const Subscription& s) {
  size_t bytes = sizeof(Subscription) + s.topic.size() * 2 + s.sub_string.size() + s.codes.size() * sizeof(int32_t);
  for (const std::string& tag : s.tags) bytes += sizeof(std::string) + tag.size();
  return bytes;
}

}  // namespace

void Clients::remove_name(GroupsByChannel& table, uint64_t channel_id, std::string_view name) {
  const auto it = table.find(channel_id);
  if (it == table.end()) return;
  if (const auto entry = it->second.find(name); entry != it->second.end()) it->second.erase(entry);
  if (it->second.empty()) table.erase(it);
}

void Clients::tell(const std::vector<ClientChannelPtr>& channels, const std::string& group) {
  for (const ClientChannelPtr& channel : channels) channel->notify_consumer_ids_changed(group);
}

std::vector<ClientChannelPtr> Clients::channels_of(const ConsumerGroup& group) const {
  std::vector<ClientChannelPtr> out;
  out.reserve(group.channels.size());
  for (const auto& [id, client] : group.channels) out.push_back(client.channel);
  return out;
}

// REQUIRES: mutex_ held.
bool Clients::update_subscriptions(ConsumerGroup& group, const std::vector<Subscription>& subscriptions) {
  bool changed = false;
  size_t bytes = 0;
  for (const Subscription& subscription : subscriptions) bytes += bytes_of(subscription);
  if (bytes > group.subscription_bytes &&
      subscription_bytes_ - group.subscription_bytes + bytes > subscription_bytes_max) {
    log_warn("clients", "subscriptions of {} bytes not taken: all groups have {} bytes, the limit is {}", bytes,
             subscription_bytes_, subscription_bytes_max);
    return false;
  }
  subscription_bytes_ += bytes - group.subscription_bytes;
  group.subscription_bytes = bytes;
  std::set<std::string_view> wanted;
  for (const Subscription& subscription : subscriptions) wanted.insert(subscription.topic);
  for (const Subscription& subscription : subscriptions) {
    const auto it = group.subscriptions.find(subscription.topic);
    if (it == group.subscriptions.end()) {
      group.subscriptions.emplace(subscription.topic, std::make_shared<const Subscription>(subscription));
      changed = true;
    } else if (subscription.sub_version > it->second->sub_version) {
      it->second = std::make_shared<const Subscription>(subscription);
    }
  }
  const size_t removed =
      std::erase_if(group.subscriptions, [&](const auto& entry) { return !wanted.contains(entry.first); });
  return changed || removed > 0;
}

bool Clients::register_consumer(const ConsumerHeartbeat& heartbeat, const ClientInfo& client,
                                bool without_subscriptions, bool notify) {
  std::vector<ClientChannelPtr> told;
  bool changed = false;
  {
    std::unique_lock lock(mutex_);
    if (consumers_.size() >= groups_max && !consumers_.contains(heartbeat.group)) return false;
    ConsumerGroup& group = consumers_[heartbeat.group];
    group.consume_type = heartbeat.consume_type;
    group.message_model = heartbeat.message_model;
    group.consume_from_where = heartbeat.consume_from_where;
    const auto it = group.channels.find(client.channel->id());
    if (it == group.channels.end()) {
      if (group.channels.size() >= channels_per_group_max) return false;
      group.channels.emplace(client.channel->id(), client);
      consumer_groups_[client.channel->id()].insert(heartbeat.group);
      changed = true;
      log_info("clients", "new consumer {} of group {} from {} ({}, {})", client.client_id, heartbeat.group,
               client.channel->remote_text(), heartbeat.consume_type, heartbeat.message_model);
    } else {
      it->second = client;
    }
    if (!without_subscriptions) changed = update_subscriptions(group, heartbeat.subscriptions) || changed;
    if (changed && notify && group.message_model != broadcasting) told = channels_of(group);
  }
  tell(told, heartbeat.group);
  return changed;
}

void Clients::register_producer(std::string_view group, const ClientInfo& client) {
  std::unique_lock lock(mutex_);
  if (producers_.size() >= groups_max && !producers_.contains(group)) return;
  auto it = producers_.find(group);
  if (it == producers_.end())
    it = producers_.emplace(std::string(group), std::unordered_map<uint64_t, ClientInfo>()).first;
  it->second.insert_or_assign(client.channel->id(), client);
  producer_groups_[client.channel->id()].emplace(group);
}

void Clients::unregister_consumer(std::string_view name, uint64_t channel_id, bool notify) {
  std::vector<ClientChannelPtr> told;
  {
    std::unique_lock lock(mutex_);
    const auto it = consumers_.find(name);
    if (it == consumers_.end()) return;
    ConsumerGroup& group = it->second;
    if (group.channels.erase(channel_id) > 0) {
      log_info("clients", "consumer of group {} left, {} remain", name, group.channels.size());
    }
    remove_name(consumer_groups_, channel_id, name);
    if (notify && group.message_model != broadcasting) told = channels_of(group);
    if (group.channels.empty()) {
      subscription_bytes_ -= group.subscription_bytes;
      consumers_.erase(it);
      if (const auto f = fingerprints_.find(name); f != fingerprints_.end()) fingerprints_.erase(f);
    }
  }
  tell(told, std::string(name));
}

void Clients::unregister_producer(std::string_view group, uint64_t channel_id) {
  std::unique_lock lock(mutex_);
  const auto it = producers_.find(group);
  if (it == producers_.end()) return;
  it->second.erase(channel_id);
  remove_name(producer_groups_, channel_id, group);
  if (it->second.empty()) producers_.erase(it);
}

std::vector<std::string> Clients::consumer_groups_of(uint64_t channel_id) const {
  std::shared_lock lock(mutex_);
  const auto it = consumer_groups_.find(channel_id);
  return it == consumer_groups_.end() ? std::vector<std::string>()
                                      : std::vector<std::string>(it->second.begin(), it->second.end());
}

std::vector<std::string> Clients::producer_groups_of(uint64_t channel_id) const {
  std::shared_lock lock(mutex_);
  const auto it = producer_groups_.find(channel_id);
  return it == producer_groups_.end() ? std::vector<std::string>()
                                      : std::vector<std::string>(it->second.begin(), it->second.end());
}

size_t Clients::drop_expired(int64_t expired_ms) {
  const int64_t oldest_ms = clock_.wall_ms() - expired_ms;
  std::vector<std::pair<std::string, uint64_t>> consumers;
  std::vector<std::pair<std::string, uint64_t>> producers;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [name, group] : consumers_) {
      for (const auto& [id, client] : group.channels) {
        if (client.last_update_ms < oldest_ms) consumers.emplace_back(name, id);
      }
    }
    for (const auto& [name, channels] : producers_) {
      for (const auto& [id, client] : channels) {
        if (client.last_update_ms < oldest_ms) producers.emplace_back(name, id);
      }
    }
  }
  for (const auto& [name, id] : consumers) unregister_consumer(name, id, true);
  for (const auto& [name, id] : producers) unregister_producer(name, id);
  return consumers.size() + producers.size();
}

bool Clients::fingerprint_changed(std::string_view group, int32_t fingerprint) {
  std::unique_lock lock(mutex_);
  const auto it = fingerprints_.find(group);
  if (it == fingerprints_.end()) {
    fingerprints_.emplace(std::string(group), fingerprint);
    return false;
  }
  const bool changed = it->second != fingerprint;
  it->second = fingerprint;
  return changed;
}

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
  for (const auto& [id, client] : it->second.channels) out.push_back(client.client_id);
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
  for (const auto& [id, client] : it->second.channels) out.clients.push_back(client);
  return out;
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
