#include "meta/consumer_filter_rows.h"

#include <cmath>
#include <cstring>

#include "meta/durable_json.h"
#include "meta/json_fields.h"

namespace merlin::meta {

namespace {

uint64_t rotated(uint64_t v, int bits) {
  return v << bits | v >> (64 - bits);
}

uint64_t mixed(uint64_t k) {
  k = (k ^ k >> 33) * 0xff51afd7ed558ccd;
  k = (k ^ k >> 33) * 0xc4ceb9fe1a85ec53;
  return k ^ k >> 33;
}

constexpr uint64_t c1 = 0x87c37b91114253d5;
constexpr uint64_t c2 = 0x4cf5ad432745937f;

// The first half of MurmurHash3 x64 128 with seed 0.
uint64_t murmur3(std::string_view text) {
  uint64_t h1 = 0;
  uint64_t h2 = 0;
  const size_t size = text.size();
  for (; text.size() >= 16; text.remove_prefix(16)) {
    uint64_t k[2];
    std::memcpy(k, text.data(), sizeof k);
    h1 ^= rotated(k[0] * c1, 31) * c2;
    h1 = (rotated(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotated(k[1] * c2, 33) * c1;
    h2 = (rotated(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  uint64_t k[2] = {0, 0};
  std::memcpy(k, text.data(), text.size());
  h2 ^= rotated(k[1] * c2, 33) * c1;
  h1 ^= rotated(k[0] * c1, 31) * c2;
  h1 ^= size;
  h2 ^= size;
  h1 += h2;
  h2 += h1;
  h1 = mixed(h1);
  h2 = mixed(h2);
  return h1 + h2;
}

Result<ConsumerFilterRow> row_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a filter is no object"};
  ConsumerFilterRow row;
  FieldReader reader(object);
  reader.text("topic", row.topic);
  reader.text("consumerGroup", row.group);
  reader.text("expression", row.expression);
  reader.text("expressionType", row.expression_type);
  reader.number("bornTime", row.born_ms);
  reader.number("deadTime", row.dead_ms);
  reader.number("clientVersion", row.client_version);
  if (!reader.status()) return reader.status().error();
  return row;
}

nlohmann::json json_of(const ConsumerFilterRow& row) {
  return {{"bloomFilterData", {{"bitNum", row.bit_count}, {"bitPos", row.bit_positions}}},
          {"bornTime", row.born_ms},
          {"clientVersion", row.client_version},
          {"consumerGroup", row.group},
          {"dead", row.dead_ms >= row.born_ms},
          {"deadTime", row.dead_ms},
          {"expression", row.expression},
          {"expressionType", row.expression_type},
          {"topic", row.topic}};
}

std::string pretty(const nlohmann::json& json) {
  return pretty_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void set_bit_positions(ConsumerFilterRow& row, int32_t error_percent, int32_t consumers) {
  const double error_rate = error_percent / 100.0;
  const auto hashes = static_cast<uint32_t>(std::ceil(std::log(error_rate) / std::log(0.5)));
  const double bits =
      std::ceil(consumers * (std::log(1 / error_rate) / std::log(2)) * (std::log(std::exp(1.0)) / std::log(2)));
  row.bit_count = 8 * static_cast<int32_t>(std::ceil(bits / 8));
  row.bit_positions.clear();
  const uint64_t hash = murmur3(row.group + "#" + row.topic);
  const auto first = static_cast<uint32_t>(hash);
  const auto second = static_cast<uint32_t>(hash >> 32);
  for (uint32_t i = 1; i <= hashes; ++i) {
    auto combined = static_cast<int32_t>(first + i * second);
    if (combined < 0) combined = ~combined;
    row.bit_positions.push_back(combined % row.bit_count);
  }
}

std::string consumer_filter_json(const ConsumerFilterRow& row) {
  return pretty(json_of(row));
}

std::string consumer_filters_json(const std::vector<ConsumerFilterRow>& rows) {
  nlohmann::json table = nlohmann::json::object();
  for (const ConsumerFilterRow& row : rows) {
    nlohmann::json& topic = table[row.topic];
    topic["topic"] = row.topic;
    topic["groupFilterData"][row.group] = json_of(row);
  }
  const nlohmann::json out{{"filterDataByTopic", std::move(table)}};
  return pretty(out);
}

Status read_consumer_filters(std::string_view json, std::vector<ConsumerFilterRow>& out) {
  nlohmann::json parsed;
  if (Status s = parse_json(json, parsed); !s) return s;
  if (!parsed.is_object()) return Error{Errc::corrupt, "no JSON object"};
  std::vector<ConsumerFilterRow> rows;
  const nlohmann::json* topics = FieldReader(parsed).find("filterDataByTopic");
  if (topics != nullptr && !topics->is_object()) return Error{Errc::corrupt, "filterDataByTopic is no object"};
  if (topics != nullptr) {
    for (const auto& [topic, entry] : topics->items()) {
      const nlohmann::json* groups = entry.is_object() ? FieldReader(entry).find("groupFilterData") : nullptr;
      if (groups == nullptr || !groups->is_object()) continue;
      for (const auto& [group, data] : groups->items()) {
        auto row = row_of(data);
        if (!row) return row.error().with("filter of group " + group + " for topic " + topic);
        row->topic = topic;
        row->group = group;
        rows.push_back(std::move(*row));
      }
    }
  }
  out = std::move(rows);
  return {};
}

}  // namespace merlin::meta
