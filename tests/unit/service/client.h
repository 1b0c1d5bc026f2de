// A client as the services see it, for tests.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "service/client_channel.h"

namespace merlin::service {

// A client that keeps what it is asked until the test answers.
class Client final : public ClientChannel {
 public:
  explicit Client(uint64_t id) : id_(id) {}
  uint64_t id() const override { return id_; }
  const std::string& remote_text() const override { return remote_; }
  bool is_open() const override { return true; }
  void notify_consumer_ids_changed(const std::string&) override {}
  void push_reply(const ReplyMessage&, int64_t, std::function<void(Status)>) override {}
  void move_offsets(const OffsetMove& move, const std::string& language) override {
    moves.push_back(move);
    languages.push_back(language);
  }
  void ask(ClientQuestion question, int64_t timeout_ms, std::function<void(Result<ClientAnswer>)> done) override {
    asked.push_back(std::move(question));
    timeouts_ms.push_back(timeout_ms);
    waiting.push_back(std::move(done));
  }

  std::vector<OffsetMove> moves;
  std::vector<std::string> languages;
  std::vector<ClientQuestion> asked;
  std::vector<int64_t> timeouts_ms;
  std::vector<std::function<void(Result<ClientAnswer>)>> waiting;

 private:
  const uint64_t id_;
  const std::string remote_ = "127.0.0.1:1";
};

}  // namespace merlin::service
