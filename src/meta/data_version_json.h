// DataVersion from a parsed object. Only for .cpp files of this room.
#pragma once

#include "meta/data_version.h"
#include "meta/json_fields.h"

namespace merlin::meta {

Result<DataVersion> data_version_of(const nlohmann::json& object);

}  // namespace merlin::meta
