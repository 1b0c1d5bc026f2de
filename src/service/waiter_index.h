// Which of very many waiters of one queue a message may concern: found by its tags code and by its properties.
//
// Owns:    the places of the waiters' tokens; the filters belong to the waiters.
// Threads: none of its own; its owner guards it.
// Exact:   no. Who is found is to be asked; who is not found would not match.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "service/message_filter.h"

namespace merlin::service {

class WaiterIndex {
 public:
  // A filter with more is asked each time.
  static constexpr size_t codes_max = 16;

  void add(uint64_t token, const Filter* filter);
  // REQUIRES: the same filter as in add().
  void remove(uint64_t token, const Filter* filter);
  // Appends those that look at the tags code alone.
  void find_by_tag(int64_t tags_code, std::vector<uint64_t>& tokens) const;
  // Appends those that look at the properties; one of them may be there twice.
  void find_by_properties(const filter::PropertyList& properties, std::vector<uint64_t>& tokens) const;

 private:
  // A hash of what is looked for, and the token; two things that share a hash are both found.
  using Places = std::set<std::pair<uint64_t, uint64_t>>;

  static bool is_indexed_by_tag(const Filter* filter);

  Places by_tag_;
  Places by_equality_;
  std::set<uint64_t> any_tag_;                        // no filter, or too many codes
  std::set<uint64_t> any_properties_;                 // programs that demand no equality
  std::map<std::string, size_t, std::less<>> names_;  // of properties that are demanded, and in how many places
};

}  // namespace merlin::service
