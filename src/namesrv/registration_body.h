// Bodies that brokers send, decoded: registrations in all their forms, data versions, routes of a single topic.
//
// Pure: bytes in, values or an error out. Errc::invalid says what does not fit; Errc::limit names the limit.
#pragma once

#include <map>
#include <string>

#include "merlin/base/bytes.h"
#include "merlin/base/result.h"
#include "namesrv/route_types.h"

namespace merlin::namesrv {

inline constexpr int32_t version_v3_0_11 = 37;  // from here on the body wraps the topic table
inline constexpr size_t inflated_bytes_max = size_t{64} << 20;

// The body of REGISTER_BROKER from a broker of this version. Deflated bodies are known by their first bytes, for 5.x
// brokers say compressed=false even when they compress. An empty body is an empty registration.
Result<RegistrationBody> parse_registration(ByteView body, bool compressed, int32_t broker_version);

Result<DataVersion> parse_data_version(std::string_view json);

// queueDatas of a TopicRouteData; empty when it has none.
Result<std::vector<NamedQueueData>> parse_queue_datas(std::string_view json);

// The KV file: {"configTable":{namespace:{key:value}}}.
Result<std::map<std::string, std::map<std::string, std::string>>> parse_kv_file(std::string_view json);

}  // namespace merlin::namesrv
