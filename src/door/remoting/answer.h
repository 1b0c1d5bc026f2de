// Small helpers of all handler families: outcome -> response code, a header that must decode.
#pragma once

#include "rpc/request.h"
#include "service/outcome.h"

namespace merlin::door {

// The one switch from what a service answers to the protocol's codes.
int32_t response_code_of(service::Outcome outcome);

inline void refuse(rpc::Request& request, const service::Refusal& refusal) {
  request.reply(response_code_of(refusal.outcome), refusal.remark);
}

// Decodes the custom header, or answers 1 with the reason and returns nullopt.
template <class H>
std::optional<H> header_or_answer(rpc::Request& request) {
  auto header = wire::decode_header<H>(request.command());
  if (header) return std::move(header).value();
  request.reply(wire::response_code::system_error, header.error().message);
  return std::nullopt;
}

}  // namespace merlin::door
