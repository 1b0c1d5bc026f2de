#include "service/relay.h"

#include <atomic>
#include <memory>
#include <mutex>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"

namespace merlin::service {

namespace {

// The answers of a group's clients as they come in; whoever brings the last one hands all on.
class Collector {
 public:
  Collector(size_t expected, Relay::StatusesKnown done) : left_(expected), done_(std::move(done)) {}

  void add(const std::string& client_id, Result<ClientAnswer> answer) {
    std::unique_lock lock(mutex_);
    if (answer && answer->code == 0) {
      bytes_ += client_id.size() + answer->body.size();
      if (bytes_ <= Relay::status_bytes_max) statuses_[client_id] = std::move(answer).value();
    } else {
      log_info("relay", "{} does not say where it is: {}", client_id, answer ? answer->remark : answer.error().message);
    }
    if (--left_ > 0) return;
    lock.unlock();  // nobody else comes
    if (bytes_ > Relay::status_bytes_max) {
      return done_({Outcome::system_error,
                    fmt::format("the clients answer with {} bytes, the limit is {}", bytes_, Relay::status_bytes_max)},
                   {});
    }
    done_({}, std::move(statuses_));
  }

 private:
  std::mutex mutex_;
  size_t left_;  // guarded by mutex_, as are the next two
  size_t bytes_ = 0;
  Relay::Statuses statuses_;
  const Relay::StatusesKnown done_;
};

}  // namespace

void Relay::ask(std::string_view group, std::string_view client_id, ClientQuestion question, Answered done) const {
  const auto client = clients_.consumer(group, client_id);
  if (!client) {
    return done({Outcome::system_error, fmt::format("The Consumer <{}> <{}> not online", group, client_id)}, {});
  }
  if (client->version < ask_version_min) {
    return done({Outcome::system_error,
                 fmt::format("The Consumer <{}> Version <{}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT",
                             client_id, version_text_(client->version))},
                {});
  }
  const std::string who = fmt::format("<{}> <{}>", group, client_id);
  client->channel->ask(std::move(question), ask_timeout_ms, [who, done = std::move(done)](Result<ClientAnswer> answer) {
    if (answer) return done({}, std::move(answer).value());
    const Error& error = answer.error();
    if (error.code == Errc::timeout) {
      return done({Outcome::consume_timeout, fmt::format("consumer {} Timeout: {}", who, error.message)}, {});
    }
    done({Outcome::system_error, fmt::format("invoke consumer {} Exception: {}", who, error.message)}, {});
  });
}

void Relay::consume_status(std::string_view group, std::string_view topic, std::string_view client_id,
                           StatusesKnown done) const {
  const auto snapshot = clients_.consumer_group(group);
  if (!snapshot || snapshot->clients.empty()) {
    return done({Outcome::system_error, fmt::format("No Any Consumer online in the consumer group: [{}]", group)}, {});
  }
  std::vector<const ClientInfo*> asked;
  for (const ClientInfo& client : snapshot->clients) {
    if (client.version < move_version_min) {
      return done(
          {Outcome::system_error, "the client does not support this feature. version=" + version_text_(client.version)},
          {});
    }
    if (client_id.empty() || client.client_id == client_id) asked.push_back(&client);
  }
  if (asked.empty()) return done({}, {});
  const auto collector = std::make_shared<Collector>(asked.size(), std::move(done));
  for (const ClientInfo* client : asked) {
    ClientQuestion question;
    question.verb = ClientVerb::consume_status;
    question.fields = {{"topic", std::string(topic)}, {"group", std::string(group)}};
    client->channel->ask(
        std::move(question), status_timeout_ms,
        [collector, id = client->client_id](Result<ClientAnswer> answer) { collector->add(id, std::move(answer)); });
  }
}

Refusal Relay::move_offsets(const OffsetMove& move) const {
  const auto snapshot = clients_.consumer_group(move.group);
  if (!snapshot || snapshot->clients.empty()) {
    return {Outcome::consumer_not_online,
            fmt::format("Consumer not online, so can not reset offset, Group: {} Topic: {} Timestamp: {}", move.group,
                        move.topic, move.timestamp_ms)};
  }
  // Nobody is told when one of them would not understand: a group half of which goes back is worse than none.
  for (const ClientInfo& client : snapshot->clients) {
    if (client.version < move_version_min) {
      return {Outcome::system_error,
              "the client does not support this feature. version=" + version_text_(client.version)};
    }
  }
  for (const ClientInfo& client : snapshot->clients) {
    log_info("relay", "{} is told of new offsets of group {} in topic {}", client.client_id, move.group, move.topic);
    client.channel->move_offsets(move, client.language);
  }
  return {};
}

}  // namespace merlin::service
