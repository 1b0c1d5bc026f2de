// SEND_MESSAGE, SEND_MESSAGE_V2, SEND_BATCH_MESSAGE.
//
// Owns:    one burst per reactor: the records that the connections brought in one turn, and who waits for their
// answers. Threads: send handlers and on_bursts_end on the reactors; the slow path (unknown topic) on workers. Fails:
// every refusal is answered with Apache's code; a sync-flush time-out is answered 10 with the full header.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "door/remoting/headers.h"
#include "door/remoting/static_queue.h"
#include "merlin/base/worker_pool.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "service/produce.h"

namespace merlin::door {

class ProduceDoor final : public rpc::BurstParticipant {
 public:
  ProduceDoor(service::Produce& produce, store::MessageStore& store, StaticQueues static_queues, WorkerPool& workers,
              size_t reactor_count, int32_t sync_flush_timeout_ms);
  ~ProduceDoor() override;

  size_t collected(const net::Reactor& reactor) const override;
  void on_bursts_end(net::Reactor& reactor) override;

 private:
  struct Waiting;
  struct ReactorBurst;

  void send(rpc::Request& request);
  void send_v2(rpc::Request& request);
  void handle(rpc::Request& request, const SendMessageHeader& header, bool batch);
  void send_on_worker(rpc::Request& request, const service::SendRequest& send, const StaticQueue& mapped);
  bool answer_placed(std::span<const Waiting> requests, ReactorBurst& burst, bool sync_flush);
  void answer_when_durable(std::span<const Waiting> requests, ReactorBurst& burst, int64_t end_offset);

  service::Produce& produce_;
  store::MessageStore& store_;
  const StaticQueues static_queues_;
  WorkerPool& workers_;
  const int32_t sync_flush_timeout_ms_;
  const wire::PreparedFields own_fields_;              // what every answer to a send carries
  std::vector<std::unique_ptr<ReactorBurst>> bursts_;  // one per reactor, used by that reactor only

 public:
  static constexpr rpc::Row<ProduceDoor> rows[] = {
      {wire::request_code::send_message, rpc::Lane::reactor, rpc::Ports::all, &ProduceDoor::send},
      {wire::request_code::send_message_v2, rpc::Lane::reactor, rpc::Ports::all, &ProduceDoor::send_v2},
      {wire::request_code::send_batch_message, rpc::Lane::reactor, rpc::Ports::all, &ProduceDoor::send_v2},
  };
};

}  // namespace merlin::door
