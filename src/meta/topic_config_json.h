// TopicConfig from and to JSON. Only for .cpp files of this room.
#pragma once

#include "meta/json_cursor.h"
#include "meta/json_fields.h"
#include "meta/topic_config.h"

namespace merlin::meta {

Result<TopicConfig> topic_config_of(const nlohmann::json& object);
// The same from a long file: usual fields are read without a tree.
Result<TopicConfig> topic_config_of(JsonCursor& cursor);
void append_topic_json(std::string& out, const TopicConfig& config, std::string_view mapping_detail = {});

}  // namespace merlin::meta
