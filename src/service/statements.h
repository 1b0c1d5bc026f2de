// What the members of one group say they want, without versions: members that say the same share one text.
//
// Owns:    each distinct statement of a group, with the number of members that make it.
// Threads: its owner's (Clients, under its mutex); the free functions are pure.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "service/subscription.h"

namespace merlin::service {

// The same text for the same wish: topics in order, tags in order, no versions, no retry topic.
std::string statement_of(std::string_view group, std::string_view message_model,
                         const std::vector<Subscription>& subscriptions);

// In which topics two statements differ and how, for a log line or a remark; at most statement_difference_max bytes.
inline constexpr size_t statement_difference_max = 1024;
std::string statement_difference(std::string_view mine, std::string_view theirs);

class Statements {
 public:
  using Ref = const std::string*;  // valid until the last member that holds it has removed it

  Ref add(std::string statement);
  void remove(Ref statement);
  size_t distinct() const { return by_text_.size(); }
  size_t bytes() const { return bytes_; }
  // Whether anybody says something else than `statement`. `own` is not counted: what the asker said before; or nullptr.
  bool others_differ(std::string_view statement, Ref own) const;

 private:
  std::unordered_map<std::string, size_t> by_text_;  // statement -> members
  size_t bytes_ = 0;
};

}  // namespace merlin::service
