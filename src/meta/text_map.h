// Hash tables from text that are looked up by views.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace merlin::meta {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

template <class V>
using TextMap = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

// Constant values that carry their own name: the name is held once.
template <class T>
class NamedSet {
 public:
  using Ptr = std::shared_ptr<const T>;

  // nullptr when there is none.
  Ptr find(std::string_view name) const {
    const auto it = values_.find(name);
    return it == values_.end() ? nullptr : *it;
  }
  void put(Ptr value) {
    const auto it = values_.find(std::string_view(value->name));
    if (it == values_.end()) {
      values_.insert(std::move(value));
      return;
    }
    auto node = values_.extract(it);
    node.value() = std::move(value);
    values_.insert(std::move(node));
  }
  bool erase(std::string_view name) {
    const auto it = values_.find(name);
    if (it == values_.end()) return false;
    values_.erase(it);
    return true;
  }
  size_t size() const { return values_.size(); }
  void reserve(size_t count) { values_.reserve(count); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return TextHash()(name); }
    size_t operator()(const Ptr& value) const { return TextHash()(value->name); }
  };
  struct Equal {
    using is_transparent = void;
    static std::string_view name_of(std::string_view name) { return name; }
    static std::string_view name_of(const Ptr& value) { return value->name; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return name_of(a) == name_of(b);
    }
  };
  std::unordered_set<Ptr, Hash, Equal> values_;
};

}  // namespace merlin::meta
