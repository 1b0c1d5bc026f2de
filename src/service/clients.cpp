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

// REQUIRES: mutex_ held.
bool Clients::update_subscriptions(ConsumerGroup& group, const std::vector<Subscription>& subscriptions,
                                   std::vector<std::string>& changed_topics) {
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
      const bool is_same = subscription.sub_string == it->second->sub_string &&
                           subscription.expression_type == it->second->expression_type;
      if (!is_same) changed_topics.push_back(subscription.topic);
      it->second = std::make_shared<const Subscription>(subscription);
    }
  }
  const size_t removed =
      std::erase_if(group.subscriptions, [&](const auto& entry) { return !wanted.contains(entry.first); });
  return changed || removed > 0;
}

void Clients::count_differing(size_t distinct_before, size_t distinct_now) {
  if (distinct_before <= 1 && distinct_now > 1) ++guard_.groups_differing;
  if (distinct_before > 1 && distinct_now <= 1) --guard_.groups_differing;
}

// REQUIRES: mutex_ held.
void Clients::set_statement(ConsumerGroup& group, Member& member, std::string statement) {
  if (member.statement != nullptr && *member.statement == statement) return;
  const size_t distinct = group.statements.distinct();
  subscription_bytes_ -= group.statements.bytes();
  group.statements.remove(member.statement);
  member.statement = nullptr;
  // Beyond the limit a member goes unguarded rather than unserved.
  if (subscription_bytes_ + group.statements.bytes() + statement.size() <= subscription_bytes_max) {
    member.statement = group.statements.add(std::move(statement));
  }
  subscription_bytes_ += group.statements.bytes();
  count_differing(distinct, group.statements.distinct());
}

std::string Clients::check_statement(ConsumerGroup& group, const ConsumerHeartbeat& heartbeat, const ClientInfo& client,
                                     const std::string& statement) {
  const auto own = group.channels.find(client.channel->id());
  const Statements::Ref before = own == group.channels.end() ? nullptr : own->second.statement;
  if (before != nullptr && *before == statement) return {};
  if (!group.statements.others_differ(statement, before)) return {};
  const Member* other = nullptr;
  size_t looked = 0;
  for (const auto& [id, member] : group.channels) {
    if (++looked > members_searched_max) break;
    if (id == client.channel->id() || member.statement == nullptr || *member.statement == statement) continue;
    other = &member;
    break;
  }
  if (other == nullptr) return {};
  ++guard_.mismatches;
  std::string words = "consumers " + client.client_id + " and " + other->client.client_id + " of group " +
                      heartbeat.group + " subscribe differently: " + statement_difference(statement, *other->statement);
  const bool refuse = reject_mismatch_ != nullptr && reject_mismatch_->load(std::memory_order_relaxed) != 0;
  if (!refuse) {
    log_warn("clients", "{}; the last heartbeat decides what the whole group gets ({}, {})", words,
             client.channel->remote_text(), other->client.channel->remote_text());
    return {};
  }
  ++guard_.refused;
  const size_t refused = std::hash<std::string>{}(client.client_id + '\n' + statement);
  if (refused != group.last_refused) {
    log_warn("clients", "{}; the heartbeat of {} ({}) is refused", words, client.client_id,
             client.channel->remote_text());
    group.last_refused = refused;
  }
  return words;
}

// REQUIRES: mutex_ held, the group has room. Returns whether the channel is new in it.
bool Clients::add_member(const std::string& name, ConsumerGroup& group, const ClientInfo& client) {
  const auto [it, is_new] = group.channels.try_emplace(client.channel->id());
  ClientInfo& known = it->second.client;
  if (is_new) {
    consumer_groups_[client.channel->id()].insert(name);
    log_info("clients", "new consumer {} of group {} from {} ({}, {})", client.client_id, name,
             client.channel->remote_text(), group.consume_type, group.message_model);
  }
  if (!is_new && known.client_id == client.client_id) {
    known.last_update_ms = client.last_update_ms;
    return false;
  }
  if (!is_new) forget_client_id(name, group, known, Leave::closed);
  known = client;
  const auto count = group.client_ids.try_emplace(client.client_id, 0U).first;
  ++count->second;
  if (listener_ != nullptr) listener_->member_came(name, client);
  return is_new;
}

