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

bool looks_at_properties(const Filter* filter) {
  return filter != nullptr && filter->needs_record();
}

}  // namespace

void WaiterIndex::find(const Places& places, uint64_t hash, std::vector<Waiter*>& found) {
  for (auto it = places.lower_bound({hash, nullptr}); it != places.end() && it->first == hash; ++it) {
    found.push_back(it->second);
  }
}

bool WaiterIndex::is_indexed_by_tag(const Filter* filter) {
  return filter != nullptr && !filter->tag_codes().empty() && filter->tag_codes().size() <= codes_max;
}

void WaiterIndex::add(Waiter& waiter) {
  const Filter* filter = waiter.filter;
  if (!looks_at_properties(filter)) {
    if (!is_indexed_by_tag(filter)) {
      any_tag_.insert(&waiter);
      return;
    }
    for (const int32_t code : filter->tag_codes()) by_tag_.emplace(hash_of(code), &waiter);
    return;
  }
  const filter::Requirement* required = filter->requirement();
  if (required == nullptr) {
    any_properties_.insert(&waiter);
    return;
  }
  for (const std::string& value : required->values) by_equality_.emplace(hash_of(required->name, value), &waiter);
  ++names_[required->name];
}

void WaiterIndex::remove(Waiter& waiter) {
  const Filter* filter = waiter.filter;
  if (!looks_at_properties(filter)) {
    any_tag_.erase(&waiter);
    if (!is_indexed_by_tag(filter)) return;
    for (const int32_t code : filter->tag_codes()) by_tag_.erase({hash_of(code), &waiter});
    return;
  }
  const filter::Requirement* required = filter->requirement();
  if (required == nullptr) {
    any_properties_.erase(&waiter);
    return;
  }
  for (const std::string& value : required->values) by_equality_.erase({hash_of(required->name, value), &waiter});
  const auto name = names_.find(required->name);
  if (name != names_.end() && --name->second == 0) names_.erase(name);
}

void WaiterIndex::find_by_tag(int64_t tags_code, std::vector<Waiter*>& found) const {
  found.insert(found.end(), any_tag_.begin(), any_tag_.end());
  find(by_tag_, hash_of(tags_code), found);
}

void WaiterIndex::find_by_properties(const filter::PropertyList& properties, std::vector<Waiter*>& found) const {
  found.insert(found.end(), any_properties_.begin(), any_properties_.end());
  for (const auto& [name, value] : properties.entries()) {
    if (names_.find(name) != names_.end()) find(by_equality_, hash_of(name, value), found);
  }
}

}  // namespace merlin::service
