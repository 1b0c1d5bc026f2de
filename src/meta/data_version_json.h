// DataVersion from a parsed object. Only for .cpp files of this room.
#pragma once

#include "meta/data_version.h"
#include "meta/json_fields.h"

namespace merlin::meta {

Result<DataVersion> data_version_of(const nlohmann::json& object);
// Into `out`, which stays as it is on an error.
Status read_version(std::string_view json, DataVersion& out);

}  // namespace merlin::meta