// REQUIRES: mutex_ held.
void Clients::forget_client_id(const std::string& name, ConsumerGroup& group, const ClientInfo& client, Leave how) {
  const auto it = group.client_ids.find(client.client_id);
  if (it == group.client_ids.end() || --it->second > 0) return;
  group.client_ids.erase(it);
  if (listener_ != nullptr) listener_->member_left(name, client, how);
}

Registered Clients::register_consumer(const ConsumerHeartbeat& heartbeat, const ClientInfo& client,
                                      bool without_subscriptions, bool notify) {
  std::string statement;
  if (!without_subscriptions)
    statement = statement_of(heartbeat.group, heartbeat.message_model, heartbeat.subscriptions);
  Channels told;
  Registered out;
  {
    std::unique_lock lock(mutex_);
    if (consumers_.size() >= groups_max && !consumers_.contains(heartbeat.group)) return out;
    ConsumerGroup& group = consumers_[heartbeat.group];
    const uint64_t channel_id = client.channel->id();
    if (group.channels.size() >= channels_per_group_max && !group.channels.contains(channel_id)) return out;
    // A group that was made just now has nobody to differ from.
    if (!without_subscriptions) out.refusal = check_statement(group, heartbeat, client, statement);
    if (!out.refusal.empty()) return out;
    group.consume_type = heartbeat.consume_type;
    group.message_model = heartbeat.message_model;
    group.consume_from_where = heartbeat.consume_from_where;
    out.changed = add_member(heartbeat.group, group, client);
    if (without_subscriptions) {
      out.lacks_statement = group.subscriptions.empty();
    } else {
      set_statement(group, group.channels.find(channel_id)->second, std::move(statement));
      out.changed = update_subscriptions(group, heartbeat.subscriptions, out.changed_topics) || out.changed;
    }
    if (out.changed && notify) told = due_notice(heartbeat.group, group);
  }
  tell(told, heartbeat.group);
  return out;
}

void Clients::register_producer(std::string_view group, const ClientInfo& client) {
  std::unique_lock lock(mutex_);
  if (producers_.size() >= groups_max && !producers_.contains(group)) return;
  auto it = producers_.find(group);
  if (it == producers_.end())
    it = producers_.emplace(std::string(group), std::unordered_map<uint64_t, ClientInfo>()).first;
  const auto [at, is_new] = it->second.try_emplace(client.channel->id(), client);
  if (!is_new && at->second.client_id == client.client_id) {
    at->second.last_update_ms = client.last_update_ms;
    return;
  }
  if (!is_new) unindex_producer(at->second);
  at->second = client;
  index_producer(client);
  producer_groups_[client.channel->id()].emplace(group);
}

// REQUIRES: mutex_ held.
void Clients::index_producer(const ClientInfo& client) {
  ProducerChannel& entry = producer_channels_[client.client_id][client.channel->id()];
  entry.channel = client.channel;
  ++entry.groups;
}

// REQUIRES: mutex_ held.
void Clients::unindex_producer(const ClientInfo& client) {
  const auto found = producer_channels_.find(client.client_id);
  if (found == producer_channels_.end()) return;
  const auto it = found->second.find(client.channel->id());
  if (it == found->second.end() || --it->second.groups > 0) return;
  found->second.erase(it);
  if (found->second.empty()) producer_channels_.erase(found);
}

void Clients::unregister_consumer(std::string_view name, uint64_t channel_id, bool notify, Leave how) {
  remove_consumer(name, channel_id, notify, how, INT64_MAX);
}

// Only a channel whose last heartbeat is older than that: one may have come while the decision was made.
void Clients::remove_consumer(std::string_view name, uint64_t channel_id, bool notify, Leave how,
                              int64_t older_than_ms) {
  Channels told;
  std::string name_text(name);
  {
    std::unique_lock lock(mutex_);
    const auto it = consumers_.find(name);
    if (it == consumers_.end()) return;
    ConsumerGroup& group = it->second;
    const auto member = group.channels.find(channel_id);
    if (member != group.channels.end()) {
      if (member->second.client.last_update_ms >= older_than_ms) return;
      const size_t distinct = group.statements.distinct();
      subscription_bytes_ -= group.statements.bytes();
      group.statements.remove(member->second.statement);
      subscription_bytes_ += group.statements.bytes();
      count_differing(distinct, group.statements.distinct());
      const ClientInfo client = std::move(member->second.client);
      group.channels.erase(member);
      forget_client_id(name_text, group, client, how);
      log_info("clients", "consumer {} of group {} left, {} remain", client.client_id, name, group.channels.size());
    }
    remove_name(consumer_groups_, channel_id, name);
    if (group.channels.empty()) {
      subscription_bytes_ -= group.subscription_bytes;
      consumers_.erase(it);
      if (const auto f = fingerprints_.find(name); f != fingerprints_.end()) fingerprints_.erase(f);
    } else if (notify) {
      told = due_notice(name_text, group);
    }
  }
  tell(told, name_text);
}

