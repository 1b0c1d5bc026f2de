// A hash map from text that is looked up by views.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace merlin::meta {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

template <class V>
using TextMap = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;

}  // namespace merlin::meta
