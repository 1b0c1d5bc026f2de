// Which of very many waiters of one queue a message may concern: found by its tags code and by its properties.
//
// Owns:    the places; the waiters and their filters belong to others.
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
#include "service/waiter.h"

namespace merlin::service {

class WaiterIndex {
 public:
  // A filter with more is asked each time.
  static constexpr size_t codes_max = 16;

  void add(Waiter& waiter);
  // REQUIRES: its filter is that of add().
  void remove(Waiter& waiter);
  // Appends those that look at the tags code alone.
  void find_by_tag(int64_t tags_code, std::vector<Waiter*>& found) const;
  // Appends those that look at the properties; one of them may be there twice.
  void find_by_properties(const filter::PropertyList& properties, std::vector<Waiter*>& found) const;

 private:
  // A hash of what is looked for, and who looks for it; two things that share a hash are both found.
  using Places = std::set<std::pair<uint64_t, Waiter*>>;

  static bool is_indexed_by_tag(const Filter* filter);
  static void find(const Places& places, uint64_t hash, std::vector<Waiter*>& found);

  Places by_tag_;
  Places by_equality_;
  std::set<Waiter*> any_tag_;                         // no filter, or too many codes
  std::set<Waiter*> any_properties_;                  // programs that demand no equality
  std::map<std::string, size_t, std::less<>> names_;  // of properties that are demanded, and in how many places
};

}  // namespace merlin::service