void Clients::unregister_producer(std::string_view group, uint64_t channel_id) {
  std::unique_lock lock(mutex_);
  const auto it = producers_.find(group);
  if (it == producers_.end()) return;
  if (const auto at = it->second.find(channel_id); at != it->second.end()) {
    unindex_producer(at->second);
    it->second.erase(at);
  }
  remove_name(producer_groups_, channel_id, group);
  if (it->second.empty()) producers_.erase(it);
}

void Clients::tell(const Channels& channels, const std::string& group) {
  for (const ClientChannelPtr& channel : channels) channel->notify_consumer_ids_changed(group);
}

int64_t Clients::interval_ms() const {
  const auto* real_time = rules_.real_time_notify_consumer_change;
  return real_time == nullptr || real_time->load(std::memory_order_relaxed) != 0 ? notify_interval_ms
                                                                                 : lazy_notify_interval_ms;
}

Clients::Channels Clients::due_notice(const std::string& name, ConsumerGroup& group) {
  Channels out;
  const auto* enabled = rules_.notify_consumer_ids_changed_enable;
  if (enabled != nullptr && enabled->load(std::memory_order_relaxed) == 0) return out;
  if (group.message_model == broadcasting || group.channels.empty()) return out;
  const int64_t now = now_ms();
  if (group.noticed_ms && now - *group.noticed_ms < interval_ms()) {
    group.notice_waits = true;
    waiting_notices_.insert(name);
    any_notice_waits_ = true;
    return out;
  }
  group.notice_waits = false;
  // A group of one begins no interval: the second member's coming must be told at once.
  if (group.channels.size() > 1) group.noticed_ms = now;
  out.reserve(group.channels.size());
  for (const auto& [id, member] : group.channels) out.push_back(member.client.channel);
  return out;
}

void Clients::notify_group(std::string_view name) {
  const std::string name_text(name);
  Channels told;
  {
    std::unique_lock lock(mutex_);
    const auto it = consumers_.find(name);
    if (it != consumers_.end()) told = due_notice(name_text, it->second);
  }
  tell(told, name_text);
}

void Clients::send_due_notices() {
  if (!any_notice_waits_.load(std::memory_order_relaxed)) return;
  std::vector<std::pair<std::string, Channels>> due;
  {
    std::unique_lock lock(mutex_);
    const int64_t now = now_ms();
    for (auto it = waiting_notices_.begin(); it != waiting_notices_.end();) {
      const auto group = consumers_.find(*it);
      const bool waits = group != consumers_.end() && group->second.notice_waits;
      if (waits && group->second.noticed_ms && now - *group->second.noticed_ms < interval_ms()) {
        ++it;
        continue;
      }
      if (waits) due.emplace_back(*it, due_notice(*it, group->second));
      it = waiting_notices_.erase(it);
    }
    any_notice_waits_ = !waiting_notices_.empty();
  }
  for (const auto& [name, channels] : due) tell(channels, name);
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
      for (const auto& [id, member] : group.channels) {
        if (member.client.last_update_ms < oldest_ms) consumers.emplace_back(name, id);
      }
    }
    for (const auto& [name, channels] : producers_) {
      for (const auto& [id, client] : channels) {
        if (client.last_update_ms < oldest_ms) producers.emplace_back(name, id);
      }
    }
  }
  for (const auto& [name, id] : consumers) remove_consumer(name, id, true, Leave::expired, oldest_ms);
  for (const auto& [name, id] : producers) unregister_producer(name, id);
  return consumers.size() + producers.size();
}

bool Clients::fingerprint_changed(std::string_view group, int32_t fingerprint) {
  std::unique_lock lock(mutex_);
  const auto it = fingerprints_.find(group);
  if (it == fingerprints_.end()) {
    if (fingerprints_.size() < groups_max) fingerprints_.emplace(std::string(group), fingerprint);
    return false;
  }
  const bool changed = it->second != fingerprint;
  it->second = fingerprint;
  return changed;
}

}  // namespace merlin::service
