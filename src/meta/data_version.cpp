#include "meta/data_version.h"

#include "meta/data_version_json.h"
#include "meta/durable_json.h"

namespace merlin::meta {

std::string DataVersion::json() const {
  return fmt::format(R"({{"counter":{},"stateVersion":{},"timestamp":{}}})", counter, state_version, timestamp_ms);
}

Result<DataVersion> data_version_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a data version is not an object"};
  DataVersion out;
  FieldReader reader(object);
  reader.number("counter", out.counter);
  reader.number("stateVersion", out.state_version);
  reader.number("timestamp", out.timestamp_ms);
  if (!reader.status()) return reader.status().error();
  return out;
}

Status read_version(std::string_view json, DataVersion& out) {
  const Result<DataVersion> read = DataVersion::parse(json);
  if (!read) return read.error();
  out = *read;
  return {};
}

Result<DataVersion> DataVersion::parse(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  return data_version_of(object);
}

}  // namespace merlin::meta
