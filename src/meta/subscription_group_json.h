// SubscriptionGroup from and to JSON. Only for .cpp files of this room.
#pragma once

#include "meta/json_cursor.h"
#include "meta/json_fields.h"
#include "meta/subscription_group.h"

namespace merlin::meta {

Result<SubscriptionGroup> subscription_group_of(const nlohmann::json& object);
// The same from a long file: usual fields are read without a tree.
Result<SubscriptionGroup> subscription_group_of(JsonCursor& cursor);
void append_group_json(std::string& out, const SubscriptionGroup& group);

}  // namespace merlin::meta
