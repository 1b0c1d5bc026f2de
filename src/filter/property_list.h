// The properties of one message, walked once for many programs.
//
// Owns:    the list; its memory is kept for the next message. The texts are views.
// Limits:  a record has at most 32767 bytes of properties, so at most 8192 of them.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "merlin/message/properties.h"

namespace merlin::filter {

class PropertyList {
 public:
  using Entry = std::pair<std::string_view, std::string_view>;

  void assign(std::string_view properties) {
    entries_.clear();
    longest_value_ = 0;
    message::for_each_property(properties, [this](std::string_view name, std::string_view value) {
      entries_.emplace_back(name, value);
      longest_value_ = std::max(longest_value_, value.size());
      return true;
    });
  }
  const std::vector<Entry>& entries() const { return entries_; }
  size_t longest_value() const { return longest_value_; }

 private:
  std::vector<Entry> entries_;
  size_t longest_value_ = 0;
};

}  // namespace merlin::filter
