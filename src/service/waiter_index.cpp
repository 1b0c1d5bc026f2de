#include "service/waiter_index.h"

#include <functional>
#include <string_view>

namespace merlin::service {

namespace {

uint64_t hash_of(std::string_view name, std::string_view value) {
  const std::hash<std::string_view> hash;
  return (hash(name) * 0x9E3779B97F4A7C15) ^ hash(value);
}

uint64_t hash_of(int64_t tags_code) {
  return static_cast<uint32_t>(tags_code);
}

void find(const std::set<std::pair<uint64_t, uint64_t>>& places, uint64_t hash, std::vector<uint64_t>& tokens) {
  for (auto it = places.lower_bound({hash, 0}); it != places.end() && it->first == hash; ++it) {
    tokens.push_back(it->second);
  }
}

bool looks_at_properties(const Filter* filter) {
  return filter != nullptr && filter->needs_record();
}

}  // namespace

bool WaiterIndex::is_indexed_by_tag(const Filter* filter) {
  return filter != nullptr && !filter->tag_codes().empty() && filter->tag_codes().size() <= codes_max;
}

void WaiterIndex::add(uint64_t token, const Filter* filter) {
  if (!looks_at_properties(filter)) {
    if (!is_indexed_by_tag(filter)) {
      any_tag_.insert(token);
      return;
    }
    for (const int32_t code : filter->tag_codes()) by_tag_.emplace(hash_of(code), token);
    return;
  }
  const filter::Requirement* required = filter->requirement();
  if (required == nullptr) {
    any_properties_.insert(token);
    return;
  }
  for (const std::string& value : required->values) by_equality_.emplace(hash_of(required->name, value), token);
  ++names_[required->name];
}

void WaiterIndex::remove(uint64_t token, const Filter* filter) {
  if (!looks_at_properties(filter)) {
    any_tag_.erase(token);
    if (!is_indexed_by_tag(filter)) return;
    for (const int32_t code : filter->tag_codes()) by_tag_.erase({hash_of(code), token});
    return;
  }
  const filter::Requirement* required = filter->requirement();
  if (required == nullptr) {
    any_properties_.erase(token);
    return;
  }
  for (const std::string& value : required->values) by_equality_.erase({hash_of(required->name, value), token});
  const auto name = names_.find(required->name);
  if (name != names_.end() && --name->second == 0) names_.erase(name);
}

void WaiterIndex::find_by_tag(int64_t tags_code, std::vector<uint64_t>& tokens) const {
  tokens.insert(tokens.end(), any_tag_.begin(), any_tag_.end());
  find(by_tag_, hash_of(tags_code), tokens);
}

void WaiterIndex::find_by_properties(const filter::PropertyList& properties, std::vector<uint64_t>& tokens) const {
  tokens.insert(tokens.end(), any_properties_.begin(), any_properties_.end());
  for (const auto& [name, value] : properties.entries()) {
    if (names_.find(name) != names_.end()) find(by_equality_, hash_of(name, value), tokens);
  }
}

}  // namespace merlin::service
