// Changes to the tables. Questions to them are in route_query.cpp.
#include "namesrv/route_table.h"

#include <algorithm>
#include <mutex>

#include "merlin/base/log.h"

namespace merlin::namesrv {

struct RouteTable::Changed {
  std::set<std::string> removed;                   // broker names that are gone
  std::set<std::string> reduced;                   // broker names that lost an address
  std::map<std::string, std::string> min_id_gone;  // broker name -> the address that held its smallest id
};

namespace {

constexpr size_t single_topic = 1;
constexpr size_t broker_text_max = 1024;

// A new smallest id is told to those who were there before; a lost one to all who are left.
MinIdChange min_id_change(const std::map<int64_t, std::string>& addrs, std::optional<std::string> offline,
                          std::optional<std::string> ha) {
  MinIdChange change;
  change.min_broker_id = addrs.begin()->first;
  change.min_broker_addr = addrs.begin()->second;
  const bool tell_all = offline.has_value() || addrs.size() == 1;
  for (const auto& [id, addr] : addrs) {
    if (tell_all || id != change.min_broker_id) change.notify_addrs.push_back(addr);
  }
  change.offline_broker_addr = std::move(offline);
  change.ha_broker_addr = std::move(ha);
  return change;
}

}  // namespace

RouteTable::RouteTable(const Clock& clock, RouteLimits limits) : clock_(clock), limits_(limits) {}

RegisterOutcome RouteTable::register_broker(const Registration& r) {
  const std::unique_lock lock(mutex_);
  RegisterOutcome outcome;
  if (outcome.why = limit_reached(r); !outcome.why.empty()) {
    outcome.state = RegisterOutcome::State::limit;
    return outcome;
  }
  const auto [broker_at, inserted] = brokers_.try_emplace(r.broker_name);
  BrokerData& broker = broker_at->second;
  if (inserted) {
    broker.cluster = r.cluster;
    broker.broker_name = r.broker_name;
  }
  broker.enable_acting_master = r.enable_acting_master.value_or(false);
  broker.zone_name = r.zone_name;
  const bool min_id_changed = !broker.addrs.empty() && r.broker_id < broker.addrs.begin()->first;

  // An address has one id: a slave that became master leaves its old id.
  std::erase_if(broker.addrs, [&](const auto& e) { return e.second == r.broker_addr && e.first != r.broker_id; });
  if (is_older(r, broker)) {
    live_.erase({r.cluster, r.broker_addr});
    outcome.state = RegisterOutcome::State::older;
    return outcome;
  }
  if (!broker.addrs.contains(r.broker_id) && r.body.topics.size() == single_topic) {
    log_warn("namesrv", "refused the first registration of {} id {} at {}: it has one topic only", r.broker_name,
             r.broker_id, r.broker_addr);
    forget_empty_broker(r.cluster, r.broker_name);
    outcome.state = RegisterOutcome::State::single_topic;
    return outcome;
  }
  clusters_[r.cluster].insert(r.broker_name);
  std::string& addr = broker.addrs[r.broker_id];
  const bool is_first = inserted || addr.empty();
  addr = r.broker_addr;

  const bool is_master = r.broker_id == master_id;
  const bool is_prime_slave =
      r.enable_acting_master.has_value() && !is_master && r.broker_id == broker.addrs.begin()->first;
  if (is_master || is_prime_slave) take_topics(r, broker, is_first, is_prime_slave);

  const BrokerIdentity identity{r.cluster, r.broker_addr};
  const auto [live_at, is_new] =
      live_.insert_or_assign(identity, Live{now_ms(), r.heartbeat_timeout_ms.value_or(broker_expires_ms_default),
                                            r.body.version, r.connection_id, r.ha_server_addr});
  if (is_new)
    log_info("namesrv", "new broker {} id {} at {} in {}", r.broker_name, r.broker_id, r.broker_addr, r.cluster);
  if (r.body.filter_servers && r.body.filter_servers->empty()) filter_servers_.erase(identity);
  if (r.body.filter_servers && !r.body.filter_servers->empty()) filter_servers_[identity] = *r.body.filter_servers;

  if (!is_master) {
    const auto master = broker.addrs.find(master_id);
    const auto live = master == broker.addrs.end() ? live_.end() : live_.find({r.cluster, master->second});
    if (live != live_.end()) {
      outcome.master_addr = master->second;
      outcome.ha_server_addr = live->second.ha_server_addr;
    }
  }
  if (min_id_changed) outcome.min_id_change = min_id_change(broker.addrs, std::nullopt, live_at->second.ha_server_addr);
  return outcome;
}

// Names, addresses and clusters are counted apart: one address may claim ever new names, and one name ever new
// addresses.
std::string RouteTable::broker_limit_reached(const Registration& r) const {
  const auto text = [](size_t count, std::string_view what, size_t limit) {
    return "the name server has " + std::to_string(count) + ' ' + std::string(what) + "; the limit is " +
           std::to_string(limit);
  };
  const size_t longest =
      std::max({r.broker_name.size(), r.broker_addr.size(), r.cluster.size(), r.ha_server_addr.size()});
  if (longest > broker_text_max) {
    return "a name or address of " + std::to_string(longest) + " bytes; the limit is " +
           std::to_string(broker_text_max);
  }
  const size_t most = limits_.brokers_max;
  if (live_.size() >= most && !live_.contains({r.cluster, r.broker_addr})) return text(live_.size(), "brokers", most);
  const auto broker = brokers_.find(r.broker_name);
  if (broker == brokers_.end()) {
    if (brokers_.size() >= most) return text(brokers_.size(), "broker names", most);
  } else if (broker->second.addrs.size() >= limits_.addresses_per_broker_max &&
             !broker->second.addrs.contains(r.broker_id)) {
    return text(broker->second.addrs.size(), "addresses of " + r.broker_name, limits_.addresses_per_broker_max);
  }
  if (clusters_.size() >= most && !clusters_.contains(r.cluster)) return text(clusters_.size(), "clusters", most);
  return {};
}

std::string RouteTable::limit_reached(const Registration& r) const {
  if (std::string why = broker_limit_reached(r); !why.empty()) return why;
  size_t topics = topics_.size();
  size_t queues = queue_count_;
  for (const auto& topic : r.body.topics) {
    if (topic.name.size() > broker_text_max) {
      return "a topic name of " + std::to_string(topic.name.size()) + " bytes; the limit is " +
             std::to_string(broker_text_max);
    }
  }
  if (topics + r.body.topics.size() <= limits_.topics_max && queues + r.body.topics.size() <= limits_.queues_max) {
    return {};
  }
  for (const auto& topic : r.body.topics) {
    const auto known = topics_.find(topic.name);
    topics += known == topics_.end() ? 1 : 0;
    queues += known == topics_.end() || !known->second.contains(r.broker_name) ? 1 : 0;
  }
  const auto text = [](size_t count, std::string_view what, size_t limit) {
    return "the registration would bring the name server to " + std::to_string(count) + ' ' + std::string(what) +
           "; the limit is " + std::to_string(limit);
  };
  if (topics > limits_.topics_max) return text(topics, "topics", limits_.topics_max);
  if (queues > limits_.queues_max) return text(queues, "topics of brokers", limits_.queues_max);
  return {};
}

bool RouteTable::is_older(const Registration& r, const BrokerData& broker) const {
  const auto known = broker.addrs.find(r.broker_id);
  if (known == broker.addrs.end() || known->second == r.broker_addr) return false;
  const auto live = live_.find({r.cluster, known->second});
  if (live == live_.end() || live->second.version.state_version <= r.body.version.state_version) return false;
  log_warn("namesrv", "ignored {} id {} at {} with state version {}: {} is alive with {}", r.broker_name, r.broker_id,
           r.broker_addr, r.body.version.state_version, known->second, live->second.version.state_version);
  return true;
}

void RouteTable::take_topics(const Registration& r, BrokerData& broker, bool is_first, bool is_prime_slave) {
  if (delete_topics_with_registration_ && r.body.mappings.empty()) drop_topics_not_in(r);
  const auto live = live_.find({r.cluster, r.broker_addr});
  const bool is_changed = is_first || live == live_.end() || live->second.version != r.body.version;
  // The slave with the smallest id stands in for a lost master, but takes no writes.
  const bool read_only = is_prime_slave && broker.enable_acting_master;
  for (const auto& topic : r.body.topics) {
    const auto known = topics_.find(topic.name);
    if (!is_changed && known != topics_.end() && known->second.contains(r.broker_name)) continue;
    QueueData queues = topic.queues;
    if (read_only) queues.perm &= ~perm_write;
    QueuesByBroker& table = known == topics_.end() ? topics_[topic.name] : known->second;
    if (table.insert_or_assign(r.broker_name, queues).second) ++queue_count_;
  }
  if (!is_changed) return;
  for (const auto& [topic, mapping] : r.body.mappings) {
    // Without the topic or the broker nobody is told of the mapping, and nothing would ever remove it.
    if (topics_.contains(topic) && brokers_.contains(mapping.broker_name)) {
      mappings_[topic][mapping.broker_name] = mapping;
    }
  }
}

void RouteTable::drop_topic_of_broker(std::map<std::string, QueuesByBroker>::iterator& topic,
                                      const std::string& broker_name) {
  queue_count_ -= topic->second.erase(broker_name);
  if (!topic->second.empty()) {
    ++topic;
    return;
  }
  mappings_.erase(topic->first);
  topic = topics_.erase(topic);
}

void RouteTable::drop_topics_not_in(const Registration& r) {
  std::set<std::string_view> kept;
  for (const auto& topic : r.body.topics) kept.insert(topic.name);
  for (auto topic = topics_.begin(); topic != topics_.end();) {
    if (topic->second.contains(r.broker_name) && !kept.contains(topic->first)) {
      log_info("namesrv", "topic {} is no longer on {}", topic->first, r.broker_name);
      drop_topic_of_broker(topic, r.broker_name);
    } else {
      ++topic;
    }
  }
}

void RouteTable::forget_empty_broker(const std::string& cluster, const std::string& broker_name) {
  const auto broker = brokers_.find(broker_name);
  if (broker == brokers_.end() || !broker->second.addrs.empty()) return;
  brokers_.erase(broker);
  const auto names = clusters_.find(cluster);
  if (names == clusters_.end()) return;
  names->second.erase(broker_name);
  if (names->second.empty()) clusters_.erase(names);
}

std::vector<MinIdChange> RouteTable::unregister_brokers(const std::vector<Unregistration>& requests) {
  const std::unique_lock lock(mutex_);
  Changed changed;
  for (const Unregistration& request : requests) unregister_one(request, changed);
  clean_topics(changed);
  std::vector<MinIdChange> notices;
  for (const auto& [name, offline] : changed.min_id_gone) {
    const auto broker = brokers_.find(name);
    if (broker == brokers_.end() || broker->second.addrs.empty() || !broker->second.enable_acting_master) continue;
    notices.push_back(min_id_change(broker->second.addrs, offline, std::nullopt));
  }
  return notices;
}

void RouteTable::unregister_one(const Unregistration& request, Changed& changed) {
  const BrokerIdentity identity{request.cluster, request.broker_addr};
  const bool was_live = live_.erase(identity) > 0;
  filter_servers_.erase(identity);
  log_info("namesrv", "broker {} id {} at {} leaves{}", request.broker_name, request.broker_id, request.broker_addr,
           was_live ? "" : " (was not alive)");
  const auto broker = brokers_.find(request.broker_name);
  if (broker == brokers_.end()) return;
  auto& addrs = broker->second.addrs;
  const bool is_min_id = !addrs.empty() && addrs.begin()->first == request.broker_id;
  std::erase_if(addrs, [&](const auto& e) { return e.second == request.broker_addr; });
  if (addrs.empty()) {
    forget_empty_broker(request.cluster, request.broker_name);
    changed.removed.insert(request.broker_name);
    return;
  }
  changed.reduced.insert(request.broker_name);
  if (is_min_id) changed.min_id_gone[request.broker_name] = request.broker_addr;
}

void RouteTable::clean_topics(const Changed& changed) {
  std::set<std::string> headless;  // groups without a master, whose acting master takes no writes
  for (const std::string& name : changed.reduced) {
    const auto broker = brokers_.find(name);
    if (broker != brokers_.end() && broker->second.enable_acting_master &&
        broker->second.addrs.begin()->first > master_id) {
      headless.insert(name);
    }
  }
  if (changed.removed.empty() && headless.empty()) return;
  for (auto topic = topics_.begin(); topic != topics_.end();) {
    for (const std::string& name : headless) {
      const auto queues = topic->second.find(name);
      if (queues != topic->second.end()) queues->second.perm &= ~perm_write;
    }
    for (const std::string& name : changed.removed) queue_count_ -= topic->second.erase(name);
    if (topic->second.empty()) {
      mappings_.erase(topic->first);
      topic = topics_.erase(topic);
    } else {
      ++topic;
    }
  }
}

std::vector<Unregistration> RouteTable::brokers_of_connection(uint64_t connection_id) const {
  const std::shared_lock lock(mutex_);
  std::vector<Unregistration> requests;
  for (const auto& [identity, live] : live_) {
    if (live.connection_id != connection_id) continue;
    if (auto request = request_for(identity)) requests.push_back(*std::move(request));
  }
  return requests;
}

std::optional<Unregistration> RouteTable::request_for(const BrokerIdentity& identity) const {
  for (const auto& [name, broker] : brokers_) {
    if (broker.cluster != identity.cluster) continue;
    for (const auto& [id, addr] : broker.addrs) {
      if (addr == identity.addr) return Unregistration{identity.cluster, name, addr, id};
    }
  }
  return std::nullopt;
}

std::vector<RouteTable::Expired> RouteTable::take_expired() {
  const std::unique_lock lock(mutex_);
  std::vector<Expired> expired;
  const int64_t now = now_ms();
  for (auto at = live_.begin(); at != live_.end();) {
    const Live& live = at->second;
    // Written as a difference, for the time limit comes from the peer and may be huge.
    if (now - live.last_update_ms <= live.timeout_ms) {
      ++at;
      continue;
    }
    expired.push_back({live.connection_id, at->first, live.timeout_ms, request_for(at->first)});
    if (expired.back().request) {
      ++at;
    } else {
      filter_servers_.erase(at->first);
      at = live_.erase(at);
    }
  }
  return expired;
}

void RouteTable::refresh(const BrokerIdentity& broker) {
  const std::unique_lock lock(mutex_);
  const auto live = live_.find(broker);
  if (live != live_.end()) live->second.last_update_ms = now_ms();
}

void RouteTable::register_topic(const std::string& topic, const std::vector<NamedQueueData>& queues) {
  const std::unique_lock lock(mutex_);
  if (queues.empty()) return;
  for (const auto& q : queues) {
    if (brokers_.contains(q.broker_name)) continue;
    log_warn("namesrv", "ignored topic {}: its broker {} is not known", topic, q.broker_name);
    return;
  }
  if (topics_.size() >= limits_.topics_max && !topics_.contains(topic)) {
    log_warn("namesrv", "ignored topic {}: {} topics are known, which is the limit", topic, limits_.topics_max);
    return;
  }
  QueuesByBroker& table = topics_[topic];
  for (const auto& q : queues) queue_count_ += table.insert_or_assign(q.broker_name, q.queues).second ? 1 : 0;
}

void RouteTable::delete_topic(const std::string& topic) {
  const std::unique_lock lock(mutex_);
  if (const auto at = topics_.find(topic); at != topics_.end()) {
    queue_count_ -= at->second.size();
    topics_.erase(at);
  }
  mappings_.erase(topic);
}

void RouteTable::delete_topic(const std::string& topic, const std::string& cluster) {
  const std::unique_lock lock(mutex_);
  const auto names = clusters_.find(cluster);
  const auto at = topics_.find(topic);
  if (names == clusters_.end() || at == topics_.end()) return;
  for (const std::string& name : names->second) queue_count_ -= at->second.erase(name);
  if (!at->second.empty()) return;
  topics_.erase(at);
  mappings_.erase(topic);
}

int32_t RouteTable::wipe_write_perm(const std::string& broker_name) {
  const std::unique_lock lock(mutex_);
  int32_t count = 0;
  for (auto& [topic, table] : topics_) {
    const auto queues = table.find(broker_name);
    if (queues == table.end()) continue;
    queues->second.perm &= ~perm_write;
    ++count;
  }
  return count;
}

int32_t RouteTable::add_write_perm(const std::string& broker_name) {
  const std::unique_lock lock(mutex_);
  int32_t count = 0;
  for (auto& [topic, table] : topics_) {
    const auto queues = table.find(broker_name);
    if (queues == table.end()) continue;
    queues->second.perm = perm_read | perm_write;
    ++count;
  }
  return count;
}

}  // namespace merlin::namesrv
