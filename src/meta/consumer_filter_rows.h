// config/consumerFilter.json, as ConsumerFilterManager writes and reads it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/result.h"

namespace merlin::meta {

// What one group filters of one topic by an expression. A dead one has dead_ms >= born_ms.
struct ConsumerFilterRow {
  std::string topic;
  std::string group;
  std::string expression;
  std::string expression_type;
  int64_t born_ms = 0;
  int64_t dead_ms = 0;
  int64_t client_version = 0;
  // Apache's place of the pair in its bit maps; we write it, for Apache forgets the file when it is not there.
  std::vector<int32_t> bit_positions;
  int32_t bit_count = 0;
};

// One of them, laid out as Apache's broker shows it to operators.
std::string consumer_filter_json(const ConsumerFilterRow& row);
std::string consumer_filters_json(const std::vector<ConsumerFilterRow>& rows);
// `out` stays as it is on an error.
Status read_consumer_filters(std::string_view json, std::vector<ConsumerFilterRow>& out);

// Where Apache's bloom filter of `consumers` places with `error_percent` would put the pair.
void set_bit_positions(ConsumerFilterRow& row, int32_t error_percent, int32_t consumers);

}  // namespace merlin::meta
