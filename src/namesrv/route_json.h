// Bodies that the nameserver sends, as JSON. Keys are alphabetical and fields without a value left out, as Apache's
// are.
#pragma once

#include <map>
#include <string>

#include "namesrv/json_text.h"
#include "namesrv/route_types.h"

namespace merlin::namesrv {

std::string to_json(const TopicRoute& route, JsonStyle style);
std::string to_json(const ClusterInfo& info);
std::string to_json(const TopicList& list);
std::string to_json(const DataVersion& version);
// GET_BROKER_MEMBER_GROUP.
std::string members_json(const std::string& cluster, const std::string& broker_name,
                         const std::map<int64_t, std::string>& addrs);
// {"table":{...}}: one namespace of the KV config.
std::string kv_table_json(const std::map<std::string, std::string>& table);
// {"configTable":{namespace:{...}}}: the file.
std::string kv_file_json(const std::map<std::string, std::map<std::string, std::string>>& namespaces);

}  // namespace merlin::namesrv
